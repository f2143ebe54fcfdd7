import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { detectFolded, printFolded, readFolded } from '../../agent/profile/folded.ts'
import { ProfileBuilder } from '../../agent/profile/profile.ts'
import { expectGolden, fixture, fixturesIn } from '../goldens.ts'
import { random } from '../random.ts'
import { folded, hostileNames, readWith, stacks } from '../stacks.ts'

const read = (text: string | Uint8Array) => readWith(readFolded, text)
const again = async (text: string) => folded(await read(text))

test.for(fixturesIn('folded'))('%s reads and prints as its golden says', async name => {
  expectGolden(`${name}.folded.golden`, folded(await read(fixture(name))))
})

test('a line is a stack, root first, and a count', async () => {
  const profile = await read('main;handle;parse 12\nmain;handle 3\n')
  expect(profile.frames.map(({ name }) => name)).toEqual(['main', 'handle', 'parse'])
  expect([...profile.stacks.caller]).toEqual([-1, 0, 1])
  expect([...profile.columns[0]!.self]).toEqual([0, 3, 12])
})

test('the marks say how a frame ran', async () => {
  const profile = await read('a;b_[k];c_[j];d_[i];e_[0];f_[1];g_[x];_[k] 1\n')
  expect(profile.frames.map(({ kind }) => kind)).toEqual([
    'native',
    'kernel',
    'jit',
    'inlined',
    'interpreted',
    'jit',
    'native',
    'native',
  ])
  expect(folded(profile)).toBe('a;b_[k];c_[j];d_[i];e;f_[j];g_[x];_[k] 1\n')
})

test('a module in brackets is an address without a name, and a phase in brackets is not', async () => {
  const { frames } = await read(
    'java;[libjvm.so];[GC active];[unknown]_[k];;[main tid=5] 1\n[main tid=5] 1\n',
  )
  expect(frames.map(({ name, kind }) => [name, kind])).toEqual([
    ['java', 'native'],
    ['[libjvm.so]', 'unknown'],
    ['[GC active]', 'native'],
    ['[unknown]', 'unknown'],
    ['[main tid=5]', 'native'],
    ['[main tid=5]', 'thread'],
  ])
})

test('the count is what follows the last blank', async () => {
  expect(await again('main;operator new (x) 7 12\nmain;f   3\n')).toBe(
    'main;f 3\nmain;operator new (x) 7 12\n',
  )
})

test('counts may be fractions, and may be large', async () => {
  expect(await again('a 0.5\na 0.25\nb 9007199254740992\nc 0.0000001\n')).toBe(
    'a 0.75\nb 9007199254740992\nc 0.0000001\n',
  )
  expect(await again(`a 1${'0'.repeat(21)}\n`)).toBe(`a 1${'0'.repeat(21)}\n`)
})

test('line ends, byte order marks, blank lines and comments are not data', async () => {
  expect(await again('\ufeffa;b 1\r\n\r\n# made by hand 5\r\n#private;f 2')).toBe(
    '#private;f 2\na;b 1\n',
  )
})

test.for([
  'main',
  '5',
  ' 5',
  'main 5x',
  'main -5',
  'main 1e5',
  'main 0x10',
  'main NaN',
  `main ${'9'.repeat(400)}`,
])('%s is no folded line', async line => {
  await expect(read(`a 1\n\n${line}\n`)).rejects.toMatchObject({
    code: 'SP_FOLDED_MALFORMED',
    facts: { line: 3 },
  })
})

test('a line that never ends is refused before it fills the memory', async () => {
  const builder = new ProfileBuilder()
  const endless = (function* () {
    for (;;) yield Buffer.alloc(1024 * 1024, 'x')
  })()
  await expect(readFolded(endless, builder)).rejects.toMatchObject({ code: 'SP_LIMIT' })
})

