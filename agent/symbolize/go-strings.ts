// Strings of a Go program's tables, each read once: by offset, up to a NUL.

import { stringAt } from './bytes.ts'
import type { Bytes } from './symbols.ts'

/** The string at an offset; empty if there is none. */
export type Strings = (offset: number) => string

// All that is kept. Every name in Go's own compiler is 2 MB; a hostile file whose names are all
// as long as allowed gets this much of our memory and no more names.
const maxKept = 32 << 20
// Most strings are shorter.
const firstRead = 128

/** Strings are cut after `limit` bytes. */
export function stringsOf(bytes: Bytes, limit: number): Strings {
  const known = new Map<number, string>()
  let left = maxKept
  return offset => {
    let found = known.get(offset)
    if (found === undefined && left > 0) {
      const short = bytes.read(offset, firstRead)
      found = short.includes(0)
        ? stringAt(short, 0, firstRead)
        : stringAt(bytes.read(offset, limit), 0, limit)
      // What the map itself costs for each string, roughly.
      left -= found.length + 64
      known.set(offset, found)
    }
    return found ?? ''
  }
}
