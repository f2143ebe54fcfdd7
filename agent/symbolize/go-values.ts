// The tables by address of a Go function: which file, which inlined call.
//
// A table is a list of pairs, a change of the value and the number of
// instructions that it then holds for, both as varints, the change zigzagged.
// It starts from -1 at the function's first byte and ends with a change of 0.

import type { Bytes } from './symbols.ts'

/**
 * The value of the table at `offset` for the code at `distance` bytes from the function's start:
 * `noValue` if there is none, undefined if the table is damaged.
 */
export type ValueTables = (offset: number, distance: number) => number | undefined

export const noValue = -1

// All that is decoded of the tables, about 0.5 s of our time for a hostile file whose tables never
// end. 10,000 addresses of a real program take 3 MB.
const maxDecoded = 64 << 20
const chunkSize = 512

/** `quantum` is the number of bytes that addresses are counted in. */
export function valueTables(bytes: Bytes, quantum: number): ValueTables {
  let left = maxDecoded
  return (offset, distance) => {
    // Offset 0 says that there is no such table.
    if (offset === 0) return noValue
    let chunk = bytes.read(offset, 0)
    let read = 0
    let at = 0
    const varint = (): number | undefined => {
      let number = 0
      for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
        if (at === chunk.length) {
          chunk = bytes.read(offset + read, chunkSize)
          read += chunk.length
          at = 0
          if (chunk.length === 0 || left < 0) return undefined
        }
        left--
        const byte = chunk[at++]!
        number += (byte & 0x7f) * factor
        if (byte < 0x80) return number
      }
      return undefined
    }
    let value = noValue
    for (let end = 0, isFirst = true; ; isFirst = false) {
      const change = varint()
      const length = varint()
      // The end of the table lies before the end of its function.
      if (change === undefined || length === undefined || (change === 0 && !isFirst))
        return undefined
      // Zigzag: even is positive. 32 bits, as in Go's runtime.
      value = (value + (change % 2 === 0 ? change / 2 : -(change + 1) / 2)) | 0
      end += length * quantum
      if (distance < end) return value
    }
  }
}
