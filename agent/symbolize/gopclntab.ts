// Names for the code of a Go program, inlined calls included, out of its
// .gopclntab: see go-table.ts for what that is.
//
// A frame has the file that its function is in and no line: a line would split
// one function of the flame graph into as many frames as it was sampled at.
//
// Inlined calls are a tree for each function: a table by address says which
// call the code belongs to, and each call says at which address of its caller
// it was made, so the caller is looked up in the same table again. They are
// read since Go 1.18; before, the tree is behind absolute pointers, and only
// the outermost function is named.
//
// Nothing is read before it is asked for, but the index. A damaged table gives
// no names, never an error: what has no name is counted where it is asked for.

import type { Elf } from './elf.ts'
import { type GoTable, readGoTable, wordAt } from './go-table.ts'
import { noValue } from './go-values.ts'
import type { SymbolTable } from './symbol-table.ts'
import type { SymbolFrame } from './symbols.ts'

// The deepest chain in Go's own tools has 6.
const maxInlined = 64

// internal/abi/symtab.go: the table by address, and the function's data, that make the tree.
const inlineIndexTable = 2
const inlineTreeData = 3
const noData = 0xffffffff
const noFile = 0xffffffff

/** The names of a Go program; undefined if it is none, or one whose table can't be trusted. */
export function readGopclntab(elf: Elf): SymbolTable | undefined {
  const table = readGoTable(elf)
  const index = table && readIndex(table)
  if (table === undefined || index === undefined) return undefined
  return {
    find(svma) {
      const found = findFunction(table, index, svma)
      return found && framesAt(table, found, svma - found.start)
    },
  }
}

/** Where functions start, and what they are. */
interface Index {
  readonly start: Float64Array
  readonly offset: Float64Array
}

interface GoFunction {
  readonly start: number
  readonly nameOffset: number
  readonly fileTable: number
  readonly inlineTable: number
  /** Of the compilation unit, in the numbers of its files. */
  readonly unit: number
  /** Offset of the tree of inlined calls; `noData` if there is none. */
  readonly inlineTree: number
}

/** Undefined if it isn't in the file, or not in the order of addresses. */
function readIndex({ index, layout, functionCount, textStart }: GoTable): Index | undefined {
  const size = layout >= 18 ? 4 : 8
  const count = functionCount + 1
  // The last entry is the end of the last function, and has no second half.
  const buffer = index.read(0, (2 * count - 1) * size)
  if (buffer.length < (2 * count - 1) * size) return undefined
  const start = new Float64Array(count)
  const offset = new Float64Array(count)
  const field = (at: number) => (size === 4 ? buffer.readUInt32LE(at * 4) : wordAt(buffer, at * 8))
  for (let entry = 0; entry < count; entry++) {
    start[entry] = textStart + field(2 * entry)
    if (entry < functionCount) offset[entry] = field(2 * entry + 1)
    if (entry > 0 && start[entry]! < start[entry - 1]!) return undefined
  }
  // Pointers that a relocation fills in are all zero in the file.
  return start[functionCount]! > start[0]! ? { start, offset } : undefined
}

function findFunction(
  table: GoTable,
  { start, offset }: Index,
  svma: number,
): GoFunction | undefined {
  let low = 0
  let high = start.length - 1
  if (!(svma >= start[0]! && svma < start[high]!)) return undefined
  // start[low] <= svma < start[high]
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (start[middle]! <= svma) low = middle
    else high = middle
  }
  return readFunction(table, start[low]!, offset[low]!)
}

/** The struct `_func` of runtime/runtime2.go, with the two arrays behind it. */
function readFunction(
  { functions, layout }: GoTable,
  start: number,
  offset: number,
): GoFunction | undefined {
  // After the address, which is a pointer before 1.18, come words of 4 bytes: name, arguments,
  // deferreturn, three tables, the number of tables, and since 1.16 the unit.
  const words = layout >= 18 ? 4 : 8
  const size = layout === 20 ? 44 : layout === 18 ? 40 : layout === 16 ? 44 : 40
  const head = functions.read(offset, size + 4 * (inlineIndexTable + 1))
  if (head.length < size) return undefined
  const word = (at: number) => head.readUInt32LE(words + 4 * at)
  const tableCount = word(6)
  const dataCount = head[size - 1]!
  const hasInlines =
    layout >= 18 &&
    tableCount > inlineIndexTable &&
    dataCount > inlineTreeData &&
    head.length === size + 12
  const treeAt = size + 4 * (tableCount + inlineTreeData)
  const tree = hasInlines ? functions.read(offset + treeAt, 4) : Buffer.alloc(0)
  return {
    start,
    nameOffset: word(0),
    fileTable: word(4),
    inlineTable: hasInlines ? head.readUInt32LE(size + 4 * inlineIndexTable) : 0,
    unit: layout === 2 ? 0 : word(7),
    inlineTree: tree.length === 4 ? tree.readUInt32LE(0) : noData,
  }
}

/** The frames of the code at `distance` bytes from the function's start, outermost first; undefined if damaged. */
function framesAt(
  table: GoTable,
  of: GoFunction,
  distance: number,
): readonly SymbolFrame[] | undefined {
  const frames: SymbolFrame[] = []
  // A caller comes before what it calls in the tree: a chain that is too long is one in a circle.
  for (let at = distance; frames.length <= maxInlined; ) {
    const file = fileAt(table, of, at)
    const call = inlinedCall(table, of, at)
    const name = table.names(call?.nameOffset ?? of.nameOffset)
    if (file === undefined || call === undefined || name === '') return undefined
    frames.push(frame(name, file, call === notInlined ? 'native' : 'inlined'))
    if (call === notInlined) return frames.reverse()
    at = call.callerDistance
  }
  return undefined
}

interface InlinedCall {
  /** Undefined for the function itself. */
  readonly nameOffset?: number
  /** Of the call, from the start of the function that the code is in. */
  readonly callerDistance: number
}

const notInlined: InlinedCall = { callerDistance: 0 }

/** The innermost call that the code at `distance` was inlined by; undefined if the tree is damaged. */
function inlinedCall(table: GoTable, of: GoFunction, distance: number): InlinedCall | undefined {
  if (of.inlineTree === noData) return notInlined
  const index = table.values(of.inlineTable, distance)
  if (index === undefined) return undefined
  if (index <= noValue) return notInlined
  // 1.18: parent, file, line, name, address. 1.20: kind of function, name, address, first line.
  const [size, name] = table.layout === 18 ? [20, 12] : [16, 4]
  const call = table.functionData.read(of.inlineTree + index * size, size)
  if (call.length < size) return undefined
  return { nameOffset: call.readUInt32LE(name), callerDistance: call.readUInt32LE(name + 4) }
}

function frame(name: string, file: string, kind: 'native' | 'inlined'): SymbolFrame {
  return file === '' ? { name, kind } : { name, kind, file }
}

/** The source file of the code; empty if there is none, undefined if the table is damaged. */
function fileAt(
  { values, units, files }: GoTable,
  of: GoFunction,
  distance: number,
): string | undefined {
  const number = values(of.fileTable, distance)
  if (number === undefined) return undefined
  if (number <= noValue) return ''
  const entry = units.read((of.unit + number) * 4, 4)
  const offset = entry.length === 4 ? entry.readUInt32LE(0) : noFile
  return offset === noFile ? '' : files(offset)
}
