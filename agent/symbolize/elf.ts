// ELF: what a Linux executable or library is made of.
//
// Spec: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html, and
// elf(5) for the extended numbering and compressed sections.
//
// A file has two tables of contents. Program headers (segments) say what the
// kernel maps, and are always there. Section headers name the parts; nobody
// needs them to run, so a packed or hostile file may lack them or lie in them.
// That is why a damaged section table is a fact (`damage`) and not an error: the
// segments still give the build-id and the way from file offset to SVMA.
//
// The trap: an offset in the file is turned into an SVMA by the one PT_LOAD
// that holds it. `base + offset` is wrong for files that lld links (chromium)
// and for every layout that a linker script makes.
//
// We read by offset what is asked for and nothing else: a file of 1 GB costs
// two small reads until somebody wants a section. Both widths and both byte
// orders are read; addresses are signed, as in `Address`, so that those of the
// kernel stay exact numbers.

import { inflateSync, zstdDecompressSync } from 'node:zlib'
import { bytesOf, partOf, stringAt } from './bytes.ts'
import {
  malformed,
  nameSections,
  readSections,
  readSegments,
  type Section,
  type Segment,
  sectionFlag,
  sectionType,
  segmentFlag,
  segmentType,
} from './elf-tables.ts'
import { fieldsOf } from './fields.ts'
import type { Bytes } from './symbols.ts'

export { type Section, type Segment, sectionFlag, sectionType, segmentFlag, segmentType }

export interface Elf {
  readonly bytes: Bytes
  readonly is64: boolean
  readonly isLittleEndian: boolean
  readonly machine: Machine
  readonly type: 'relocatable' | 'executable' | 'shared' | 'other'
  readonly segments: readonly Segment[]
  /** In file order, the null section included, so that an index in the file is an index here. */
  readonly sections: readonly Section[]
  /** What is wrong with the section headers, when they are there and cannot be used. */
  readonly damage?: string
}

export type Machine = 'x86-64' | 'x86' | 'aarch64' | 'arm' | 'riscv' | 'other'

// What `sectionBytes` reads at most. The largest section that is read whole is the .gopclntab:
// 60 MB in the largest Go programs.
const maxSectionBytes = 128 << 20
// Only debug data is compressed, and none of it that names need is large.
const maxInflatedBytes = 64 << 20
// Notes are a few hundred bytes; core files, which have megabytes of them, are not ours to read.
const maxNoteBytes = 64 << 10
// SHA-1 is 20; `--build-id=0x…` allows any length.
const maxBuildIdBytes = 64
// Real files have up to five notes; the bound keeps a table of nothing but notes cheap.
const maxNotes = 64

/** @throws {ProfilerError} `SP_ELF_MALFORMED` if this is no ELF file, or one without usable program headers. */
export function readElf(bytes: Bytes): Elf {
  const head = bytes.read(0, 64)
  if (head.length < 52 || head.readUInt32BE(0) !== 0x7f454c46)
    throw malformed('it is not an ELF file')
  const [width, order] = [head[4], head[5]]
  if (width !== 1 && width !== 2) throw malformed(`its class is ${width}`)
  if (order !== 1 && order !== 2) throw malformed(`its byte order is ${order}`)
  const is64 = width === 2
  if (is64 && head.length < 64) throw malformed('it ends inside its header')
  const isLittleEndian = order === 1
  const fields = fieldsOf(head, is64, isLittleEndian)
  // After e_entry the word-sized fields shift everything: offsets of elf(5) for both widths.
  const programOffset = fields.word(is64 ? 32 : 28)
  const sectionOffset = fields.word(is64 ? 40 : 32)
  const tail = is64 ? 54 : 42
  const form = { bytes, is64, isLittleEndian }

  const first = readSections(form, sectionOffset, 1, fields.u16(tail + 4))
  // Extended numbering: what does not fit in 16 bits stands in the null section.
  const programCount =
    fields.u16(tail + 2) === 0xffff ? (first?.[0]?.info ?? 0) : fields.u16(tail + 2)
  const sectionCount = fields.u16(tail + 6) || (first?.[0]?.size ?? 0)
  const nameIndex = fields.u16(tail + 8) === 0xffff ? (first?.[0]?.link ?? 0) : fields.u16(tail + 8)

  const segments = readSegments(form, programOffset, programCount, fields.u16(tail))
  const sections =
    sectionOffset === 0 || sectionCount === 0
      ? []
      : readSections(form, sectionOffset, sectionCount, fields.u16(tail + 4))
  return {
    ...form,
    machine: machines.get(fields.u16(18)) ?? 'other',
    type: fileTypes.get(fields.u16(16)) ?? 'other',
    segments,
    sections: sections === undefined ? [] : nameSections(bytes, sections, nameIndex),
    ...(sections === undefined && {
      damage: `its ${sectionCount} section headers lie outside of the file`,
    }),
  }
}

