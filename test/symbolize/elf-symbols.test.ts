import { expect, test } from 'vitest'
import { bytesOf } from '../../agent/symbolize/bytes.ts'
import { buildIdOf, readElf } from '../../agent/symbolize/elf.ts'
import { elfSymbols } from '../../agent/symbolize/elf-symbols.ts'
import type { Bytes } from '../../agent/symbolize/symbols.ts'
import { damaged, fixture, functionsOf, moduleOf, nameAt, randomOf } from './fixture.ts'

const total = functionAt('libmixed.so', '_ZNK4shop6Basket5totalEi')
const helper = functionAt('libmixed.so', 'hidden_helper')

function functionAt(file: string, part: string): number {
  for (const [address, { names }] of functionsOf(file)) {
    if ([...names].some(name => name.includes(part))) return address
  }
  throw new Error(`${part} is not in ${file}.nm`)
}

/** A file system of debug files, which notes what was asked of it. */
function debugFiles(files: Record<string, Buffer>) {
  const asked: string[] = []
  const openDebug = (path: string): Bytes | undefined => {
    asked.push(path)
    const file = files[path]
    return file && bytesOf(file)
  }
  return { asked, openDebug }
}

function named(file: string, openDebug?: (path: string) => Bytes | undefined) {
  const bytes = fixture(file)
  const symbols = elfSymbols(bytesOf(bytes), {
    module: moduleOf('/usr/lib/libmixed.so'),
    ...(openDebug && { openDebug }),
  })
  return {
    symbols,
    total: nameAt(bytes, symbols, total + 3),
    helper: nameAt(bytes, symbols, helper + 3),
  }
}

