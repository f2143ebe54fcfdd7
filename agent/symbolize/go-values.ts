// The tables by address of a Go function: which file, which inlined call.
//
// A table is a list of pairs, a change of the value and the number of
// instructions that it then holds for, both as varints, the change zigzagged.
// It starts from -1 at the function's first byte and ends with a change of 0.

import type { Bytes } from './symbols.ts'

/**
 * The value of the table at `offset` for the code at `distance` bytes from the function's start:
 * `noValue` if there is none, undefined if the table is damaged or ends before.
 */
export type ValueTables = (offset: number, distance: number) => number | undefined

export const noValue = -1

interface Table {
  /** Where each value ends, ascending. */
  readonly ends: readonly number[]
  readonly values: readonly number[]
}

// All that is decoded, each table once. To ask for every function of Go's own compiler, 12 MB of
// code, takes 0.8 MB. A hostile file gets 130 MB of our memory at most.
const maxDecoded = 16 << 20
const chunkSize = 512

/** `quantum` is the number of bytes that addresses are counted in. */
export function valueTables(bytes: Bytes, quantum: number): ValueTables {
  const known = new Map<number, Table>()
  let left = maxDecoded

  function decode(offset: number): Table {
    const ends: number[] = []
    const values: number[] = []
    let chunk: Buffer = Buffer.alloc(0)
    let read = 0
    let at = 0
    const varint = (): number | undefined => {
      let number = 0
      for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
        if (at === chunk.length) {
          chunk = bytes.read(offset + read, chunkSize)
          read += chunk.length
          at = 0
          if (chunk.length === 0) return undefined
        }
        if (left-- <= 0) return undefined
        const byte = chunk[at++]!
        number += (byte & 0x7f) * factor
        if (byte < 0x80) return number
      }
      return undefined
    }
    for (let value = noValue, end = 0; ; ) {
      const change = varint()
      if (change === undefined || (change === 0 && values.length > 0)) break
      const length = varint()
      if (length === undefined) break
      // Zigzag: even is positive. 32 bits, as in Go's runtime.
      value = (value + (change % 2 === 0 ? change / 2 : -(change + 1) / 2)) | 0
      end += length * quantum
      values.push(value)
      ends.push(end)
    }
    return { ends, values }
  }

  return (offset, distance) => {
    // Offset 0 says that there is no such table.
    if (offset === 0) return noValue
    let table = known.get(offset)
    if (table === undefined) {
      table = decode(offset)
      known.set(offset, table)
    }
    return table.values[firstAbove(table.ends, distance)]
  }
}

/** The index of the first number above `limit`; the length if there is none. */
function firstAbove(ascending: readonly number[], limit: number): number {
  let low = 0
  let high = ascending.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ascending[middle]! > limit) high = middle
    else low = middle + 1
  }
  return low
}