test('printed and read again it is the same profile', async () => {
  const profile = await read('a;b_[k];c_[i] 3\na;[libc.so.6] 2.5\na 1\nz;y 1\n')
  const copy = await read(folded(profile))
  expect(folded(copy)).toBe(folded(profile))
  expect(new Set(copy.frames.map(frame => JSON.stringify(frame)))).toEqual(
    new Set(profile.frames.map(frame => JSON.stringify(frame))),
  )
})

test.for(hostileNames)('a name is a name like any other (%$)', async name => {
  const text = `${name};${name} ${name} 1\n`
  expect(await again(text)).toBe(text)
})

test('names that would break a line are made safe when printed', async () => {
  const builder = new ProfileBuilder()
  const names = [
    'a;b',
    'a\nb\r\0c',
    '# no comment',
    'blank at the end  ',
    '\u2028',
    '   ',
    '\ud800',
  ]
  for (const name of names) {
    builder.add(
      builder.stack(-1, builder.frame({ name, kind: 'native' })),
      builder.column('x', 'count'),
      1,
    )
  }
  const text = folded(builder.build())
  expect(text.split('\n')).toEqual([
    '#_no comment 1',
    '[unknown] 1',
    'a:b 1',
    'a\ufffdb\ufffd\ufffdc 1',
    'blank at the end 1',
    '\ufffd 2',
    '',
  ])
  expect(await again(text)).toBe(text)
})

test('stacks that print the same are one line', () => {
  const builder = new ProfileBuilder()
  const column = builder.column('samples', 'samples')
  for (const line of [1, 2]) {
    const root = builder.stack(-1, builder.frame({ name: 'f', kind: 'native', file: 'f.c', line }))
    builder.add(root, column, 1)
    builder.add(
      builder.stack(root, builder.frame({ name: 'g', kind: 'native', module: `${line}` })),
      column,
      2,
    )
  }
  expect(folded(builder.build())).toBe('f 2\nf;g 4\n')
})

test('lines stand in the order of LC_ALL=C sort, whatever order they came in', async () => {
  const { integer, pick } = random(7)
  const names = [
    'a',
    'a b',
    'ab',
    'a!',
    'a;b',
    'A',
    'é',
    '函数',
    '🔥',
    '\uffee',
    '0',
    '9',
    '~',
    'a_[k]',
    '[x]',
  ]
  const lines = Array.from({ length: 300 }, () => {
    const path = Array.from({ length: 1 + integer(4) }, () => pick(names)).join(';')
    return `${path} ${1 + integer(20)}`
  })
  const text = await again(lines.join('\n'))
  const sorted = execFileSync('sort', {
    input: text,
    env: { ...process.env, LC_ALL: 'C' },
    encoding: 'utf8',
  })
  expect(text).toBe(sorted)
  expect(await again(lines.reverse().join('\n'))).toBe(text)
})

test('a stack may be deeper than the call stack of V8', async () => {
  const text = `${'f;'.repeat(50_000)}g 1\n`
  expect(await again(text)).toBe(text)
})

test('a large profile is printed in pieces', () => {
  const text = Array.from({ length: 5000 }, (_, index) => `main;${'x'.repeat(50)}${index} 1`).join(
    '\n',
  )
  const pieces = [...printFolded(stacks(text))]
  expect(pieces.length).toBeGreaterThan(2)
  expect(Math.max(...pieces.map(piece => piece.length))).toBeLessThan(128 * 1024)
})

test('a column is printed by its index, without the stacks that it lacks', () => {
  const profile = stacks(`
    a;b  1 0
    a;c  0 64
  `)
  expect([folded(profile, 0), folded(profile, 1)]).toEqual(['a;b 1\n', 'a;c 64\n'])
})

test('is found by its first line that says anything', () => {
  const detect = (text: string) => detectFolded(Buffer.from(text))
  expect(detect('\n# x\nmain;f 1\n')).toBe(true)
  expect(detect('hello\n')).toBe(false)
  expect(detect('\0\0 1\n')).toBe(false)
  expect(detect('')).toBe(undefined)
  expect(detect('x'.repeat(1000))).toBe(undefined)
})
