// Writes small Go programs: an ELF file with a .gopclntab in any of its layouts.
// For the tests of what no toolchain at hand makes any more, and of damage.

export interface GoCode {
  readonly name: string
  readonly file: string
  readonly size: number
  /** The call that each byte belongs to, from the function's start on; -1 for its own code. */
  readonly calls?: readonly number[]
  /** The tree of inlined calls: what was called, and from where. */
  readonly tree?: readonly { readonly name: string; readonly callerDistance: number }[]
}

export const codeStart = 0x401000
const base = 0x400000
const wordSize = 8

/** An x86-64 program with these functions one after the other from `codeStart` on. */
export function goProgram(layout: 2 | 16 | 18 | 20, code: readonly GoCode[]): Buffer {
  const strings = stringTable()
  const names = code.map(({ name }) => strings.add(name))
  const files = code.map(({ file }) => strings.add(file))
  const values = [0]
  const fileTables = code.map(({ size }, at) => table(values, Array(size).fill(at)))
  const callTables = code.map(({ calls }) => (calls === undefined ? 0 : table(values, calls)))
  const trees: number[] = []
  const treeOffsets = code.map(({ tree }) => {
    const offset = trees.length
    for (const { name, callerDistance } of tree ?? []) {
      const fields =
        layout === 18
          ? [0, 0, 0, strings.add(name), callerDistance]
          : [0, strings.add(name), callerDistance, 0]
      for (const field of fields) trees.push(...u32(field))
    }
    return tree === undefined ? 0xffffffff : offset
  })
  const starts = code.map((_, at) => code.slice(0, at).reduce((sum, { size }) => sum + size, 0))
  const end = code.reduce((sum, { size }) => sum + size, 0)

  // Every offset of the oldest layout is from the start of the table, so each part is placed first.
  const pointers = layout < 18
  const headWords = layout === 2 ? 2 : layout === 16 ? 8 : 9
  const pairSize = pointers ? 2 * wordSize : 8
  const functionSize = layout === 2 ? 40 : layout === 18 ? 40 : 44
  const arrays = pointers ? 0 : 3 * 4 + 4 * 4
  const parts = { strings: headWords * wordSize, values: 0, units: 0, functions: 0 }
  const indexSize = code.length * pairSize + (pointers ? wordSize : 4)
  if (layout === 2) {
    // The index comes first, and the offset of the files after it.
    parts.functions = parts.strings
    parts.strings = parts.functions + indexSize + 4 + code.length * functionSize
  }
  parts.values = parts.strings + strings.bytes().length
  parts.units = Math.ceil((parts.values + values.length) / 8) * 8
  if (layout !== 2) parts.functions = parts.units + Math.ceil((code.length * 4) / 8) * 8
  const stringBase = layout === 2 ? parts.strings : 0
  const valueBase = layout === 2 ? parts.values : 0
  const structs = indexSize + (layout === 2 ? 4 : 0)
  const structBase = layout === 2 ? parts.functions : 0

  const index: number[] = []
  const bodies: number[] = []
  for (const [at, start] of starts.entries()) {
    const offset = structBase + structs + at * (functionSize + arrays)
    index.push(
      ...(pointers ? [...u64(codeStart + start), ...u64(offset)] : [...u32(start), ...u32(offset)]),
    )
    bodies.push(...(pointers ? u64(codeStart + start) : u32(start)))
    const tables = [0, valueBase + fileTables[at]!, 0]
    bodies.push(...[stringBase + names[at]!, 0, 0, ...tables, pointers ? 0 : 3].flatMap(u32))
    if (layout !== 2) bodies.push(...u32(0))
    if (layout === 20) bodies.push(...u32(1))
    bodies.push(0, 0, 0, pointers ? 0 : 4)
    if (!pointers)
      bodies.push(
        ...[0, 0, callTables[at]!, 0xffffffff, 0xffffffff, 0xffffffff, treeOffsets[at]!].flatMap(
          u32,
        ),
      )
  }
  index.push(...(pointers ? u64(codeStart + end) : u32(end)))

  const magic = { 2: 0xfb, 16: 0xfa, 18: 0xf0, 20: 0xf1 }[layout]
  const head = [magic, 0xff, 0xff, 0xff, 0, 0, 1, wordSize, ...u64(code.length)]
  if (layout !== 2) head.push(...u64(code.length))
  if (!pointers) head.push(...u64(codeStart))
  const { strings: text, units, values: tables, functions } = parts
  if (layout !== 2) head.push(...[text, units, text, tables, functions].flatMap(u64))

  const pclntab = Buffer.alloc(
    Math.max(parts.functions + structs + bodies.length, parts.units + code.length * 4) + 64,
  )
  Buffer.from(head).copy(pclntab)
  strings.bytes().copy(pclntab, parts.strings)
  Buffer.from(values).copy(pclntab, parts.values)
  Buffer.from(files.flatMap(file => u32(stringBase + file))).copy(pclntab, parts.units)
  Buffer.from(index).copy(pclntab, parts.functions)
  if (layout === 2) pclntab.writeUInt32LE(parts.units, parts.functions + indexSize)
  Buffer.from(bodies).copy(pclntab, parts.functions + structs)
  return elf(pclntab, Buffer.from(trees), parts.strings)
}

