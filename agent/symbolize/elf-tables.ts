// The two tables of contents of an ELF file: see elf.ts for what they are for.
//
// Both are read whole, so their counts are bounded before anything is read.

import { ProfilerError } from '../errors.ts'
import { partOf, stringAt } from './bytes.ts'
import { fieldsOf } from './fields.ts'
import type { Bytes } from './symbols.ts'

export interface Segment {
  readonly type: number
  readonly flags: number
  readonly offset: number
  /** SVMA. */
  readonly address: number
  readonly fileSize: number
  readonly memorySize: number
}

export interface Section {
  readonly name: string
  readonly type: number
  readonly flags: number
  /** SVMA. */
  readonly address: number
  readonly offset: number
  readonly size: number
  readonly link: number
  readonly info: number
  readonly entrySize: number
}

export const segmentType = { load: 1, interpreter: 3, note: 4 } as const
export const segmentFlag = { execute: 1, write: 2, read: 4 } as const
export const sectionType = {
  symbols: 2,
  relocationsWithAddend: 4,
  note: 7,
  empty: 8,
  relocations: 9,
  dynamicSymbols: 11,
} as const
export const sectionFlag = { allocated: 2, execute: 4, compressed: 0x800 } as const

// Real files have up to 20 segments and 80 sections. A file that is built with a section for each
// function has more, but only as an object file. The tables are read whole, so these bound a read
// to 0.2 MB and 4 MB.
const maxSegments = 4096
const maxSections = 65_536
// All section names together; 64 bytes for each of the sections allowed.
const maxSectionNames = 4 << 20
// The longest real section name is one of ours with a function's name in it, in object files only.
const maxSectionName = 256

/** What both tables are read with. */
export interface Form {
  readonly bytes: Bytes
  readonly is64: boolean
  readonly isLittleEndian: boolean
}

export function readSegments(
  form: Form,
  offset: number,
  count: number,
  entrySize: number,
): Segment[] {
  const { bytes, is64, isLittleEndian } = form
  if (count === 0) return []
  if (count > maxSegments)
    throw malformed(`it has ${count} program headers, more than ${maxSegments}`)
  if (entrySize < (is64 ? 56 : 32)) throw malformed(`its program headers have ${entrySize} bytes`)
  const table = partOf(bytes, offset, count * entrySize).read(0, count * entrySize)
  if (table.length < count * entrySize)
    throw malformed('its program headers lie outside of the file')
  const { u32, word, address } = fieldsOf(table, is64, isLittleEndian)
  return Array.from({ length: count }, (_, index) => {
    const at = index * entrySize
    return is64
      ? {
          type: u32(at),
          flags: u32(at + 4),
          offset: word(at + 8),
          address: address(at + 16),
          fileSize: word(at + 32),
          memorySize: word(at + 40),
        }
      : {
          type: u32(at),
          flags: u32(at + 24),
          offset: word(at + 4),
          address: address(at + 8),
          fileSize: word(at + 16),
          memorySize: word(at + 20),
        }
  })
}

export type UnnamedSection = Omit<Section, 'name'> & { readonly nameOffset: number }

/** Undefined if the table is not in the file, or too long to be true. */
export function readSections(
  form: Form,
  offset: number,
  count: number,
  entrySize: number,
): UnnamedSection[] | undefined {
  const { bytes, is64, isLittleEndian } = form
  if (offset === 0 || count === 0 || count > maxSections || entrySize < (is64 ? 64 : 40))
    return undefined
  const table = partOf(bytes, offset, count * entrySize).read(0, count * entrySize)
  if (table.length < count * entrySize) return undefined
  const { u32, word, address } = fieldsOf(table, is64, isLittleEndian)
  const size = is64 ? 8 : 4
  return Array.from({ length: count }, (_, index) => {
    const at = index * entrySize
    // Two words, then four fields as wide as an address, two words, two wide ones.
    const wide = at + 8
    const narrow = wide + 4 * size
    return {
      nameOffset: u32(at),
      type: u32(at + 4),
      flags: word(wide),
      address: address(wide + size),
      offset: word(wide + 2 * size),
      size: word(wide + 3 * size),
      link: u32(narrow),
      info: u32(narrow + 4),
      entrySize: word(narrow + 8 + size),
    }
  })
}

export function nameSections(
  bytes: Bytes,
  sections: readonly UnnamedSection[],
  nameIndex: number,
): Section[] {
  const strings = sections[nameIndex]
  const names =
    strings === undefined
      ? Buffer.alloc(0)
      : partOf(bytes, strings.offset, strings.size).read(0, maxSectionNames)
  return sections.map(({ nameOffset, ...section }) => {
    return { name: stringAt(names, nameOffset, maxSectionName), ...section }
  })
}

export function malformed(what: string): ProfilerError {
  return new ProfilerError('SP_ELF_MALFORMED', `This ELF file cannot be read: ${what}.`)
}
