import { expect, test } from 'vitest'
import { detectRbspy, readRbspy } from '../../agent/profile/rbspy.ts'
import { expectGolden, fixture, fixturesIn } from '../goldens.ts'
import { folded, hostileNames, readWith } from '../stacks.ts'

const read = (text: string | Uint8Array) => readWith(readRbspy, text)

test.for(fixturesIn('rbspy/0.55'))('%s folds as its golden says', async name => {
  const profile = await read(fixture(name))
  expectGolden(`${name}.folded.golden`, folded(profile))
  expect(profile.frames.some(({ kind }) => kind === 'interpreted')).toBe(true)
  expect(profile.frames.every(({ kind }) => kind !== 'unknown')).toBe(true)
})

test.for([
  ['total - /app/shop.rb:7', { name: 'total', kind: 'interpreted', file: '/app/shop.rb' }],
  ['(unknown) [c function] - (unknown)', { name: '(C of <main>)', kind: 'native' }],
  ['sort_by [c function] - (unknown)', { name: 'sort_by', kind: 'native' }],
  ['a - b - /app/shop.rb:7', { name: 'a - b', kind: 'interpreted', file: '/app/shop.rb' }],
  ['f - /my - app/x - y.rb:7', { name: 'f', kind: 'interpreted', file: '/my - app/x - y.rb' }],
  ['a - b - lib/shop.rb:7', { name: 'a - b', kind: 'interpreted', file: 'lib/shop.rb' }],
  ['tap - <internal:kernel>:90', { name: 'tap', kind: 'interpreted', file: '<internal:kernel>' }],
  ['f - (eval at /x.rb:3):1', { name: 'f', kind: 'interpreted', file: '(eval at /x.rb:3)' }],
  ['made - unknown:7', { name: 'made', kind: 'interpreted' }],
  [
    'block (2 levels) in <class:A> - /a.rb:1',
    { name: 'block (2 levels) in <class:A>', kind: 'interpreted', file: '/a.rb' },
  ],
] as const)('%s is a frame with its file', async ([text, frame]) => {
  const { frames } = await read(`<main> - /m.rb:1;${text} 3\n`)
  expect(frames[1]).toEqual(frame)
})

test('a method is one frame, whichever of its lines it was at', async () => {
  const profile = await read('<main> - /m.rb:1;f - /m.rb:3 2\n<main> - /m.rb:2;f - /m.rb:4 3\n')
  expect(folded(profile)).toBe('<main>;f 5\n')
})

test('a C function without a name is called by the method that called it', async () => {
  const c = '(unknown) [c function] - (unknown)'
  const text = `${c};<main> - /m.rb:1;${c};${c};a;b - c - /m.rb:3;sort [c function] - (unknown);${c} 2\n`
  expect(folded(await read(text))).toBe(
    '(C function);<main>;(C of <main>);(C of <main>);a:b - c;sort;(C of a:b - c) 2\n',
  )
})

test('semicolons and newlines belong to the name or the path that they stand in', async () => {
  const text =
    '<main> - /m.rb:1;a;b - /x;y/m.rb:3;leaf - /m.rb:9 2\n<main> - /two\nlines.rb:1;f - /m.rb:3 4\n'
  const profile = await read(text)
  expect(folded(profile)).toBe('<main>;a:b;leaf 2\n<main>;f 4\n')
  expect(profile.frames.map(({ file }) => file)).toContain('/x:y/m.rb')
  expect(profile.frames.map(({ file }) => file)).toContain('/two lines.rb')
})

test('what is no stack is refused, with its line', async () => {
  await expect(read('<main> - /m.rb:1 1\nno count\n')).rejects.toMatchObject({
    code: 'SP_FOLDED_MALFORMED',
    facts: { line: 2 },
  })
})

test.for([
  ['semicolons', ';'],
  ['separators', ' - '],
  ['lines', 'x\n'],
  ['numbers', ':1'],
] as const)('a hundred thousand %s are read or refused in no time', async ([, piece]) => {
  // What grows with the square of it takes minutes, and the test's time is over.
  const reading = read(`f${piece.repeat(100_000)} - /m.rb:1 1\n`)
  const outcome = await reading.then(
    ({ stacks }) => stacks.length,
    error => error.code,
  )
  expect([1, 'SP_FOLDED_MALFORMED']).toContain(outcome)
})

test.for(hostileNames)('a method is a name like any other (%$)', async name => {
  const { frames } = await read(`${name} - /app.rb:9 1\n`)
  expect(frames[0]).toEqual({ name, kind: 'interpreted', file: '/app.rb' })
})

test('is told from folded text by its places', () => {
  const detect = (text: string) => detectRbspy(Buffer.from(text))
  expect(detect('<main> - /m.rb:1;f - /m.rb:3 2\n')).toBe(true)
  expect(detect('(unknown) [c function] - (unknown) 2\n')).toBe(true)
  expect(detect('main;work - fast 5\n')).toBe(false)
  expect(detect('run (threading.py:982);burn (app.py:9) 30\n')).toBe(false)
  expect(detect('')).toBe(undefined)
})
