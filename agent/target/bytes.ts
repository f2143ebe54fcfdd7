// Random access to an open file, for the readers that do no I/O themselves.

import fs from 'node:fs'

/**
 * Random access to a file, or to bytes in memory. Reading past the end gives
 * fewer bytes, never an error, so a parser of hostile files checks lengths.
 */
export interface Bytes {
  readonly size: number
  read(offset: number, length: number): Buffer
}

/** Bytes of an open file. Does not own the descriptor: whoever opened it closes it. */
export function fileBytes(fd: number): Bytes {
  return {
    // Asked each time: a perf map grows while it is open.
    get size() {
      return fs.fstatSync(fd).size
    },
    read(offset, length) {
      const buffer = Buffer.allocUnsafe(length)
      let filled = 0
      while (filled < length) {
        const count = fs.readSync(fd, buffer, filled, length - filled, offset + filled)
        if (count === 0) break
        filled += count
      }
      return buffer.subarray(0, filled)
    },
  }
}

/** Bytes of a target's memory from an AVMA on; `fd` is open on its /proc/PID/mem. */
export function memoryBytes(fd: number, start: number, size: number): Bytes {
  return {
    size,
    read(offset, length) {
      const wanted = Math.max(0, Math.min(length, size - offset))
      const buffer = Buffer.allocUnsafe(wanted)
      let filled = 0
      while (filled < wanted) {
        // A bigint position, for it may lie above 2^53 bits; an unmapped page ends the read.
        const position = BigInt(start) + BigInt(offset + filled)
        let count = 0
        try {
          count = fs.readSync(fd, buffer, filled, wanted - filled, position)
        } catch {
          break
        }
        if (count === 0) break
        filled += count
      }
      return buffer.subarray(0, filled)
    },
  }
}
