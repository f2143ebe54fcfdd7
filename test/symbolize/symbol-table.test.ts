import { expect, test } from 'vitest'
import { bytesOf } from '../../agent/symbolize/bytes.ts'
import { readElf } from '../../agent/symbolize/elf.ts'
import { addElfFunctions } from '../../agent/symbolize/elf-functions.ts'
import { SymbolRanges } from '../../agent/symbolize/symbol-table.ts'
import { fixture, functionsOf, randomOf } from './fixture.ts'
import { type Made, type MadeSymbol, makeElf } from './make-elf.ts'

/** The names at some addresses: `-` for none. */
function names(symbols: readonly MadeSymbol[], at: readonly number[], form: Partial<Made> = {}) {
  const ranges = new SymbolRanges()
  addElfFunctions(readElf(bytesOf(makeElf({ symbols, ...form }))), '.symtab', ranges)
  const table = ranges.seal()
  return at.map(address => table.find(address)?.[0]?.name ?? '-').join(' ')
}

test.for(['pie', 'no-pie', 'shifted', 'libplt-aarch64.so'])(
  '%s: the functions are those of nm',
  name => {
    const ranges = new SymbolRanges()
    addElfFunctions(readElf(bytesOf(fixture(name))), '.symtab', ranges)
    const table = ranges.seal()
    const functions = functionsOf(name)
    expect(functions.size).toBeGreaterThan(1)
    for (const [address, { size, names }] of functions) {
      for (const svma of [address, address + size - 1]) {
        expect(names).toContain(table.find(svma)?.[0]?.name)
      }
      expect(names).not.toContain(table.find(address + size)?.[0]?.name)
    }
  },
)

test('a symbol ends where its size says, and what follows has no name', () => {
  expect(names([{ name: 'f', at: 0x1010, size: 8 }], [0x100f, 0x1010, 0x1017, 0x1018])).toBe(
    '- f f -',
  )
})

test('a symbol without a size reaches to the next symbol, and not out of its section', () => {
  const symbols = [
    { name: 'loose', at: 0x1000 },
    { name: 'sized', at: 0x1020, size: 0x10 },
    { name: 'last', at: 0x8ff0 },
  ]
  const at = [0x1000, 0x101f, 0x1020, 0x102f, 0x1030, 0x8fff, 0x9000]
  expect(names(symbols, at)).toBe('loose loose sized sized - last -')
})

test('a label inside of a function with a size does not take its name', () => {
  const symbols: MadeSymbol[] = [
    { name: 'f', at: 0x1000, size: 0x40 },
    { name: 'loop', at: 0x1010, type: 'label', bind: 'local' },
    { name: 'after', at: 0x1050, type: 'label', bind: 'local' },
  ]
  expect(names(symbols, [0x1010, 0x103f, 0x1040, 0x1050, 0x1060])).toBe('f f - after after')
})

test('of functions inside each other the innermost answers', () => {
  const symbols = [
    { name: 'inner', at: 0x1020, size: 0x10 },
    { name: 'outer', at: 0x1000, size: 0x60 },
    { name: 'crossing', at: 0x1050, size: 0x30 },
  ]
  const at = [0x1000, 0x1020, 0x102f, 0x1030, 0x1050, 0x105f, 0x1060, 0x107f, 0x1080]
  expect(names(symbols, at)).toBe('outer inner inner outer crossing crossing crossing crossing -')
})

