import { expect, test } from 'vitest'
import { noCaller, type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import {
  detectSpeedscope,
  printSpeedscope,
  readSpeedscope,
} from '../../agent/profile/speedscope.ts'
import { expectGolden, fixture, fixturesIn } from '../goldens.ts'
import { folded, hostileNames, readWith, stacks } from '../stacks.ts'

const read = (value: unknown) =>
  readWith(readSpeedscope, typeof value === 'string' ? value : JSON.stringify(value))
const print = (profile: Profile) => Buffer.concat([...printSpeedscope(profile)]).toString()

const shared = {
  frames: [{ name: 'a' }, { name: 'b', file: 'b.py', line: 7, col: 1 }, { name: 'c' }],
}
const sampled = (name: string, samples: number[][], weights: number[], unit = 'none') => ({
  type: 'sampled',
  name,
  unit,
  startValue: 0,
  endValue: 9,
  samples,
  weights,
})
const evented = (...events: [type: string, at: number, frame: number][]) => ({
  type: 'evented',
  name: 'x',
  unit: 'milliseconds',
  startValue: 0,
  endValue: 9,
  events: events.map(([type, at, frame]) => ({ type, at, frame })),
})

test.for(fixturesIn('speedscope/py-spy-0.4.3'))('%s folds as its golden says', async name => {
  expectGolden(`${name}.folded.golden`, folded(await readWith(readSpeedscope, fixture(name))))
})

test('a sampled profile is stacks and weights', async () => {
  const profile = await read({ shared, profiles: [sampled('x', [[0, 1], [0], [0, 1]], [1, 2, 3])] })
  expect(folded(profile)).toBe('a 2\na;b 4\n')
  expect(profile.frames[1]).toEqual({ name: 'b', kind: 'native', file: 'b.py', line: 7 })
})

test('an evented profile is the time between its events', async () => {
  const profile = await read({
    shared,
    profiles: [
      evented(['O', 1, 0], ['O', 3, 1], ['C', 4, 1], ['C', 5, 0], ['O', 8, 2], ['C', 8.5, 2]),
    ],
  })
  expect(folded(profile)).toBe('a 3000000\na;b 1000000\nc 500000\n')
  expect(profile.columns[0]!.unit).toBe('nanoseconds')
})

test('several profiles stand each under its name', async () => {
  const profile = await read({
    shared,
    profiles: [sampled('main', [[0]], [1], 'seconds'), sampled('worker', [[0]], [2], 'bytes')],
  })
  expect([folded(profile, 0), folded(profile, 1)]).toEqual(['main;a 1000000000\n', 'worker;a 2\n'])
  expect(profile.frames[0]).toEqual({ name: 'main', kind: 'thread' })
})

test('a sample without a stack is counted as lost', async () => {
  const profile = await read({ shared, profiles: [sampled('x', [[], [0]], [1, 1])] })
  expect([...profile.loss]).toEqual([['without a stack', 1]])
})

test('printed and read again it is the same profile, column by column', async () => {
  const profile = stacks(`
    shop;main;parse_[j]      30.5 64
    shop;main;[libc.so.6]    10
    shop;main;fast_[i]       0    5
    shop;read_[k]            7
  `)
  const copy = await read(print(profile))
  expect(copy.columns.map(({ event, unit }) => [event, unit])).toEqual([
    ['samples', 'samples'],
    ['allocated', 'bytes'],
  ])
  expect([folded(copy, 0), folded(copy, 1)]).toEqual([folded(profile, 0), folded(profile, 1)])
  const said = ({ frames }: Profile) => frames.map(frame => JSON.stringify(frame)).sort()
  expect(said(copy)).toEqual(said(profile))
})

test('files, lines and modules survive being printed', async () => {
  const builder = new ProfileBuilder()
  const withLine = builder.frame({ name: 'f', kind: 'native', file: 'f.c', line: 3 })
  const withModule = builder.frame({ name: 'g', kind: 'kernel', module: '[kernel.kallsyms]' })
  builder.add(
    builder.stack(builder.stack(noCaller, withLine), withModule),
    builder.column('cycles', 'count'),
    1,
  )
  const profile = builder.build()
  const copy = await read(print(profile))
  expect(copy).toEqual(profile)
})

test('what is printed has the properties that the schema knows, and no other', () => {
  const value = JSON.parse(print(stacks('a;b_[k] 1 2')))
  expect(Object.keys(value).sort()).toEqual([
    '$schema',
    'activeProfileIndex',
    'exporter',
    'name',
    'profiles',
    'shared',
  ])
  expect(value.$schema).toBe('https://www.speedscope.app/file-format-schema.json')
  expect(value.shared).toEqual({ frames: [{ name: 'a' }, { name: 'b_[k]' }] })
  expect(value.profiles).toEqual([
    {
      type: 'sampled',
      name: 'samples (samples)',
      unit: 'none',
      startValue: 0,
      endValue: 1,
      samples: [[0, 1]],
      weights: [1],
    },
    {
      type: 'sampled',
      name: 'allocated (bytes)',
      unit: 'bytes',
      startValue: 0,
      endValue: 2,
      samples: [[0, 1]],
      weights: [2],
    },
  ])
})

test.for([...hostileNames, 'a\0b\nc', '\ud800'])(
  'a frame is a name like any other (%$)',
  async name => {
    const profile = await read({
      shared: { frames: [{ name }] },
      profiles: [sampled('x', [[0]], [1])],
    })
    expect(profile.frames[0]!.name).toBe(name)
    expect((await read(print(profile))).frames[0]!.name).toBe(name)
  },
)

test.for([
  '[]',
  '{',
  '{}',
  { shared },
  { shared, profiles: [] },
  { shared, profiles: [3] },
  { shared: { frames: [1] }, profiles: [sampled('x', [], [])] },
  { shared, profiles: [sampled('x', [[3]], [1])] },
  { shared, profiles: [sampled('x', [[-1]], [1])] },
  { shared, profiles: [sampled('x', [[0]], [])] },
  { shared, profiles: [sampled('x', [[0]], [1], 'parsecs')] },
  { shared, profiles: [{ ...sampled('x', [], []), type: 'else' }] },
  { shared, profiles: [{ ...sampled('x', [], []), weights: ['1'], samples: [[0]] }] },
  { shared, profiles: [evented(['O', 1, 0], ['C', 2, 1])] },
  { shared, profiles: [evented(['C', 1, 0])] },
  { shared, profiles: [evented(['O', 2, 0], ['C', 1, 0])] },
])('%j is malformed', async value => {
  await expect(read(value)).rejects.toMatchObject({ code: 'SP_SPEEDSCOPE_MALFORMED' })
})

test('is found by its keys', () => {
  const detect = (text: string) => detectSpeedscope(Buffer.from(text))
  expect(detect('{"version":"1","shared":{')).toBe(true)
  expect(detect('{"nodes":[')).toBe(false)
  expect(detect('{"name":"x"')).toBe(undefined)
  expect(detect('main;f 1')).toBe(false)
})
