import { expect, test } from 'vitest'
import { detectPySpyRaw, readPySpyRaw } from '../../agent/profile/py-spy-raw.ts'
import { expectGolden, fixture, fixturesIn } from '../goldens.ts'
import { folded, hostileNames, readWith } from '../stacks.ts'

const read = (text: string | Uint8Array) => readWith(readPySpyRaw, text)

test.for(fixturesIn('py-spy/0.4.3'))('%s folds as its golden says', async name => {
  const profile = await read(fixture(name))
  expectGolden(`${name}.folded.golden`, folded(profile))
  expect(profile.frames.some(({ kind }) => kind === 'interpreted')).toBe(true)
})

test.for([
  ['burn (app.py:9)', { name: 'burn', kind: 'interpreted', file: 'app.py', line: 9 }],
  [
    'Basket.total.<locals>.<genexpr> (shop.py:9)',
    { name: 'Basket.total.<locals>.<genexpr>', kind: 'interpreted', file: 'shop.py', line: 9 },
  ],
  ['<module> (<string>:2)', { name: '<module>', kind: 'interpreted', file: '<string>', line: 2 }],
  ['f (my (old) app.py:3)', { name: 'f', kind: 'interpreted', file: 'my (old) app.py', line: 3 }],
  ['f(int) (libshop.so)', { name: 'f(int)', kind: 'native', module: 'libshop.so' }],
  ['memcpy (memmove.S:312)', { name: 'memcpy', kind: 'native', file: 'memmove.S', line: 312 }],
  ['cfib (cfib.pyx:7)', { name: 'cfib', kind: 'native', file: 'cfib.pyx', line: 7 }],
  [
    '0x7f53437f28ec (libc.so.6)',
    { name: '[libc.so.6]', kind: 'unknown', module: 'libc.so.6', reason: 'unnamed by the tool' },
  ],
  ['no place', { name: 'no place', kind: 'native' }],
  ['()', { name: '()', kind: 'native' }],
  ['thread (15599): burner (1)', { name: 'thread (15599): burner (1)', kind: 'thread' }],
  ['thread (0x7F00): a', { name: 'thread (0x7F00): a', kind: 'thread' }],
] as const)('%s is a frame with its place', async ([text, frame]) => {
  const { frames } = await read(`main (app.py:1);${text} 3\n`)
  expect(frames[1]).toEqual(frame)
})

test('command lines are dropped, whatever they hold', async () => {
  const text = [
    'process 71:"python3 app.py --token s3cret";main (app.py:1) 1',
    'process 71:"python3 -c a = "x;y"; b";process 72:"sh -c "f; g"";run (b.py:2) 2',
    'process 73:"python3 -c u = 1 + 2',
    'while u: "a;b"; print(3) 4',
    'x";<module> (<string>:2) 5',
    'main (app.py:1) 6',
  ].join('\n')
  const profile = await read(`${text}\n`)
  expect(folded(profile)).toBe(
    'main 6\nprocess 71;main 1\nprocess 71;process 72;run 2\nprocess 73;<module> 5\n',
  )
  expect(JSON.stringify(profile.frames)).not.toMatch(/s3cret|token|while/)
})

test('a thread without a stack is counted as lost, not refused', async () => {
  // Seen at 999 Hz, when a thread was just beginning.
  const profile = await read('main (app.py:1) 3\n 2\n')
  expect(folded(profile)).toBe('main 3\n')
  expect([...profile.loss]).toEqual([['of threads without a stack', 2]])
})

test('the line of an error is that of the file, also after command lines of several lines', async () => {
  const text = 'process 73:"python3 -c a\nb\nc";main (a.py:1) 1\nno count\n'
  await expect(read(text)).rejects.toMatchObject({
    code: 'SP_FOLDED_MALFORMED',
    facts: { line: 4 },
  })
})

test('a command line without an end is an error, not a stack', async () => {
  await expect(read('process 73:"python3 -c a\nb 1\n')).rejects.toMatchObject({
    code: 'SP_FOLDED_MALFORMED',
  })
})

test.for(hostileNames)('a function is a name like any other (%$)', async name => {
  const { frames } = await read(`${name} (app.py:9) 1\n`)
  expect(frames[0]).toEqual({ name, kind: 'interpreted', file: 'app.py', line: 9 })
})

test('a command line that never ends is refused before it is looked at a thousand times', async () => {
  await expect(read(`process 73:"${'x;y "\n'.repeat(100_000)}`)).rejects.toMatchObject({
    code: 'SP_FOLDED_MALFORMED',
  })
})

test('is told from folded text by its files', () => {
  const detect = (text: string) => detectPySpyRaw(Buffer.from(text))
  expect(detect('Thread.run (threading.py:982);burn (app.py:9) 30\n')).toBe(true)
  expect(detect('process 71:"python3 app.py";main (app.py:1) 1\n')).toBe(true)
  expect(detect('process 73:"python3 -c a\nb";main (app.py:1) 1\n')).toBe(true)
  expect(detect('main;work (b.ts:3) 5\n')).toBe(false)
  expect(detect('')).toBe(undefined)
})
