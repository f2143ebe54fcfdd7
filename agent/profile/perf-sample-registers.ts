// Where a sample holds the user's registers: behind everything of variable size that may
// stand before them.

import type { SampleFormat } from './perf-attr.ts'

/**
 * The words that a 64-bit count at `place` announces, `each` at a time: -1 if
 * they do not fit before `end`. A place below 0 is one that did not fit before.
 */
export function countAt(
  words: Int32Array,
  place: number,
  end: number,
  each: number,
  extra = 0,
): number {
  if (place < 0 || place + 2 > end) return -1
  const count = words[place]!
  const size = count * each + extra
  return words[place + 1] === 0 && count >= 0 && size <= end - place - 2 ? size : -1
}

/** The place of REGS_USER (its ABI), or -1 if the sizes before it do not fit. */
export function registersPlace(
  format: SampleFormat,
  words: Int32Array,
  afterChain: number,
  end: number,
): number {
  let place = afterChain
  if (format.hasRaw) {
    if (place + 1 > end) return -1
    // u32 size and so many bytes, together a multiple of 8.
    place += Math.ceil((4 + (words[place]! >>> 0)) / 8) * 2
  }
  if (format.hasBranches) {
    const each = format.hasBranchCounters ? 8 : 6
    const size = countAt(words, place, end, each, format.hasBranchIndex ? 2 : 0)
    if (size < 0) return -1
    place += 2 + size
  }
  return place + 2 > end ? -1 : place
}

/** Where REGS_USER holds the instruction pointer: 0 if there is none, -1 if the sizes do not fit. */
export function userInstruction(
  format: SampleFormat,
  words: Int32Array,
  afterChain: number,
  end: number,
): number {
  const place = registersPlace(format, words, afterChain, end)
  if (place < 0) return -1
  const hasRegisters = words[place] !== 0 // the ABI: none for a thread of the kernel
  if (!hasRegisters || format.instructionPointer < 0) return 0
  if (place + 2 + format.userRegisters * 2 > end) return -1
  return place + 2 + format.instructionPointer * 2
}
