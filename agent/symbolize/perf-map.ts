// Perf maps: what a JIT says about the code that it made.
//
//     3ef414c0 398 LazyCompile:*add /app/sum.js:3
//     START SIZE NAME      START and SIZE in hexadecimal, the name to the end of the line
//
// HotSpot writes `0x` before both.
//
// Spec: tools/perf/Documentation/jit-interface.txt of Linux. The file is
// /tmp/perf-PID.map, PID as the target itself sees it, and any runtime may write
// whatever it likes: nobody checks it.
//
// A JIT frees code and puts other code there, and the map only ever grows. So a
// later line wins over the earlier ones that it overlaps. A last line without
// its newline is still being written, and is left out.
//
// Maps of 100 MB exist, so only numbers are kept of a line; a name is read when
// an address hits it.

import type { FrameKind, Module } from '../profile/profile.ts'
import { doubled } from './columns.ts'
import { hexDigit } from './hex.ts'
import { flatten, inOrder, nobody, ownerAt } from './ranges.ts'
import type { Bytes, ModuleSymbols, SymbolFrame } from './symbols.ts'

export interface PerfMap {
  /** The function at an AVMA. */
  find(avma: number): readonly SymbolFrame[] | undefined
  /** Lines that were used, and lines that were not: not of this form, empty, or above a limit. */
  readonly used: number
  readonly unusable: number
}

// 8 million lines are 300 MB of map. The largest that we know of had 2 million.
const maxEntries = 8_000_000
const maxMapBytes = 1 << 30
const chunkBytes = 1 << 20
// Names of Java and C# generics reach some thousand bytes. A longer one is cut.
const maxNameBytes = 0xffff
// User space ends at 2^47 (2^56 with five-level page tables, which a program must ask for).
const maxAddress = 2 ** 47

export function readPerfMap(bytes: Bytes): PerfMap {
  let start = new Float64Array(4096)
  let end = new Float64Array(4096)
  let nameAt = new Float64Array(4096)
  let nameLength = new Uint16Array(4096)
  let used = 0

  // One cursor for all lines: a function made anew for each costs more than what it reads.
  let at = 0
  const number = (chunk: Buffer, to: number) => {
    if (chunk[at] === zero && chunk[at + 1] === letterX) at += 2
    const first = at
    let value = 0
    for (; at < to; at++) {
      const digit = hexDigit(chunk[at]!)
      if (digit < 0) break
      value = value * 16 + digit
    }
    return at > first && chunk[at++] === blank ? value : Number.NaN
  }
  const lines = eachLine(bytes, (chunk, from, to, chunkAt) => {
    at = from
    const address = number(chunk, to)
    const size = number(chunk, to)
    const stop = address + size
    // Not a number, if either field is none: then no comparison holds.
    if (!(size > 0 && stop <= maxAddress && at < to) || used === maxEntries) return
    if (used === start.length) {
      start = doubled(start)
      end = doubled(end)
      nameAt = doubled(nameAt)
      nameLength = doubled(nameLength)
    }
    start[used] = address
    end[used] = stop
    nameAt[used] = chunkAt + at
    nameLength[used++] = Math.min(to - at, maxNameBytes)
  })

  const order = inOrder(
    start,
    Uint32Array.from({ length: used }, (_, index) => index),
  )
  const pieces = flatten(start, end, order, entry => entry)
  const known = new Map<number, readonly SymbolFrame[]>()
  return {
    used,
    unusable: lines - used,
    find(avma) {
      const entry = ownerAt(pieces, avma)
      if (entry === nobody) return undefined
      let frames = known.get(entry)
      if (frames === undefined) {
        const name = bytes.read(nameAt[entry]!, nameLength[entry]!).toString('utf8')
        frames = [{ name, kind: kindOf(name) }]
        known.set(entry, frames)
      }
      return frames
    },
  }
}

/**
 * The map as the names of one mapping. Code lies in anonymous memory, or in a
 * file that is only memory (`memfd:`), whose addresses are offsets.
 */
export function perfMapSymbols(map: PerfMap, module: Module): ModuleSymbols {
  const toAvma = module.kind === 'file' ? module.start - module.fileOffset : 0
  return { find: value => map.find(value + toAvma) ?? 'not in the symbol table' }
}

/**
 * V8 marks how a function runs: `JS:~f` is interpreted, `JS:*f`, `JS:+f` and
 * `JS:^f` are compiled, each by another compiler. Code named `py::` is a stub
 * that calls CPython's interpreter, one for each function.
 */
function kindOf(name: string): FrameKind {
  return /^(?:[A-Za-z]+:~|py::)/.test(name) ? 'interpreted' : 'jit'
}

type Visit = (chunk: Buffer, from: number, to: number, chunkAt: number) => void

/** Visits every line that ends in a newline, and counts them all. A line above a chunk's size is only counted. */
function eachLine(bytes: Bytes, visit: Visit): number {
  const size = Math.min(bytes.size, maxMapBytes)
  let lines = 0
  let isInsideLongLine = false
  for (let chunkAt = 0; chunkAt < size; ) {
    const chunk = bytes.read(chunkAt, Math.min(chunkBytes, size - chunkAt))
    if (chunk.length === 0) break
    let from = 0
    for (let to = chunk.indexOf(newline); to >= 0; to = chunk.indexOf(newline, from)) {
      lines++
      if (!isInsideLongLine) visit(chunk, from, to, chunkAt)
      isInsideLongLine = false
      from = to + 1
    }
    // The next chunk begins with the line that this one cuts; nothing of it is kept when it fills the chunk.
    if (from === 0) {
      isInsideLongLine = true
      from = chunk.length
    }
    const isLast = chunkAt + chunk.length >= size
    chunkAt += from
    if (isLast) {
      if (from < chunk.length || isInsideLongLine) lines++
      break
    }
  }
  return lines
}

const newline = 0x0a
const blank = 0x20
const zero = 0x30
const letterX = 0x78
