import fs from 'node:fs'
import { expect, test } from 'vitest'
import { bytesOf } from '../../agent/symbolize/bytes.ts'
import { perfMapSymbols, readPerfMap } from '../../agent/symbolize/perf-map.ts'
import type { Bytes } from '../../agent/symbolize/symbols.ts'
import { moduleOf, randomOf } from './fixture.ts'

const read = (text: string) => readPerfMap(bytesOf(Buffer.from(text)))

/** The names at some addresses: `-` for none. */
function names(text: string, at: readonly number[]): string {
  const map = read(text)
  return at.map(address => map.find(address)?.[0]?.name ?? '-').join(' ')
}

test('the map of a real Node names its functions by how they run', () => {
  const text = fs.readFileSync(new URL('../fixtures/perf-map/node-24/perf.map', import.meta.url))
  const map = readPerfMap(bytesOf(text))
  expect(map.unusable).toBe(0)
  expect(map.used).toBe(text.toString().trim().split('\n').length)
  const at = (name: string) => {
    const line = text
      .toString()
      .split('\n')
      .find(each => each.endsWith(` ${name}`))!
    return map.find(Number.parseInt(line, 16) + 1)
  }
  expect(at('JS:~total /srv/app/sum.js:2:15')).toEqual([
    { name: 'JS:~total /srv/app/sum.js:2:15', kind: 'interpreted' },
  ])
  expect(at('JS:+total /srv/app/sum.js:2:15')?.[0]?.kind).toBe('jit')
})

test('the map of a real BEAM names its functions, whose addresses begin with 0x', () => {
  const text = fs.readFileSync(new URL('../fixtures/perf-map/otp-25/perf.map', import.meta.url))
  const map = readPerfMap(bytesOf(text))
  expect(map.unusable).toBe(0)
  const line = text.toString().match(/^.*\$shares:parse\/2$/m)![0]
  expect(map.find(Number.parseInt(line, 16) + 1)).toEqual([
    { name: '$shares:parse/2', kind: 'jit' },
  ])
  expect(names('0x1000 0x10 f\n', [0x1000, 0x100f, 0x1010])).toBe('f f -')
  expect(read('0x 10 f\n0x0x10 10 f\n').unusable).toBe(2)
})

test('an entry reaches from its start over its size', () => {
  expect(names('1000 10 f\n', [0xfff, 0x1000, 0x100f, 0x1010])).toBe('- f f -')
})

test('numbers may have 0x before them, as HotSpot writes them', () => {
  const line = '0x00007fdf84eca240 0x0000000000000010 long Shares.mix(int)\n'
  expect(names(line, [0x7fdf84eca240, 0x7fdf84eca250])).toBe('long Shares.mix(int) -')
  expect(names('0x 10 f\n', [0, 0x10])).toBe('- -')
})

test('an entry that overlaps a newer one loses what the newer one covers', () => {
  expect(names('1000 40 old\n1010 10 new\n', [0x1000, 0x1010, 0x101f, 0x1020])).toBe(
    'old new new old',
  )
  expect(names('1010 10 old\n1000 40 new\n', [0x1000, 0x1010, 0x1020])).toBe('new new new')
  expect(names('1000 10 old\n1000 10 new\n', [0x1008])).toBe('new')
})

test('any map answers as a plain search from its end does', () => {
  const random = randomOf(5)
  for (let round = 0; round < 80; round++) {
    const entries = Array.from({ length: random(80) }, (_, index) => ({
      start: 0x1000 + random(300),
      size: random(60) + 1,
      name: `f${index}`,
    }))
    const text = entries.map(
      ({ start, size, name }) => `${start.toString(16)} ${size.toString(16)} ${name}\n`,
    )
    const at = Array.from({ length: 380 }, (_, index) => 0x1000 + index)
    const expected = at.map(
      address =>
        entries.findLast(({ start, size }) => start <= address && address < start + size)?.name ??
        '-',
    )
    expect(names(text.join(''), at)).toBe(expected.join(' '))
  }
})

