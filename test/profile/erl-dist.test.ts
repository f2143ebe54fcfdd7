import { expect, test } from 'vitest'
import { detectErlDist, readErlDist } from '../../agent/profile/erl-dist.ts'
import { classify } from '../../agent/profile/shape.ts'
import { expectGolden, fixture, fixturesIn } from '../goldens.ts'
import { folded, hostileNames, readWith } from '../stacks.ts'

const head = '{"format":"erl-dist","version":1,"mode":"cpu"}\n'
const read = (text: string | Uint8Array) => readWith(readErlDist, text)

test.for(fixturesIn('erl-dist/otp-25'))('%s folds as its golden says', async name => {
  expectGolden(`${name}.folded.golden`, folded(await read(fixture(name))))
})

test('a stack of eight frames is cut, and says so', async () => {
  const profile = await read(fixture('erl-dist/otp-25/cpu.jsonl'))
  expect(folded(profile)).toMatch(
    /^\[cut by the node\];shop:a5\/1_\[j\];.*shop:total!\/2_\[j\] \d+$/m,
  )
  expect(profile.notes).toEqual([expect.stringContaining('cuts its stacks at 8 frames')])
})

test('what waits has a leaf that says so, and the verdict knows it', async () => {
  const profile = await read(fixture('erl-dist/otp-25/wall.jsonl'))
  expect(folded(profile)).toMatch(/^init:.*;timer:sleep\/1_\[j\];\(waiting\) \d+$/m)
  expect(classify(profile).headline).toContain('the time is spent waiting, not working')
})

test('a process that hibernates has no stack, and is where that is done', async () => {
  expect(folded(await read(`${head}[3,"waiting"]\n`))).toBe('erlang:hibernate/3_[j];(waiting) 3\n')
})

test('a function has its file, and no line', async () => {
  const { frames } = await read(`${head}[2,"running","shop:total/2 src/my shop.erl"]\n`)
  expect(frames).toContainEqual({ name: 'shop:total/2', kind: 'jit', file: 'src/my shop.erl' })
})

test('a process without a stack is counted as lost', async () => {
  const { loss } = await read(`${head}[3,"exiting"]\n`)
  expect([...loss]).toEqual([['of processes that show no stack', 3]])
})

test.for(hostileNames.filter(name => !name.includes(' ')))(
  'a function is a name like any other (%$)',
  async name => {
    const { frames } = await read(`${head}${JSON.stringify([1, 'running', name])}\n`)
    expect(frames).toContainEqual({ name, kind: 'jit' })
  },
)

test.for([
  ['another version', '{"format":"erl-dist","version":2,"mode":"cpu"}\n', 1],
  ['nothing', '', 1],
  ['a line that is no JSON', `${head}[1,"running"\n`, 2],
  ['a line that is no list', `${head}{}\n`, 2],
  ['a count that is none', `${head}[-1,"running","a:b/0"]\n`, 2],
  ['a frame that is none', `${head}[1,"running",7]\n`, 2],
] as const)('%s is refused with its line', async ([, text, line]) => {
  await expect(read(text)).rejects.toMatchObject({
    code: 'SP_ERL_DIST_MALFORMED',
    facts: { line },
  })
})

test('is told by its first line', () => {
  const detect = (text: string) => detectErlDist(Buffer.from(text))
  expect(detect(head)).toBe(true)
  expect(detect('{"for')).toBe(undefined)
  expect(detect('{"nodes":[]}')).toBe(false)
})
