// .eh_frame: for every address of a program how the caller is found. It is there
// for exceptions, so it is in stripped files too, and in C as well as in C++.
//
//     .eh_frame_hdr   version, encodings, where .eh_frame is, then a sorted table of (function, FDE)
//     .eh_frame       CIE: what functions share;  FDE: one function, and its instructions
//
// https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/ehframechpt.html
//
// The table is searched in place, a few reads for each address that was not
// asked for before, so a file of 1 GB costs no more than a small one. A file
// without the table has its .eh_frame read through once.

import { partOf } from './bytes.ts'
import { type CommonInformation, type Row, rowAt } from './dwarf-cfa.ts'
import { Cursor, omitted } from './dwarf-cursor.ts'
import { type Elf, sectionNamed, toFileOffset } from './elf.ts'
import type { Bytes } from './symbols.ts'

export interface UnwindTable {
  /** How to go on from an SVMA; undefined where the file does not say. */
  row(address: number): Row | undefined
}

// PT_GNU_EH_FRAME
const headerSegment = 0x6474e550
// Two signed 32-bit numbers relative to the header, as every linker writes it (DW_EH_PE_datarel | sdata4).
const usualTable = 0x3b
// Chromium's .eh_frame has 30 MB; without the table all of it is read.
const maxScanned = 64 << 20
// Real functions have up to 10 KB of instructions.
const maxEntry = 1 << 20
// Addresses that were sampled in one file: a thousand are many.
const mostRows = 65_536

export function unwindTable(elf: Elf): UnwindTable | undefined {
  if (!elf.is64 || !elf.isLittleEndian) return undefined
  const find = attempt(() => searchedBy(elf)) ?? attempt(() => scanned(elf))
  if (find === undefined) return undefined
  const rows = new Map<number, Row | undefined>()
  const commons = new Map<number, CommonInformation>()
  return {
    row(address) {
      if (rows.has(address)) return rows.get(address)
      const row = attempt(() => {
        const entry = find(address)
        return entry === undefined ? undefined : readRow(elf, commons, entry, address)
      })
      if (rows.size < mostRows) rows.set(address, row)
      return row
    },
  }
}

/** Damage is a RangeError everywhere below: of such a file nothing is known there. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** Finds the SVMA of the FDE that an address may be in. */
type Find = (address: number) => number | undefined

function searchedBy(elf: Elf): Find | undefined {
  const segment = elf.segments.find(({ type }) => type === headerSegment)
  if (segment === undefined) return undefined
  const header = partOf(elf.bytes, segment.offset, segment.fileSize)
  const cursor = new Cursor(header.read(0, 32), 0, segment.address)
  const version = cursor.u8()
  const pointerEncoding = cursor.u8()
  const countEncoding = cursor.u8()
  if (version !== 1 || cursor.u8() !== usualTable || countEncoding === omitted) return undefined
  cursor.pointer(pointerEncoding, segment.address)
  const count = cursor.pointer(countEncoding, segment.address)
  const at = cursor.at
  if (!(count > 0) || at + count * 8 > header.size) return undefined
  const start = (index: number) => header.read(at + index * 8, 4).readInt32LE(0)
  return address => {
    const wanted = address - segment.address
    let low = 0
    let high = count
    while (low < high) {
      const middle = (low + high) >> 1
      if (start(middle) <= wanted) low = middle + 1
      else high = middle
    }
    if (low === 0) return undefined
    return segment.address + header.read(at + (low - 1) * 8 + 4, 4).readInt32LE(0)
  }
}

function scanned(elf: Elf): Find | undefined {
  const section = sectionNamed(elf, '.eh_frame')
  if (section === undefined || section.size > maxScanned) return undefined
  const bytes = elf.bytes.read(section.offset, section.size)
  const commons = new Map<number, CommonInformation>()
  const functions: { start: number; entry: number }[] = []
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at)
    if (length === 0 || length === 0xffff_ffff) break
    if (bytes.readUInt32LE(at + 4) !== 0) {
      const entry = section.address + at
      const start = attempt(() => readFunction(elf, commons, entry).start)
      if (start !== undefined) functions.push({ start, entry })
    }
    at += 4 + length
  }
  functions.sort((a, b) => a.start - b.start)
  return address => {
    let low = 0
    let high = functions.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (functions[middle]!.start <= address) low = middle + 1
      else high = middle
    }
    return functions[low - 1]?.entry
  }
}