const everything = {
  total: 'shop::Basket::total(int) const',
  helper: expect.stringMatching(/^\(anonymous namespace\)::hidden_helper\(/),
}

test('a library with a .symtab names local functions too', () => {
  const { symbols, ...names } = named('libmixed.so')
  expect(names).toEqual(everything)
  expect(symbols.sources).toEqual(['.symtab', '.dynsym', 'plt'])
})

test('a stripped library names only what it offers', () => {
  const { symbols, total, helper } = named('libmixed-linked.so')
  expect(total).toBe(everything.total)
  expect(helper).toBe('[not in the symbol table]')
  expect(symbols.sources).toEqual(['.dynsym', 'plt'])
})

test('its debug file is found by build-id before by name', () => {
  const id = buildIdOf(readElf(bytesOf(fixture('libmixed.so'))))!
  const path = `/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`
  const { asked, openDebug } = debugFiles({ [path]: fixture('libmixed.debug') })
  const { symbols, ...names } = named('libmixed-linked.so', openDebug)
  expect(names).toEqual(everything)
  expect(symbols.sources).toEqual(['debug file', '.dynsym', 'plt'])
  expect(asked).toEqual([path])
})

test.for([
  '/usr/lib/libmixed.debug',
  '/usr/lib/.debug/libmixed.debug',
  '/usr/lib/debug/usr/lib/libmixed.debug',
])('its debug file is found at %s', path => {
  const { openDebug } = debugFiles({ [path]: fixture('libmixed.debug') })
  const { symbols, ...names } = named('libmixed-linked.so', openDebug)
  expect(names).toEqual(everything)
  expect(symbols.sources[0]).toBe('debug file')
})

test('a debug file without a build-id must have the CRC of the link', () => {
  const path = '/usr/lib/libmixed-crc.debug'
  const right = fixture('libmixed-crc.debug')
  const { helper } = named('libmixed-crc.so', debugFiles({ [path]: right }).openDebug)
  expect(helper).toEqual(everything.helper)
  // A byte of padding that nothing reads, but the CRC.
  const wrong = Buffer.concat([right, Buffer.alloc(1)])
  const { symbols } = named('libmixed-crc.so', debugFiles({ [path]: wrong }).openDebug)
  expect(symbols.sources).toEqual(['.dynsym', 'plt'])
})

test('a debug file of another build is not used', () => {
  const path = '/usr/lib/libmixed.debug'
  const other = fixture('libmixed.debug')
  const id = Buffer.from(buildIdOf(readElf(bytesOf(other)))!, 'hex')
  other[other.indexOf(id)]! ^= 1
  const { symbols } = named('libmixed-linked.so', debugFiles({ [path]: other }).openDebug)
  expect(symbols.sources).toEqual(['.dynsym', 'plt'])
})

test('.gnu_debugdata names what .dynsym lacks', () => {
  const { symbols, ...names } = named('libmixed-mini.so')
  expect(names).toEqual(everything)
  expect(symbols.sources).toEqual(['.gnu_debugdata', '.dynsym', 'plt'])
  expect(symbols.problems).toEqual([])
})

test('a broken .gnu_debugdata costs its names, and is told', () => {
  const file = fixture('libmixed-mini.so')
  const section = readElf(bytesOf(file)).sections.find(({ name }) => name === '.gnu_debugdata')!
  file[section.offset + 40]! ^= 0x55
  const symbols = elfSymbols(bytesOf(file), { module: moduleOf('/usr/lib/libmixed.so') })
  expect(symbols.sources).toEqual(['.dynsym', 'plt'])
  expect(symbols.problems).toEqual([expect.stringMatching(/debug data .* cannot be unpacked/)])
})

test('code that is linked far from its place in the file is named by its place in the file', () => {
  const file = fixture('shifted')
  const symbols = elfSymbols(bytesOf(file), { module: moduleOf('/app/shifted') })
  for (const [address, { names }] of functionsOf('shifted')) {
    expect(names).toContain(nameAt(file, symbols, address))
  }
})

test('another build-id than that of the mapping: no names, and why', () => {
  const file = fixture('pie')
  const id = buildIdOf(readElf(bytesOf(file)))!
  const open = (buildId: string) =>
    elfSymbols(bytesOf(file), { module: moduleOf('/app/pie', { buildId }) })
  expect(open(id).buildId).toBe('same')
  expect(open(`${id}0000`).buildId).toBe('differs')
  expect(open(id.replace(/^./, digit => (digit === '0' ? '1' : '0'))).find(0x1200)).toBe(
    'build-id differs',
  )
  expect(elfSymbols(bytesOf(file), { module: moduleOf('/app/pie') }).buildId).toBe('unknown')
})

test('the image of the vdso is asked by AVMA', () => {
  const start = 0x7fff_1234_5000
  const module = moduleOf('[vdso]', { kind: 'vdso', start, end: start + 0x8000 })
  const symbols = elfSymbols(bytesOf(fixture('pie')), { module })
  const address = functionAt('pie', 'assembly_function')
  expect(symbols.find(start + address)).toEqual([{ name: 'assembly_function', kind: 'native' }])
})

test('a file without any symbols says so; one that is no ELF file says that', () => {
  const file = fixture('no-pie')
  file.writeBigUInt64LE(0n, 40)
  file.writeUInt16LE(0, 60)
  expect(elfSymbols(bytesOf(file), { module: moduleOf('/app/x') }).find(0x1100)).toBe('no symbols')
  const text = elfSymbols(bytesOf(Buffer.from('text')), { module: moduleOf('/app/x') })
  expect(text.find(0)).toBe('malformed file')
  expect(text.problems).toHaveLength(1)
})

test('an address beyond every segment has no name', () => {
  const symbols = elfSymbols(bytesOf(fixture('pie')), { module: moduleOf('/app/pie') })
  expect(symbols.find(2 ** 40)).toBe('not in the symbol table')
  expect(symbols.find(-1)).toBe('not in the symbol table')
})

test('a damaged file gives names or reasons; never an exception', () => {
  const random = randomOf(424_242)
  const files = ['pie', 'libmixed-linked.so', 'libmixed-mini.so', 'ibt', 'libplt-aarch64.so']
  const originals = files.map(fixture)
  const debug = fixture('libmixed.debug')
  let answers = 0
  for (let round = 0; round < 700; round++) {
    const symbols = elfSymbols(bytesOf(damaged(originals[round % files.length]!, random)), {
      module: moduleOf('/usr/lib/libmixed.so'),
      openDebug: path =>
        path === '/usr/lib/libmixed.debug' ? bytesOf(damaged(debug, random)) : undefined,
    })
    for (let asked = 0; asked < 50; asked++) {
      const found = symbols.find(random(20_000))
      if (typeof found !== 'string') for (const { name } of found) expect(name).not.toBe('')
      answers++
    }
  }
  expect(answers).toBe(35_000)
})