/** Header, one segment of everything, the module data, the table and the trees, and the sections' headers. */
function elf(pclntab: Buffer, trees: Buffer, names: number): Buffer {
  const sectionNames = Buffer.from('\0.gopclntab\0.shstrtab\0')
  const moduleOffset = 0x100
  const tableOffset = 0x300
  const treesOffset = tableOffset + Math.ceil(pclntab.length / 8) * 8
  const namesOffset = treesOffset + trees.length
  const sectionsOffset = Math.ceil((namesOffset + sectionNames.length) / 8) * 8
  const file = Buffer.alloc(sectionsOffset + 3 * 64)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  file.writeUInt16LE(2, 16)
  file.writeUInt16LE(62, 18)
  file.writeBigUInt64LE(64n, 32)
  file.writeBigUInt64LE(BigInt(sectionsOffset), 40)
  for (const [at, field] of [64, 56, 1, 64, 3, 2].entries()) file.writeUInt16LE(field, 52 + 2 * at)
  const segment = [1, 6]
    .flatMap(u32)
    .concat([0, base, base, file.length, file.length, 4096].flatMap(u64))
  file.set(segment, 64)
  const module = Array<number>(41).fill(0)
  module[0] = base + tableOffset
  module[1] = base + tableOffset + names
  module[22] = codeStart
  // Where 1.18 has this word and where 1.20 has it.
  module[38] = module[40] = base + treesOffset
  file.set(module.flatMap(u64), moduleOffset)
  pclntab.copy(file, tableOffset)
  trees.copy(file, treesOffset)
  sectionNames.copy(file, namesOffset)
  const section = (name: number, type: number, offset: number, size: number) => [
    ...[name, type].flatMap(u32),
    ...[2, base + offset, offset, size].flatMap(u64),
    ...[0, 0].flatMap(u32),
    ...[8, 0].flatMap(u64),
  ]
  file.set(section(1, 1, tableOffset, pclntab.length), sectionsOffset + 64)
  file.set(section(12, 3, namesOffset, sectionNames.length), sectionsOffset + 128)
  return file
}

function stringTable() {
  const bytes: number[] = [0]
  return {
    add(text: string): number {
      const offset = bytes.length
      bytes.push(...Buffer.from(text), 0)
      return offset
    },
    bytes: () => Buffer.from(bytes),
  }
}

/** Appends the table with one value for each byte of code, and returns its offset. */
function table(into: number[], wanted: readonly number[]): number {
  const offset = into.length
  let value = -1
  for (let at = 0; at < wanted.length; ) {
    let next = at
    while (next < wanted.length && wanted[next] === wanted[at]) next++
    const change = wanted[at]! - value
    into.push(...varint(change < 0 ? -2 * change - 1 : 2 * change), ...varint(next - at))
    value = wanted[at]!
    at = next
  }
  into.push(0)
  return offset
}

function varint(number: number): number[] {
  return number < 0x80 ? [number] : [(number & 0x7f) | 0x80, ...varint(number >>> 7)]
}

function u32(number: number): number[] {
  return [number & 0xff, (number >>> 8) & 0xff, (number >>> 16) & 0xff, number >>> 24]
}

function u64(number: number): number[] {
  return [...u32(number % 0x1_0000_0000), ...u32(Math.floor(number / 0x1_0000_0000))]
}
