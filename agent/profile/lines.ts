// Streamed bytes, cut at line ends.
//
// The fast text readers look at bytes, not at strings, and want no call a line.
// So they get blocks: each holds whole lines only, in one buffer that is used
// again for the next block, with a `DataView` over it to read four bytes at once.

import { ProfilerError } from '../errors.ts'

export type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

export interface LineBlock {
  /** Valid until the next block is asked for. At least `slack` bytes may be read past `end`. */
  readonly bytes: Buffer
  readonly view: DataView
  /** After the last newline: `bytes[end - 1]` is always one. */
  readonly end: number
  /** The input ended here without a newline; the one at `end - 1` is ours. */
  readonly unfinished: boolean
}

export const newline = 0x0a

/** So that a reader may take whole words to the end of a line. */
const slack = 8

/**
 * No line that a profiler writes comes near: 1,000 frames of 4 KiB, four times
 * over. A longer one is not text, and would be held whole in memory.
 */
const maxLineBytes = 16 * 1024 * 1024

/** @throws {ProfilerError} `SP_LIMIT` when a line is longer than 16 MiB. */
export async function* wholeLines(chunks: Chunks): AsyncGenerator<LineBlock, void, void> {
  let bytes = Buffer.alloc(256 * 1024)
  let view = viewOf(bytes)
  let length = 0
  let start = true
  for await (const chunk of chunks) {
    if (length + chunk.length + slack > bytes.length) {
      const grown = Buffer.alloc(2 * (length + chunk.length) + slack)
      bytes.copy(grown, 0, 0, length)
      bytes = grown
      view = viewOf(bytes)
    }
    bytes.set(chunk, length)
    length += chunk.length
    if (start && length >= 3) {
      start = false
      if (hasByteOrderMark(bytes)) {
        bytes.copyWithin(0, 3, length)
        length -= 3
      }
    }
    // What was there before the chunk holds no newline: looking at it again would be quadratic.
    const end = chunk.includes(newline) ? bytes.lastIndexOf(newline, length - 1) + 1 : 0
    if (end > 0) {
      start = false
      yield { bytes, view, end, unfinished: false }
      bytes.copyWithin(0, end, length)
      length -= end
    }
    if (length > maxLineBytes) {
      throw new ProfilerError(
        'SP_LIMIT',
        `a line of the input is longer than ${maxLineBytes} bytes`,
      )
    }
  }
  if (length === 0) return
  bytes[length] = newline
  yield { bytes, view, end: length + 1, unfinished: true }
}

function hasByteOrderMark(bytes: Buffer): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
