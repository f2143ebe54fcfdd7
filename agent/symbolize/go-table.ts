// Finds the .gopclntab of a Go program and reads its header.
//
// The table is what Go's own tracebacks are made from, so no way of stripping
// removes it. There is no spec since https://go.dev/s/go12symtab; the truth is
// runtime/symtab.go and cmd/link/internal/ld/pcln.go of each release. Four
// layouts are alive, told by the magic:
//
//   0xfffffffb  Go 1.2   one table, addresses as pointers
//   0xfffffffa  Go 1.16  five tables, addresses as pointers
//   0xfffffff0  Go 1.18  addresses as offsets from the start of Go's code
//   0xfffffff1  Go 1.20  a function also has the line that it starts at
//
// Traps:
// - Since Go 1.26 the header no longer says where Go's code starts, and a
//   position-independent program of any version may leave that to a relocation.
//   The module data knows (go-module.ts). The start of .text is no substitute: with
//   cgo, C's start-up code lies before Go's, and every name would be wrong.
// - In a position-independent program the section has another name, or none
//   of its own when the system's linker made the file: then the header is
//   looked for.
//
// We read 64-bit little-endian programs, which are all that we can profile.

import { partOf } from './bytes.ts'
import { type Elf, type Segment, sectionNamed, segmentFlag, segmentType, toSvma } from './elf.ts'
import { type ModuleData, readModuleData } from './go-module.ts'
import { type Strings, stringsOf } from './go-strings.ts'
import { type ValueTables, valueTables } from './go-values.ts'
import type { Bytes } from './symbols.ts'

export type GoLayout = 2 | 16 | 18 | 20

export interface GoTable {
  readonly layout: GoLayout
  readonly functionCount: number
  /** Pairs of an address and the offset of the function in `functions`, by address, and the end of the last one. */
  readonly index: Bytes
  readonly functions: Bytes
  readonly names: Strings
  readonly files: Strings
  /** Since 1.16, file numbers are of a compilation unit; before, of the program. */
  readonly units: Bytes
  readonly values: ValueTables
  /** SVMA that the offsets of 1.18 and later count from; 0 for the pointers of earlier ones. */
  readonly textStart: number
  /** What the offsets of a function's data count from, since 1.18; empty if it can't be found. */
  readonly functionData: Bytes
}

const layouts = new Map<number, GoLayout>([
  [0xfffffffb, 2],
  [0xfffffffa, 16],
  [0xfffffff0, 18],
  [0xfffffff1, 20],
])

const pointerSize = 8
// Go 1.26 takes 350 bytes of table a function, so this many are a table of 370 MB. The index of
// them is read whole: 8 MB, or 16 MB for the layouts with pointers.
const maxFunctions = 1 << 20
// The header is looked for in this much, which takes half a second. Go's own compiler is a file of 25 MB.
const maxSearched = 512 << 20
const searchChunk = 1 << 20
// Names of instantiated generic functions are the longest.
const maxName = 8192
// PATH_MAX of Linux.
const maxPath = 4096

/** The table, or undefined if this is no Go program, or one whose table can't be trusted. */
export function readGoTable(elf: Elf): GoTable | undefined {
  const quantum = elf.machine === 'x86-64' ? 1 : elf.machine === 'aarch64' ? 4 : undefined
  if (quantum === undefined || !elf.is64 || !elf.isLittleEndian) return undefined
  const named = sectionNamed(elf, '.gopclntab') ?? sectionNamed(elf, '.data.rel.ro.gopclntab')
  if (named !== undefined) {
    return readTable(elf, partOf(elf.bytes, named.offset, named.size), named.address, quantum)
  }
  // Every Go program has one of these as well. A file without any sections may be anything.
  const mayBeGo = elf.sections.length === 0 || elf.sections.some(({ name }) => goSections.has(name))
  return mayBeGo ? searchTable(elf, quantum) : undefined
}

const goSections = new Set(['.go.buildinfo', '.note.go.buildid', '.go.module', '.gosymtab'])

