// The module data of a Go program: what its runtime knows of itself.
//
// A struct of words, `moduledata` in runtime/symtab.go. We want two of them: the
// start of Go's code, and what the offsets of functions' data count from. The
// first word is the address of the .gopclntab and the second that of its names,
// and by these two it is found and believed.
//
// Go 1.26 gives it a section of its own; before, it is anywhere in the writable
// data. Most linkers write addresses into it even where a relocation will
// overwrite them. lld does not, so the relocations are asked for what is zero.

import { partOf } from './bytes.ts'
import {
  type Elf,
  sectionNamed,
  sectionType,
  segmentFlag,
  segmentType,
  toFileOffset,
} from './elf.ts'
import { type GoLayout, wordAt } from './go-table.ts'
import type { Bytes } from './symbols.ts'

export interface ModuleData {
  /** SVMA of runtime.text. */
  readonly textStart: number | undefined
  /** From go:func.* on; empty if unknown. */
  readonly functionData: Bytes
}

const wordSize = 8
// Words before these: slices are three. The layout of 1.20 has two more, for coverage counters.
const textWord = 22
const functionDataWord = { 18: 38, 20: 40 } as const
const wordCount = 41

// Writable data that is searched at most: far more than the largest Go programs have in the file.
const maxSearched = 256 << 20
const searchChunk = 1 << 20
// Relocations that are searched at most: 24 bytes each, so 10 million.
const maxRelocationBytes = 256 << 20
const relocationSize = 24

interface Expected {
  /** SVMA of the .gopclntab and of the names in it. */
  readonly svma: number
  readonly names: number
  readonly layout: GoLayout
}

export function readModuleData(elf: Elf, expected: Expected): ModuleData {
  const words = writtenWords(elf, expected) ?? relocatedWords(elf, expected)
  const functionData =
    words?.[expected.layout === 18 ? functionDataWord[18] : functionDataWord[20]] ?? 0
  const offset = functionData === 0 ? undefined : toFileOffset(elf, functionData)
  return {
    textStart: words?.[textWord] || undefined,
    functionData: partOf(
      elf.bytes,
      offset ?? 0,
      offset === undefined ? 0 : elf.bytes.size - offset,
    ),
  }
}

/** The module data, where the file has its addresses in place. */
function writtenWords(elf: Elf, expected: Expected): number[] | undefined {
  const section = sectionNamed(elf, '.go.module')
  if (section !== undefined) {
    const words = wordsAt(partOf(elf.bytes, section.offset, section.size), 0)
    return isExpected(words, expected) ? words : undefined
  }
  const pointer = Buffer.alloc(wordSize)
  pointer.writeBigInt64LE(BigInt(expected.svma))
  let left = maxSearched
  for (const { type, flags, offset, fileSize } of elf.segments) {
    if (type !== segmentType.load || (flags & segmentFlag.write) === 0) continue
    const bytes = partOf(elf.bytes, offset, fileSize)
    for (let start = 0; start < bytes.size && left > 0; start += searchChunk, left -= searchChunk) {
      const chunk = bytes.read(start, searchChunk + wordSize)
      for (let at = chunk.indexOf(pointer); at >= 0; at = chunk.indexOf(pointer, at + 1)) {
        const words = wordsAt(bytes, start + at)
        if (isExpected(words, expected)) return words
      }
    }
  }
  return undefined
}

/** The module data, where its addresses are the addends of relocations. */
function relocatedWords(elf: Elf, expected: Expected): number[] | undefined {
  const addends = new Map<number, number>()
  let left = maxRelocationBytes
  for (const section of elf.sections) {
    if (section.type !== sectionType.relocationsWithAddend) continue
    const bytes = partOf(elf.bytes, section.offset, Math.min(section.size, left))
    left -= bytes.size
    const found = findRelocation(bytes, expected.svma)
    if (found === undefined) continue
    // A linker sorts relocations by where they apply, so the next ones are the words after it.
    const near = bytes.read(found, (wordCount + 1) * relocationSize)
    for (let at = 0; at + relocationSize <= near.length; at += relocationSize) {
      addends.set(wordAt(near, at), wordAt(near, at + 16))
    }
    const start = wordAt(near, 0)
    const words = Array.from(
      { length: wordCount },
      (_, at) => addends.get(start + at * wordSize) ?? 0,
    )
    if (isExpected(words, expected)) return words
  }
  return undefined
}

/** Where the first relocation with this addend is. */
function findRelocation(bytes: Bytes, addend: number): number | undefined {
  const chunkSize = relocationSize * 32_768
  for (let start = 0; start < bytes.size; start += chunkSize) {
    const chunk = bytes.read(start, chunkSize)
    for (let at = 0; at + relocationSize <= chunk.length; at += relocationSize) {
      if (
        chunk.readUInt32LE(at + 16) === addend % 0x1_0000_0000 &&
        wordAt(chunk, at + 16) === addend
      )
        return start + at
    }
  }
  return undefined
}

function wordsAt(bytes: Bytes, offset: number): number[] {
  const buffer = bytes.read(offset, wordCount * wordSize)
  const count = Math.floor(buffer.length / wordSize)
  return Array.from({ length: count }, (_, at) => wordAt(buffer, at * wordSize))
}

function isExpected(words: readonly number[], { svma, names }: Expected): boolean {
  return words.length === wordCount && words[0] === svma && words[1] === names
}