test.for([
  ['LazyCompile:*add /app/sum.js:3', 'jit'],
  ['LazyCompile:~add /app/sum.js:3', 'interpreted'],
  ['JS:^add file:///app/sum.js:3:1', 'jit'],
  ['py::handle:/app/main.py', 'interpreted'],
  ['$erl:fun/1', 'jit'],
  ['Lcom/example/App;::run', 'jit'],
  ['  two blanks before', 'jit'],
  ['__proto__', 'jit'],
  ['函数 🔥', 'jit'],
] as const)('%s is %s, and its name stays as it is', ([name, kind]) => {
  expect(read(`1000 10 ${name}\n`).find(0x1000)).toEqual([{ name, kind }])
})

test('lines of another form are counted', () => {
  const bad = [
    '',
    'word',
    '1000 10',
    '1000 10 ',
    'xyz 10 f',
    '1000 zz f',
    '1000 0 f',
    '1000\t10\tf',
    'ffffffffffffffff 10 f',
    '7fffffffffff 10 f',
    '1'.repeat(400) + ' 10 f',
  ]
  const map = read(`2000 10 good\n${bad.join('\n')}\n3000 10 good\n`)
  expect({ used: map.used, unusable: map.unusable }).toEqual({ used: 2, unusable: bad.length })
})

test('a last line that is still being written is not used', () => {
  const map = read('1000 10 first\n2000 10 sec')
  expect(map.find(0x2000)).toBeUndefined()
  expect({ used: map.used, unusable: map.unusable }).toEqual({ used: 1, unusable: 1 })
})

test('lines that lie across the pieces in which a file is read are whole', () => {
  const lines = Array.from({ length: 60_000 }, (_, index) => {
    return `${(0x10000 + index * 16).toString(16)} 10 function_${index}_${'x'.repeat(index % 40)}\n`
  })
  const map = read(lines.join(''))
  expect({ used: map.used, unusable: map.unusable }).toEqual({ used: 60_000, unusable: 0 })
  for (let index = 0; index < 60_000; index += 7) {
    expect(map.find(0x10000 + index * 16)![0]!.name).toBe(
      `function_${index}_${'x'.repeat(index % 40)}`,
    )
  }
})

test('a line of three megabytes costs itself alone, and a long name is cut', () => {
  const map = read(
    `1000 10 a\n2000 10 ${'x'.repeat(3 << 20)}\n3000 10 b\n4000 10 ${'y'.repeat(90_000)}\n`,
  )
  expect(map.find(0x1000)![0]!.name).toBe('a')
  expect(map.find(0x2000)).toBeUndefined()
  expect(map.find(0x3000)![0]!.name).toBe('b')
  expect(map.find(0x4000)![0]!.name).toHaveLength(0xffff)
  expect({ used: map.used, unusable: map.unusable }).toEqual({ used: 3, unusable: 1 })
})

test('a mapping of memfd is asked by file offset, anonymous memory by AVMA', () => {
  const map = read('7f0000002010 10 f\n')
  const memfd = moduleOf('/memfd:doublemapper', { start: 0x7f00_0000_2000, fileOffset: 0x5000 })
  expect(perfMapSymbols(map, memfd).find(0x5010)).toEqual([{ name: 'f', kind: 'jit' }])
  const anonymous = moduleOf('[anon]', { kind: 'anonymous', start: 0x7f00_0000_0000 })
  expect(perfMapSymbols(map, anonymous).find(0x7f00_0000_2010)).toEqual([
    { name: 'f', kind: 'jit' },
  ])
  expect(perfMapSymbols(map, anonymous).find(0x7f00_0000_0000)).toBe('not in the symbol table')
})

test('bytes of any kind give counts that add up, and no exception', () => {
  const random = randomOf(31)
  const letters = '0123456789abcdef \n\n\tgx~\0\xff'
  for (let round = 0; round < 300; round++) {
    const size = random(2000)
    const text = Buffer.from(
      Array.from({ length: size }, () => letters.charCodeAt(random(letters.length))),
    )
    const map = readPerfMap(bytesOf(text))
    const lines = text.filter(byte => byte === 10).length + (size > 0 && text.at(-1) !== 10 ? 1 : 0)
    expect(map.used + map.unusable).toBe(lines)
    map.find(random(1 << 20))
  }
})

test('a file that shrinks while it is read ends the reading', () => {
  const text = Buffer.from('1000 10 f\n')
  const shrunk: Bytes = {
    size: 1 << 29,
    read: (offset, length) => text.subarray(offset, offset + length),
  }
  expect(readPerfMap(shrunk).used).toBe(1)
})
