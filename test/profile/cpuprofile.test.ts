import { expect, test } from 'vitest'
import {
  detectCpuProfile,
  readCpuProfile,
  readThreadCpuProfile,
} from '../../agent/profile/cpuprofile.ts'
import { expectGolden, fixture, fixturesIn } from '../goldens.ts'
import { folded, hostileNames, readWith } from '../stacks.ts'

const read = (value: unknown) =>
  readWith(readCpuProfile, typeof value === 'string' ? value : JSON.stringify(value))

const call = (functionName: string, url = '', lineNumber = -1) => ({
  functionName,
  scriptId: '1',
  url,
  lineNumber,
  columnNumber: 0,
})

const small = {
  nodes: [
    { id: 1, callFrame: call('(root)'), children: [2, 3, 4, 5] },
    { id: 2, callFrame: call('(idle)') },
    { id: 3, callFrame: call('(program)') },
    { id: 4, callFrame: call('(garbage collector)') },
    { id: 5, callFrame: call('', 'file:///srv/my%20shop/app.js', 0), children: [6] },
    { id: 6, callFrame: call('serve', 'node:internal/timers', 11), children: [7] },
    { id: 7, callFrame: call('parse') },
  ],
  startTime: 1000,
  endTime: 1700,
  samples: [7, 2, 3, 4, 6],
  timeDeltas: [100, 100, 100, 100, 100],
}

test.for([...fixturesIn('cpuprofile/node-20'), ...fixturesIn('cpuprofile/node-24')])(
  '%s folds as its golden says',
  async name => {
    expectGolden(`${name}.folded.golden`, folded(await readWith(readCpuProfile, fixture(name))))
  },
)

test('a sample stands for the time until the next, the last one until the end', async () => {
  const profile = await read(small)
  expect(profile.columns.map(({ event, unit }) => [event, unit])).toEqual([
    ['cpu', 'nanoseconds'],
    ['cpu', 'samples'],
  ])
  expect(folded(profile)).toBe(
    '(anonymous) app.js:1_[j];serve_[j] 200000\n(anonymous) app.js:1_[j];serve_[j];parse 100000\n(garbage collector) 100000\n(program) 100000\n',
  )
})

test('idle is left out and said, the program and the garbage collector stay', async () => {
  const profile = await read(small)
  expect(profile.notes).toEqual(['The thread was idle in 1 of 5 samples, which are left out.'])
  expect(profile.columns[1]!.self.reduce((a, b) => a + b)).toBe(4)
})

test('a function has its file and the line where it starts, counted from 1', async () => {
  const { frames } = await read(small)
  expect(frames).toContainEqual({
    name: '(anonymous) app.js:1',
    kind: 'jit',
    file: '/srv/my shop/app.js',
    line: 1,
  })
  expect(frames).toContainEqual({
    name: 'serve',
    kind: 'jit',
    file: 'node:internal/timers',
    line: 12,
  })
  expect(frames).toContainEqual({ name: 'parse', kind: 'native' })
})

const thread = (more: object) => {
  const value = { thread: 'worker 1', mode: 'cpu', profile: small, ...more }
  return readWith(readThreadCpuProfile, JSON.stringify(value))
}

test('a thread is the root of its stacks, and what is idle has no note of each segment', async () => {
  const profile = await thread({})
  expect(profile.frames[0]).toEqual({ name: 'worker 1', kind: 'thread' })
  expect(folded(profile)).toContain('worker 1;(program) 100000\n')
  expect(folded(profile)).not.toContain('idle')
  expect(profile.notes).toEqual([])
})

test('a thread in wall mode keeps what is idle', async () => {
  const profile = await thread({ mode: 'wall', cpuUs: 1, longestUs: 1000 })
  expect(profile.columns[0]).toMatchObject({ event: 'wall', unit: 'nanoseconds' })
  expect(folded(profile)).toContain('worker 1;(idle) 100000\n')
})

test('a sample of a thread stands for no more than it may', async () => {
  const profile = await thread({ longestUs: 120 })
  expect(folded(profile)).toContain('serve_[j] 120000\n')
})