test.for<[string, MadeSymbol[], string]>([
  [
    'with a size',
    [
      { name: 'aaaa', at: 0x1000 },
      { name: 'b', at: 0x1000, size: 8, bind: 'local' },
    ],
    'b',
  ],
  [
    'a function',
    [
      { name: 'aaaa', at: 0x1000, type: 'label', size: 8 },
      { name: 'b', at: 0x1000, size: 8, bind: 'weak' },
    ],
    'b',
  ],
  [
    'strong',
    [
      { name: 'aaaa', at: 0x1000, size: 8, bind: 'weak' },
      { name: 'b', at: 0x1000, size: 8, bind: 'local' },
    ],
    'b',
  ],
  [
    'global',
    [
      { name: 'aaaa', at: 0x1000, size: 8, bind: 'local' },
      { name: 'b', at: 0x1000, size: 8 },
    ],
    'b',
  ],
  [
    'fewest underscores',
    [
      { name: '__aaaa', at: 0x1000, size: 8 },
      { name: '_b', at: 0x1000, size: 8 },
    ],
    '_b',
  ],
  [
    'longest',
    [
      { name: 'b', at: 0x1000, size: 8 },
      { name: 'aaaa', at: 0x1000, size: 8 },
    ],
    'aaaa',
  ],
  [
    'first',
    [
      { name: 'one', at: 0x1000, size: 8 },
      { name: 'two', at: 0x1000, size: 8 },
    ],
    'one',
  ],
])('among aliases, %s goes first', ([, symbols, expected]) => {
  expect(names(symbols, [0x1000])).toBe(expected)
})

test('what is no code has no name: data, imports, hidden marks, labels in data', () => {
  const symbols: MadeSymbol[] = [
    { name: 'data', at: 0x1000, size: 8, type: 'object' },
    { name: 'imported', at: 0x1010, size: 8, section: 'none' },
    { name: '.annobin_x', at: 0x1020, type: 'label', bind: 'local', hidden: true },
    { name: 'label_in_data', at: 0x1030, type: 'label', section: 'data' },
  ]
  expect(names(symbols, [0x1000, 0x1010, 0x1020, 0x1030])).toBe('- - - -')
})

test("ARM's mapping symbols are no functions, and the Thumb bit is no address", () => {
  const symbols: MadeSymbol[] = [
    { name: 'f', at: 0x1001, size: 8 },
    { name: '$d', at: 0x1010, type: 'label', bind: 'local' },
    { name: '$x.7', at: 0x1020, type: 'label', bind: 'local' },
  ]
  const arm = { machine: 40, is64: false }
  expect(names(symbols, [0x1000, 0x1007, 0x1008, 0x1010, 0x1020], arm)).toBe('f f - - -')
  expect(names(symbols, [0x1010], { machine: 62 })).toBe('$d')
})

test.for(['constructor', '__proto__', '函数', 'a b;c', 'x'.repeat(70_000)])(
  '%.20s is a name like any other',
  name => {
    const expected = name.slice(0, 64 << 10)
    expect(names([{ name, at: 0x1000, size: 4 }], [0x1000])).toBe(expected)
  },
)

test('the version of a shared symbol is not part of its name', () => {
  expect(names([{ name: 'memcpy@@GLIBC_2.14', at: 0x1000, size: 4 }], [0x1000])).toBe('memcpy')
})

test('both widths and both byte orders give the same names', () => {
  for (const is64 of [true, false]) {
    for (const isLittleEndian of [true, false]) {
      const form = { is64, isLittleEndian }
      expect(names([{ name: 'f', at: 0x1000, size: 4 }], [0x1003, 0x1004], form)).toBe('f -')
    }
  }
})

test('any table answers as a plain search does', () => {
  const random = randomOf(7)
  for (let round = 0; round < 60; round++) {
    const symbols: MadeSymbol[] = Array.from({ length: random(60) }, (_, index) => ({
      name: `f${index}`,
      at: 0x1000 + random(300),
      size: random(40) + 1,
    }))
    const at = Array.from({ length: 340 }, (_, index) => 0x1000 + index)
    expect(names(symbols, at)).toBe(at.map(address => slowName(symbols, address)).join(' '))
  }
})

/** The rules said plainly: of each start the best alias, of those that hold the address the last start. */
function slowName(symbols: readonly MadeSymbol[], address: number): string {
  const starts = new Map<number, { end: number; name: string }>()
  for (const { name, at, size } of symbols) {
    const known = starts.get(at)
    if (known === undefined) starts.set(at, { end: at + size!, name })
    else if (name.length > known.name.length) known.name = name
  }
  const holding = [...starts].filter(([at, { end }]) => at <= address && address < end)
  return holding.sort(([a], [b]) => b - a)[0]?.[1].name ?? '-'
}