/** Where a byte of the file is in memory as linked; undefined if it is never loaded. Code wins where segments overlap. */
export function toSvma(elf: Elf, fileOffset: number): number | undefined {
  let found: Segment | undefined
  for (const segment of elf.segments) {
    if (segment.type !== segmentType.load) continue
    if (fileOffset < segment.offset || fileOffset >= segment.offset + segment.fileSize) continue
    if (found === undefined || (segment.flags & segmentFlag.execute) !== 0) found = segment
  }
  return found && fileOffset - found.offset + found.address
}

/** Where a byte of memory as linked is in the file; undefined if it is not in the file (such as .bss). */
export function toFileOffset(elf: Elf, svma: number): number | undefined {
  const found = elf.segments.find(
    ({ type, address, fileSize }) =>
      type === segmentType.load && svma >= address && svma < address + fileSize,
  )
  return found && svma - found.address + found.offset
}

/** The first section of this name that has content in the file. A debug file keeps empty shells of the others. */
export function sectionNamed(elf: Elf, name: string): Section | undefined {
  return elf.sections.find(
    section => section.name === name && section.type !== sectionType.empty && section.type !== 0,
  )
}

/**
 * The content of a section, not yet read. A compressed one is inflated at once.
 * Cut to what the file has; undefined if it cannot be inflated within the limit.
 */
export function sectionView(elf: Elf, section: Section): Bytes | undefined {
  if (section.type === sectionType.empty) return undefined
  const content = partOf(elf.bytes, section.offset, section.size)
  if ((section.flags & sectionFlag.compressed) === 0) return content
  const inflated = inflate(elf, content)
  return inflated && bytesOf(inflated)
}

/** The whole content of a section: undefined if there is none, or if it is above the limit (128 MB). */
export function sectionBytes(elf: Elf, name: string): Buffer | undefined {
  const section = sectionNamed(elf, name)
  const view = section && sectionView(elf, section)
  return view && view.size <= maxSectionBytes ? view.read(0, view.size) : undefined
}

/** The GNU build-id, lower-case hex. Sections first: in a debug file the segments point at nothing. */
export function buildIdOf(elf: Elf): string | undefined {
  const notes = [
    ...elf.sections.filter(({ type }) => type === sectionType.note),
    ...elf.segments.filter(({ type }) => type === segmentType.note),
  ]
  for (const note of notes.slice(0, maxNotes)) {
    const size = 'fileSize' in note ? note.fileSize : note.size
    const found = buildIdIn(elf, partOf(elf.bytes, note.offset, size))
    if (found !== undefined) return found
  }
  return undefined
}

/** The dynamic loader that the file asks for: tells musl from glibc. */
export function interpreterOf(elf: Elf): string | undefined {
  const segment = elf.segments.find(({ type }) => type === segmentType.interpreter)
  if (segment === undefined) return undefined
  // PATH_MAX of Linux: the kernel refuses a longer one.
  const pathMax = 4096
  return stringAt(partOf(elf.bytes, segment.offset, segment.fileSize).read(0, pathMax), 0, pathMax)
}

const machines = new Map<number, Machine>([
  [3, 'x86'],
  [40, 'arm'],
  [62, 'x86-64'],
  [183, 'aarch64'],
  [243, 'riscv'],
])

const fileTypes = new Map<number, Elf['type']>([
  [1, 'relocatable'],
  [2, 'executable'],
  [3, 'shared'],
])

function inflate({ is64, isLittleEndian }: Elf, content: Bytes): Buffer | undefined {
  const headerSize = is64 ? 24 : 12
  if (content.size < headerSize || content.size > maxSectionBytes) return undefined
  const whole = content.read(0, content.size)
  if (whole.length < headerSize) return undefined
  const { u32, word } = fieldsOf(whole, is64, isLittleEndian)
  const size = word(is64 ? 8 : 4)
  if (size > maxInflatedBytes) return undefined
  const packed = whole.subarray(headerSize)
  // A stream that gives more than the header says is stopped there and is not believed.
  const limit = { maxOutputLength: Math.max(size, 1) }
  try {
    const inflated =
      u32(0) === 1
        ? inflateSync(packed, limit)
        : u32(0) === 2
          ? zstdDecompressSync(packed, limit)
          : undefined
    return inflated?.length === size ? inflated : undefined
  } catch {
    return undefined
  }
}

function buildIdIn(elf: Elf, part: Bytes): string | undefined {
  const notes = part.read(0, maxNoteBytes)
  const { u32 } = fieldsOf(notes, elf.is64, elf.isLittleEndian)
  for (let at = 0; at + 12 <= notes.length; ) {
    const nameSize = u32(at)
    const contentSize = u32(at + 4)
    const content = at + 12 + align4(nameSize)
    const isBuildId =
      u32(at + 8) === 3 && notes.toString('latin1', at + 12, at + 12 + nameSize) === 'GNU\0'
    if (
      isBuildId &&
      contentSize > 0 &&
      contentSize <= maxBuildIdBytes &&
      content + contentSize <= notes.length
    ) {
      return notes.toString('hex', content, content + contentSize)
    }
    at = content + align4(contentSize)
  }
  return undefined
}

function align4(size: number): number {
  return Math.ceil(size / 4) * 4
}
