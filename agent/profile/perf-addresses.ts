// From an address to a frame: the innermost look-up, two million times for a
// recording of half a minute. Open addressing in one array; an address is its
// two 32-bit halves, since 64 bits do not fit a number.

// Words a slot: low half, high half, tag, frame + 1 (0: empty).
const slotWords = 4
const firstSlots = 64
// Most processes are never sampled.
const empty = new Int32Array(0)

export class AddressTable {
  #slots = empty
  #count = 0

  /** The frame kept for this address, or -1. `tag` tells apart what else the frame depends on. */
  get(low: number, high: number, tag: number): number {
    const slots = this.#slots
    if (slots.length === 0) return -1
    const mask = slots.length - 1
    for (let at = slotOf(low, high, tag, mask); ; at = (at + slotWords) & mask) {
      const frame = slots[at + 3]! - 1
      if (frame < 0) return -1
      if (slots[at] === low && slots[at + 1] === high && slots[at + 2] === tag) return frame
    }
  }

  /** Keeps the frame of an address that `get` did not have. */
  set(low: number, high: number, tag: number, frame: number): void {
    // At most half full, so that a search soon ends.
    if (this.#count * 2 * slotWords >= this.#slots.length) this.#grow()
    this.#put(low, high, tag, frame + 1)
    this.#count++
  }

  clear(): void {
    if (this.#count === 0) return
    this.#slots = empty
    this.#count = 0
  }

  #put(low: number, high: number, tag: number, value: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let at = slotOf(low, high, tag, mask)
    while (slots[at + 3] !== 0) at = (at + slotWords) & mask
    slots[at] = low
    slots[at + 1] = high
    slots[at + 2] = tag
    slots[at + 3] = value
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Int32Array(Math.max(old.length * 2, firstSlots * slotWords))
    for (let at = 0; at < old.length; at += slotWords) {
      if (old[at + 3] !== 0) this.#put(old[at]!, old[at + 1]!, old[at + 2]!, old[at + 3]!)
    }
  }
}

/** Where the search for an address begins: a multiple of `slotWords`, within `mask`. */
function slotOf(low: number, high: number, tag: number, mask: number): number {
  // Odd constants with well-mixed bits (golden ratio, murmur3's second), then fold the high half down.
  const mixed = Math.imul(low + tag, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b)
  return Math.imul(mixed ^ (mixed >>> 15), slotWords) & mask
}
