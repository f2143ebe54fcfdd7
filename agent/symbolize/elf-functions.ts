// The functions of an ELF symbol table: .symtab, or .dynsym.
//
// Spec: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.symtab.html
//
// A table is read in pieces of 1 MB, and its strings not at all before a name
// is asked for. Kept are functions, and labels in executable sections, for hand-written
// assembly often has nothing better. Dropped are the labels that are no code:
// ARM's mapping symbols ($x, $d) and hidden local ones (annobin's notes).

import { stringAt } from './bytes.ts'
import {
  type Elf,
  type Section,
  sectionFlag,
  sectionNamed,
  sectionType,
  sectionView,
} from './elf.ts'
import { fieldsOf } from './fields.ts'
import { aliasRank, type NameReader, type SymbolRanges } from './symbol-table.ts'
import type { Bytes } from './symbols.ts'

const chunkBytes = 1 << 20
// 24 bytes each, so 192 MB are read at most, and some 100 MB kept. Chromium with all its symbols
// has 1.5 million functions.
const maxSymbols = 8_000_000
export const maxFunctions = 2_000_000
// Longer than any compiler makes them, shorter than what would hurt. A longer one is cut.
const maxNameBytes = 64 << 10
// Nine of ten C++ names as mangled, and little enough to come out of Node's pool of small buffers.
const usualNameBytes = 256
// User space ends at 2^47, and a kernel image begins at -2^31 (see `Address`).
const maxAddress = 2 ** 47

/** What a symbol table gave: `cut` if it has more functions than we keep. */
export type Added = 'none' | 'all' | 'cut'

/** How many functions the tables of a file have room for: more than it has, by data and what others define. */
export function roomForFunctions(elf: Elf): number {
  const sizes = ['.symtab', '.dynsym'].map(name => sectionNamed(elf, name)?.size ?? 0)
  const bytes = Math.min(sizes[0]! + sizes[1]!, elf.bytes.size)
  return Math.min(Math.ceil(bytes / (elf.is64 ? 24 : 16)), maxFunctions)
}

/** Adds the functions of a symbol table, if the file has it. */
export function addElfFunctions(elf: Elf, sectionName: string, into: SymbolRanges): Added {
  const section = sectionNamed(elf, sectionName)
  if (section?.type !== sectionType.symbols && section?.type !== sectionType.dynamicSymbols) {
    return 'none'
  }
  const symbols = sectionView(elf, section)
  const strings = stringsOf(elf, section)
  if (symbols === undefined || strings === undefined) return 'none'
  const nameAt = nameReader(strings)
  const source = into.source(name => withoutVersion(nameAt(name)))
  const before = into.length
  const isMark = marksOf(elf, nameAt)
  eachSymbol(elf, symbols, (name, info, other, index, value, size) => {
    const type = info & 0xf
    const bind = info >>> 4
    if (name === 0 || index === undefinedIndex || into.length === maxFunctions) return
    const home = elf.sections[index]
    const isFunction = type === symbolType.function || type === symbolType.indirect
    if (!isFunction) {
      if (type !== symbolType.none) return
      if (home === undefined || (home.flags & sectionFlag.execute) === 0) return
      if (bind === binding.local && ((other & 3) === hidden || isMark(name))) return
    }
    // The lowest bit of an ARM function says Thumb, and is no part of its address.
    const start = elf.machine === 'arm' ? value - (value % 2) : value
    if (!Number.isSafeInteger(size) || Math.abs(start) > maxAddress) return
    const limit = home === undefined ? start : home.address + home.size
    const rank =
      (isFunction ? 0 : aliasRank.label) +
      (bind === binding.weak ? aliasRank.weak : 0) +
      (bind === binding.local ? aliasRank.local : 0)
    into.add(start, size, limit, name, source, rank)
  })
  if (into.length === maxFunctions) return 'cut'
  return into.length > before ? 'all' : 'none'
}

/** The names of .dynsym by index, for relocations. */
export function dynamicSymbolName(elf: Elf): (index: number) => string {
  const section = sectionNamed(elf, '.dynsym')
  const symbols = section && sectionView(elf, section)
  const strings = section && stringsOf(elf, section)
  if (symbols === undefined || strings === undefined) return () => ''
  const nameAt = nameReader(strings)
  const entrySize = elf.is64 ? 24 : 16
  return index => {
    const entry = symbols.read(index * entrySize, 4)
    return entry.length < 4 ? '' : nameAt(fieldsOf(entry, elf.is64, elf.isLittleEndian).u32(0))
  }
}

const symbolType = { none: 0, function: 2, indirect: 10 } as const
const binding = { local: 0, weak: 2 } as const
const hidden = 2
const undefinedIndex = 0

type Visit = (
  name: number,
  info: number,
  other: number,
  index: number,
  value: number,
  size: number,
) => void

function eachSymbol({ is64, isLittleEndian }: Elf, symbols: Bytes, visit: Visit): void {
  const entrySize = is64 ? 24 : 16
  const count = Math.min(Math.floor(symbols.size / entrySize), maxSymbols)
  const perChunk = Math.floor(chunkBytes / entrySize)
  for (let done = 0; done < count; done += perChunk) {
    const wanted = Math.min(perChunk, count - done)
    const chunk = symbols.read(done * entrySize, wanted * entrySize)
    const { u8, u16, u32, word, address } = fieldsOf(chunk, is64, isLittleEndian)
    const end = chunk.length - (chunk.length % entrySize)
    for (let at = 0; at < end; at += entrySize) {
      if (is64) visit(u32(at), u8(at + 4), u8(at + 5), u16(at + 6), address(at + 8), word(at + 16))
      else visit(u32(at), u8(at + 12), u8(at + 13), u16(at + 14), address(at + 4), word(at + 8))
    }
    if (end < wanted * entrySize) return
  }
}

function stringsOf(elf: Elf, section: Section): Bytes | undefined {
  const strings = elf.sections[section.link]
  return strings && sectionView(elf, strings)
}

/** Each name is read by itself: what a profile asks for lies all over a table, and is a small part of it. */
function nameReader(strings: Bytes): NameReader {
  return offset => {
    const room = strings.read(offset, usualNameBytes)
    const end = room.indexOf(0)
    if (end >= 0) return room.toString('utf8', 0, end)
    return stringAt(strings.read(offset, maxNameBytes), 0, maxNameBytes)
  }
}

/** A .symtab may spell the version of a shared symbol: `memcpy@@GLIBC_2.14`. */
function withoutVersion(name: string): string {
  const at = name.indexOf('@')
  return at > 0 ? name.slice(0, at) : name
}

/** Says of a local label whether it is an ARM mapping symbol: `$x`, `$d.42`. Linkers share their strings. */
function marksOf({ machine }: Elf, nameAt: NameReader): (name: number) => boolean {
  if (machine !== 'aarch64' && machine !== 'arm' && machine !== 'riscv') return () => false
  const known = new Map<number, boolean>()
  return name => {
    let isMark = known.get(name)
    if (isMark === undefined) {
      isMark = /^\$[a-z]/.test(nameAt(name))
      known.set(name, isMark)
    }
    return isMark
  }
}