interface FunctionInformation {
  readonly common: CommonInformation
  readonly start: number
  readonly end: number
  readonly instructions: Buffer
  /** SVMA of the instructions. */
  readonly address: number
}

function readRow(
  elf: Elf,
  commons: Map<number, CommonInformation>,
  entry: number,
  address: number,
): Row | undefined {
  const found = readFunction(elf, commons, entry)
  if (address < found.start || address >= found.end) return undefined
  return rowAt(found.common, found.instructions, found.address, found.start, address)
}

function readFunction(
  elf: Elf,
  commons: Map<number, CommonInformation>,
  entry: number,
): FunctionInformation {
  const { bytes, address } = readEntry(elf, entry)
  const cursor = new Cursor(bytes, 0, address)
  const back = cursor.u32()
  if (back === 0) throw new RangeError('a CIE where an FDE should be')
  const place = address - back
  let common = commons.get(place)
  if (common === undefined) {
    common = readCommon(elf, place)
    commons.set(place, common)
  }
  const start = cursor.pointer(common.pointerEncoding)
  // A size is in the same format, and relative to nothing.
  const size = cursor.pointer(common.pointerEncoding & 0x0f)
  if (common.hasAugmentationData) cursor.block(cursor.uleb())
  return {
    common,
    start,
    end: start + size,
    instructions: bytes.subarray(cursor.at),
    address: address + cursor.at,
  }
}

function readCommon(elf: Elf, place: number): CommonInformation {
  const { bytes, address } = readEntry(elf, place)
  const cursor = new Cursor(bytes, 0, address)
  if (cursor.u32() !== 0) throw new RangeError('an FDE where a CIE should be')
  const version = cursor.u8()
  if (version !== 1 && version !== 3) throw new RangeError(`a CIE of version ${version}`)
  const augmentation = cursor.text()
  const codeAlignment = cursor.uleb()
  const dataAlignment = cursor.sleb()
  const returnRegister = version === 1 ? cursor.u8() : cursor.uleb()
  let pointerEncoding = 0
  const hasAugmentationData = augmentation.startsWith('z')
  if (hasAugmentationData) {
    const end = cursor.uleb() + cursor.at
    for (const letter of augmentation.slice(1)) {
      if (letter === 'R') pointerEncoding = cursor.u8()
      else if (letter === 'L') cursor.u8()
      else if (letter === 'P') skipPointer(cursor)
      // S and B have no data; what is not known may have, so what follows cannot be read.
      else if (letter !== 'S' && letter !== 'B' && letter !== 'G') break
    }
    cursor.at = end
  } else if (augmentation !== '') throw new RangeError('an augmentation that is not known')
  return {
    codeAlignment,
    dataAlignment,
    returnRegister,
    isSignal: augmentation.includes('S'),
    instructions: bytes.subarray(cursor.at),
    pointerEncoding,
    hasAugmentationData,
  }
}

function skipPointer(cursor: Cursor): void {
  // Whatever it is relative to, its format alone says how long it is.
  cursor.pointer(cursor.u8() & 0x0f)
}

/** What follows the length of a CIE or an FDE, and its SVMA. */
function readEntry(elf: Elf, place: number): { bytes: Buffer; address: number } {
  const offset = toFileOffset(elf, place)
  if (offset === undefined) throw new RangeError('an entry outside of the file')
  const length = readExactly(elf.bytes, offset, 4).readUInt32LE(0)
  // 64-bit DWARF is for sections of more than 4 GB.
  if (length < 4 || length > maxEntry) throw new RangeError('an entry of a strange length')
  return { bytes: readExactly(elf.bytes, offset + 4, length), address: place + 4 }
}

function readExactly(bytes: Bytes, offset: number, length: number): Buffer {
  const read = bytes.read(offset, length)
  if (read.length < length) throw new RangeError('an entry that is cut')
  return read
}
