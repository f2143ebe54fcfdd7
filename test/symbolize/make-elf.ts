// A tiny ELF file out of a list of symbols, for the layouts that no compiler here makes.

export interface MadeSymbol {
  readonly name: string
  readonly at: number
  readonly size?: number
  readonly type?: 'label' | 'object' | 'function'
  readonly bind?: 'local' | 'global' | 'weak'
  readonly hidden?: boolean
  readonly section?: 'code' | 'data' | 'none' | 'absolute'
}

export interface Made {
  readonly symbols: readonly MadeSymbol[]
  readonly is64?: boolean
  readonly isLittleEndian?: boolean
  readonly machine?: number
  /** Counts of sections and the index of their names stand in the null section. */
  readonly extended?: boolean
}

/** Code lies at SVMA 0x1000 to 0x9000 and at the same offset from the start of the file. */
export const codeStart = 0x1000
const codeSize = 0x8000

const types = { label: 0, object: 1, function: 2 }
const binds = { local: 0, global: 1, weak: 2 }
const homes = { none: 0, code: 1, data: 2, absolute: 0xfff1 }

export function makeElf(made: Made): Buffer {
  const { is64 = true, isLittleEndian = true, machine = 62, extended = false } = made
  const field = (size: 1 | 2 | 4 | 8, value: number) => {
    const bytes = Buffer.alloc(size)
    if (size === 8) {
      if (isLittleEndian) bytes.writeBigInt64LE(BigInt(value))
      else bytes.writeBigInt64BE(BigInt(value))
    } else if (isLittleEndian) bytes.writeUIntLE(value, 0, size)
    else bytes.writeUIntBE(value, 0, size)
    return bytes
  }
  const u8 = (value: number) => field(1, value)
  const u16 = (value: number) => field(2, value)
  const u32 = (value: number) => field(4, value)
  const word = (value: number) => field(is64 ? 8 : 4, value)

  const strings = Buffer.from(`\0${made.symbols.map(({ name }) => `${name}\0`).join('')}`)
  let nameOffset = 1
  const symbols = made.symbols.map(symbol => {
    const { name, at, size = 0, type = 'function', bind = 'global', section = 'code' } = symbol
    const offset = nameOffset
    nameOffset += Buffer.byteLength(name) + 1
    const info = u8(binds[bind] * 16 + types[type])
    const other = u8(symbol.hidden === true ? 2 : 0)
    const home = u16(homes[section])
    return is64
      ? Buffer.concat([u32(offset), info, other, home, word(at), word(size)])
      : Buffer.concat([u32(offset), word(at), word(size), info, other, home])
  })
  const symbolSize = is64 ? 24 : 16
  const table = Buffer.concat([Buffer.alloc(symbolSize), ...symbols])
  const sectionNames = Buffer.from('\0.text\0.data\0.symtab\0.strtab\0.shstrtab\0')

  const headerSize = is64 ? 64 : 52
  const segmentSize = is64 ? 56 : 32
  const sectionSize = is64 ? 64 : 40
  const tableAt = codeStart + codeSize
  const stringsAt = tableAt + table.length
  const namesAt = stringsAt + strings.length
  const sectionsAt = namesAt + sectionNames.length
  const sectionRows = [
    extended ? [0, 0, 0, 0, 0, 6, 5, 0, 0] : [0, 0, 0, 0, 0, 0, 0, 0, 0],
    [1, 1, 6, codeStart, codeStart, codeSize, 0, 0, 0],
    [7, 1, 3, codeStart + codeSize, codeStart, 0x100, 0, 0, 0],
    [13, 2, 0, 0, tableAt, table.length, 4, 0, symbolSize],
    [21, 3, 0, 0, stringsAt, strings.length, 0, 0, 0],
    [29, 3, 0, 0, namesAt, sectionNames.length, 0, 0, 0],
  ]
  const sections = sectionRows.map(
    ([name, type, flags, address, offset, size, link, info, entry]) =>
      Buffer.concat([
        ...[u32(name!), u32(type!), word(flags!), word(address!), word(offset!), word(size!)],
        ...[u32(link!), u32(info!), word(16), word(entry!)],
      ]),
  )
  const segment = is64
    ? [
        u32(1),
        u32(5),
        word(codeStart),
        word(codeStart),
        word(0),
        word(codeSize),
        word(codeSize),
        word(4096),
      ]
    : [
        u32(1),
        word(codeStart),
        word(codeStart),
        word(0),
        word(codeSize),
        word(codeSize),
        u32(5),
        word(4096),
      ]
  const header = Buffer.concat([
    Buffer.from([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, isLittleEndian ? 1 : 2, 1]),
    Buffer.alloc(9),
    ...[u16(3), u16(machine), u32(1), word(0), word(headerSize), word(sectionsAt), u32(0)],
    ...[u16(headerSize), u16(segmentSize), u16(1), u16(sectionSize)],
    ...[u16(extended ? 0 : 6), u16(extended ? 0xffff : 5)],
  ])
  const front = Buffer.concat([header, ...segment])
  const code = Buffer.alloc(tableAt - front.length)
  return Buffer.concat([front, code, table, strings, sectionNames, ...sections])
}
