// Byte strings → small numbers, without making a JavaScript string.
//
// Profiles in text say the same few thousand things millions of times. A reader
// hashes the bytes that it stands on, and only what is new is decoded. It is a
// cache: the caller asks `isFull` now and then and `clear`s it, so that input of
// ever new names costs time, not memory.

/** 32 MiB holds the distinct lines of the largest captures we have, tens of times over. */
const maxArenaBytes = 32 * 1024 * 1024

// Not to be guessed from outside, so that nobody can prepare a file of collisions.
const seed = (Math.random() * 0x1_0000_0000) | 0

export class ByteTable {
  // Open addressing, at most half full: slot → id + 1.
  #slots = new Int32Array(1 << 14)
  #hashes = new Int32Array(1 << 13)
  #tags = new Uint8Array(1 << 13)
  #ends = new Int32Array(1 << 13)
  #arena = Buffer.alloc(1 << 20)
  #view = new DataView(this.#arena.buffer, this.#arena.byteOffset)
  #length = 0

  get isFull(): boolean {
    return this.#length > 0 && this.#ends[this.#length - 1]! > maxArenaBytes
  }

  clear(): void {
    this.#slots.fill(0)
    this.#length = 0
  }

  /** The id of equal bytes under an equal tag, or -1. `hash` is `hashOf` the same. */
  find(view: DataView, start: number, end: number, tag: number, hash: number): number {
    const mask = this.#slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = this.#slots[slot]! - 1
      if (id < 0) return -1
      if (
        this.#hashes[id] === hash &&
        this.#tags[id] === tag &&
        this.#equals(id, view, start, end)
      ) {
        return id
      }
    }
  }

  /** Adds what `find` did not have; ids count up from 0. */
  add(bytes: Buffer, start: number, end: number, tag: number, hash: number): number {
    const id = this.#length++
    const offset = id === 0 ? 0 : this.#ends[id - 1]!
    if (id === this.#hashes.length) this.#grow()
    if (offset + end - start > this.#arena.length) {
      const grown = Buffer.alloc(2 * (offset + end - start))
      this.#arena.copy(grown, 0, 0, offset)
      this.#arena = grown
      this.#view = new DataView(grown.buffer, grown.byteOffset)
    }
    bytes.copy(this.#arena, offset, start, end)
    this.#hashes[id] = hash
    this.#tags[id] = tag
    this.#ends[id] = offset + end - start
    this.#place(id)
    return id
  }

  #equals(id: number, view: DataView, start: number, end: number): boolean {
    let at = id === 0 ? 0 : this.#ends[id - 1]!
    if (this.#ends[id]! - at !== end - start) return false
    const stored = this.#view
    for (; start + 4 <= end; start += 4, at += 4) {
      if (view.getInt32(start, true) !== stored.getInt32(at, true)) return false
    }
    for (; start < end; start++, at++) {
      if (view.getUint8(start) !== stored.getUint8(at)) return false
    }
    return true
  }

  #place(id: number): void {
    const mask = this.#slots.length - 1
    let slot = this.#hashes[id]! & mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = id + 1
  }

  #grow(): void {
    const size = this.#hashes.length * 2
    this.#hashes = widened(this.#hashes, new Int32Array(size))
    this.#tags = widened(this.#tags, new Uint8Array(size))
    this.#ends = widened(this.#ends, new Int32Array(size))
    this.#slots = new Int32Array(size * 2)
    for (let id = 0; id < this.#length - 1; id++) this.#place(id)
  }
}

/** The hash that a `ByteTable` wants. */
export function hashOf(view: DataView, start: number, end: number, tag: number): number {
  let hash = startHash(tag)
  for (; start + 4 <= end; start += 4) hash = mixHash(hash, view.getInt32(start, true))
  return endHash(
    start < end ? mixHash(hash, view.getInt32(start, true) & keepBytes(end - start)) : hash,
  )
}

// The same in parts, for a reader that looks for the line's end in the same pass.

export function startHash(tag: number): number {
  return seed ^ tag
}

export function mixHash(hash: number, word: number): number {
  // murmur3's second constant; the rotation brings its good high bits down.
  const mixed = Math.imul(hash ^ word, 0x85ebca6b)
  return (mixed << 15) | (mixed >>> 17)
}

export function endHash(hash: number): number {
  return hash ^ (hash >>> 15)
}

/** A mask for the first `count` (1 to 3) bytes of a word read little-endian. */
export function keepBytes(count: number): number {
  return (1 << (count * 8)) - 1
}

function widened<T extends Int32Array | Uint8Array>(old: T, wide: T): T {
  wide.set(old)
  return wide
}
