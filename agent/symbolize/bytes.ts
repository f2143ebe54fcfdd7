// Two ways to make `Bytes`: of memory, and of a part of other bytes.

import type { Bytes } from './symbols.ts'

export function bytesOf(buffer: Buffer): Bytes {
  return {
    size: buffer.length,
    read: (offset, length) => buffer.subarray(clamp(offset, buffer.length), offset + length),
  }
}

/** A part of other bytes, cut to what they have. */
export function partOf(bytes: Bytes, offset: number, size: number): Bytes {
  const start = clamp(offset, bytes.size)
  const end = clamp(offset + size, bytes.size)
  return {
    size: end - start,
    read: (from, length) => {
      const first = clamp(start + from, end)
      return bytes.read(first, Math.max(0, Math.min(length, end - first)))
    },
  }
}

function clamp(offset: number, size: number): number {
  return Math.max(0, Math.min(offset, size))
}

/** The text up to the next NUL, cut after `limit` bytes; empty if `at` is outside. */
export function stringAt(buffer: Buffer, at: number, limit: number): string {
  const room = buffer.subarray(at, at + limit)
  const end = room.indexOf(0)
  return room.toString('utf8', 0, end < 0 ? room.length : end)
}