function readTable(elf: Elf, bytes: Bytes, svma: number, quantum: number): GoTable | undefined {
  // A hostile address may be too large to be exact.
  if (!Number.isSafeInteger(svma)) return undefined
  // Ten words are the longest header.
  const head = bytes.read(0, 10 * pointerSize)
  if (head.length < 10 * pointerSize) return undefined
  const layout = layouts.get(head.readUInt32LE(0))
  if (layout === undefined || head.readUInt16LE(4) !== 0) return undefined
  if (head[6] !== quantum || head[7] !== pointerSize) return undefined
  const words = Array.from({ length: 10 }, (_, at) => wordAt(head, at * pointerSize))
  const functionCount = words[1]!
  if (functionCount === 0 || functionCount > maxFunctions) return undefined
  if (layout === 2) return readOldestTable(bytes, functionCount, quantum)

  const hasTextStart = layout >= 18
  const [names = 0, units = 0, files = 0, values = 0, functions = 0] = words.slice(
    hasTextStart ? 4 : 3,
  )
  if (Math.max(names, units, files, values, functions) >= bytes.size) return undefined
  const module = hasTextStart ? readModuleData(elf, { svma, names: svma + names, layout }) : unknown
  const textStart = hasTextStart ? words[3]! || module.textStart : 0
  if (textStart === undefined) return undefined
  const from = (offset: number) => partOf(bytes, offset, bytes.size - offset)
  return {
    layout,
    functionCount,
    index: from(functions),
    functions: from(functions),
    names: stringsOf(from(names), maxName),
    files: stringsOf(from(files), maxPath),
    units: from(units),
    values: valueTables(from(values), quantum),
    textStart,
    functionData: module.functionData,
  }
}

const nothing: Bytes = { size: 0, read: () => Buffer.alloc(0) }
const unknown: ModuleData = { textStart: undefined, functionData: nothing }

/** Up to Go 1.15 everything is an offset from the start of the one table. */
function readOldestTable(
  bytes: Bytes,
  functionCount: number,
  quantum: number,
): GoTable | undefined {
  const indexStart = 2 * pointerSize
  const indexEnd = indexStart + (2 * functionCount + 1) * pointerSize
  const unit = bytes.read(indexEnd, 4)
  if (unit.length < 4 || unit.readUInt32LE(0) >= bytes.size) return undefined
  return {
    layout: 2,
    functionCount,
    index: partOf(bytes, indexStart, bytes.size),
    functions: bytes,
    names: stringsOf(bytes, maxName),
    files: stringsOf(bytes, maxPath),
    units: partOf(bytes, unit.readUInt32LE(0), bytes.size),
    values: valueTables(bytes, quantum),
    textStart: 0,
    functionData: nothing,
  }
}

/** Looks for the header: read-only data first, then what is read-only once relocated, code last. */
function searchTable(elf: Elf, quantum: number): GoTable | undefined {
  // The first byte of the magic is the layout's.
  const signature = Buffer.from([0xff, 0xff, 0xff, 0, 0, quantum, pointerSize])
  let left = maxSearched
  for (const segment of elf.segments
    .filter(({ type }) => type === segmentType.load)
    .sort(dataFirst)) {
    const bytes = partOf(elf.bytes, segment.offset, segment.fileSize)
    // Chunks overlap, so that no header is cut.
    for (let start = 0; start < bytes.size && left > 0; start += searchChunk, left -= searchChunk) {
      const chunk = bytes.read(start, searchChunk + signature.length)
      for (let at = chunk.indexOf(signature); at > 0; at = chunk.indexOf(signature, at + 1)) {
        const offset = start + at - 1
        const svma = toSvma(elf, segment.offset + offset)
        if (svma === undefined || svma % pointerSize !== 0) continue
        const table = readTable(elf, partOf(bytes, offset, bytes.size - offset), svma, quantum)
        if (table !== undefined) return table
      }
    }
  }
  return undefined
}

function dataFirst(a: Segment, b: Segment): number {
  const order = ({ flags }: Segment) =>
    (flags & segmentFlag.execute) * 4 + (flags & segmentFlag.write)
  return order(a) - order(b)
}

/** A word. Above 2^53 it is not exact, but then it is outside of everything. */
export function wordAt(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 0x1_0000_0000
}