test('a thread that waited for a core stands for its CPU time', async () => {
  // 500 us by the clock without the idle one.
  const profile = await thread({ cpuUs: 250 })
  expect(profile.columns[0]!.self.reduce((a, b) => a + b)).toBe(250_000)
  expect(profile.columns[1]!.self.reduce((a, b) => a + b)).toBe(4)
})

test.for(['null', '{}', '{"profile":[]}', '{"thread":7,"profile":{"nodes":7}}'])(
  'what is no profile of a thread is refused: %s',
  async text => {
    await expect(readWith(readThreadCpuProfile, text)).rejects.toMatchObject({
      code: 'SP_CPUPROFILE_MALFORMED',
    })
  },
)

test('time does not run backwards', async () => {
  const profile = await read({ ...small, timeDeltas: [100, -50, 500, -400, 100] })
  expect(Math.min(...profile.columns[0]!.self)).toBe(0)
  expect(profile.columns[0]!.self.reduce((a, b) => a + b)).toBeLessThanOrEqual(700_000)
})

test('the nested tree of old files is read without recursion, at any depth that JSON may have', async () => {
  const depth = 20_000
  const node = (id: number) =>
    `{"id":${id},"functionName":"f${id}","url":"a.js","lineNumber":3,"hitCount":1,"children":[`
  const open = Array.from({ length: depth }, (_, id) => node(id)).join('')
  const text = `{"head":${open}${']}'.repeat(depth)},"samples":[${depth - 1},0],"timestamps":[5,7]}`
  const profile = await read(text)
  expect(profile.stacks.length).toBe(depth)
  expect(profile.columns[0]!.self[depth - 1]).toBe(2000)
  expect(profile.frames[0]).toEqual({ name: 'f0', kind: 'jit', file: 'a.js', line: 3 })
})

test('without samples the tree says how often each function was the leaf', async () => {
  const nodes = [
    { id: 1, callFrame: call('(root)'), children: [2] },
    { id: 2, callFrame: call('f'), hitCount: 3 },
  ]
  expect(folded(await read({ nodes }))).toBe('f 3\n')
})

test('samples of nodes that the file lacks, or that only lead to each other, are counted', async () => {
  const nodes = [
    { id: 1, callFrame: call('(root)') },
    { id: 2, callFrame: call('a'), children: [3] },
    { id: 3, callFrame: call('b'), children: [2] },
  ]
  const profile = await read({ nodes, samples: [1, 2, 9], timeDeltas: [1, 1, 1] })
  expect([...profile.loss]).toEqual([['of a node that the file lacks', 2]])
  expect(folded(profile, 1)).toBe('(root) 1\n')
})

test.for(hostileNames)('a function is a name like any other (%$)', async name => {
  const nodes = [{ id: 1, callFrame: call(name, name) }]
  const { frames } = await read({ nodes, samples: [1], timeDeltas: [1] })
  expect(frames[0]).toEqual({ name, kind: 'jit', file: name })
})

test.for([
  '[]',
  '{}',
  '{"nodes":3}',
  '{"nodes":[3]}',
  '{"nodes":[{}]}',
  '{"nodes":[',
  '',
  'null',
  '{"nodes":[],"samples":[1],"timeDeltas":[]}',
])('%s is malformed', async text => {
  await expect(read(text)).rejects.toMatchObject({ code: 'SP_CPUPROFILE_MALFORMED' })
})

test('is found by its keys, not by text in it', () => {
  const detect = (text: string) => detectCpuProfile(Buffer.from(text))
  expect(detect('\n {"nodes": [')).toBe(true)
  expect(detect('{"title":"x","head":{')).toBe(true)
  expect(detect('{"title":"{\\"nodes\\":"')).toBe(undefined)
  expect(detect('{"shared":{"nodes":[]}}')).toBe(false)
  expect(detect('[{"nodes":[]}]')).toBe(false)
  expect(detect('main;f 1')).toBe(false)
})
