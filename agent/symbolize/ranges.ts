// Which range holds an address, asked of a million ranges that may overlap.
//
// Symbol tables nest (a label inside a function), perf maps reuse memory, and
// both may be hostile. So the ranges are flattened once: into pieces that do not
// overlap, each with one owner, in address order. A look-up is then one binary
// search over one typed array.

/** Piece `i` reaches from `start[i]` to `start[i + 1]`; its owner is a range, or `nobody`. */
export interface Pieces {
  readonly length: number
  readonly start: Float64Array
  readonly owner: Int32Array
}

export const nobody = -1

/**
 * Sorts ranges by `start`; equal ones stay in the order given. The starts that
 * are asked for are whole numbers within 2^48 of each other.
 */
export function inOrder(
  start: Float64Array,
  ranges: Uint32Array<ArrayBuffer>,
): Uint32Array<ArrayBuffer> {
  let lowest = Infinity
  for (let at = 0; at < ranges.length; at++) lowest = Math.min(lowest, start[ranges[at]!]!)
  const low = new Uint32Array(start.length)
  const high = new Uint16Array(start.length)
  for (let at = 0; at < ranges.length; at++) {
    const range = ranges[at]!
    const distance = start[range]! - lowest
    // Stored in 32 bits, so the higher ones are cut off.
    low[range] = distance
    high[range] = distance / 2 ** 32
  }
  // A radix sort: linear, stable, and five times faster than a sort with a comparison. A small
  // table, as most libraries have, would wait longer for 65,536 counters than for more turns.
  const bits = ranges.length < 0x8000 ? 8 : 16
  let order = ranges
  for (let shift = 0; shift < 32; shift += bits) order = turn(low, shift, bits, order)
  for (let shift = 0; shift < 16; shift += bits) order = turn(high, shift, bits, order)
  return order
}

/** Sorts by one digit; equal ones stay in their order. */
function turn(
  key: Uint32Array | Uint16Array,
  shift: number,
  bits: number,
  ranges: Uint32Array<ArrayBuffer>,
): Uint32Array<ArrayBuffer> {
  const { length } = ranges
  const mask = (1 << bits) - 1
  const position = new Uint32Array(mask + 2)
  for (let at = 0; at < length; at++) position[((key[ranges[at]!]! >>> shift) & mask) + 1]!++
  // All have the same digit: there is nothing to move.
  if (length === 0 || position[((key[ranges[0]!]! >>> shift) & mask) + 1] === length) return ranges
  for (let value = 0; value < mask; value++) position[value + 1]! += position[value]!
  const sorted = new Uint32Array(length)
  for (let at = 0; at < length; at++) {
    const range = ranges[at]!
    sorted[position[(key[range]! >>> shift) & mask]!++] = range
  }
  return sorted
}

/**
 * Cuts ranges, given in order of `start` and with `end` exclusive, into pieces.
 *
 * @param priority where several hold an address, the one of the highest owns it; left out: the one
 *   that comes last in `order`, which is the innermost
 */
export function flatten(
  start: Float64Array,
  end: Float64Array,
  order: Uint32Array,
  priority?: (range: number) => number,
): Pieces {
  // Each range makes at most two pieces: its own, and the one behind it.
  const pieceStart = new Float64Array(2 * order.length)
  const owner = new Int32Array(2 * order.length)
  let length = 0
  const put = (at: number, range: number) => {
    if (length > 0 && pieceStart[length - 1] === at) length--
    if (length > 0 && owner[length - 1] === range) return
    pieceStart[length] = at
    owner[length++] = range
  }

  const open = priority === undefined ? stack() : heap((a, b) => priority(a) > priority(b))
  const closeUntil = (address: number) => {
    for (let top = open.top(); top !== undefined && end[top]! <= address; top = open.top()) {
      const at = end[top]!
      // What ended under a range that hid it needs no piece.
      for (let next = open.top(); next !== undefined && end[next]! <= at; next = open.top()) {
        open.pop()
      }
      put(at, open.top() ?? nobody)
    }
  }
  for (const range of order) {
    const at = start[range]!
    if (end[range]! <= at) continue
    closeUntil(at)
    open.push(range)
    put(at, open.top()!)
  }
  closeUntil(Infinity)
  return { length, start: pieceStart.subarray(0, length), owner: owner.subarray(0, length) }
}

/** The range that owns an address, or `nobody`. */
export function ownerAt({ start, owner, length }: Pieces, address: number): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (start[middle]! <= address) low = middle + 1
    else high = middle
  }
  return low === 0 ? nobody : owner[low - 1]!
}

/** Ranges of which the last one comes before all others. */
function stack() {
  const items: number[] = []
  return {
    top: () => items.at(-1),
    push: (item: number) => items.push(item),
    pop: () => items.pop(),
  }
}

/** A binary heap of ranges; `top` is the one that comes before all others. */
function heap(comesBefore: (a: number, b: number) => boolean) {
  const items: number[] = []
  const swap = (a: number, b: number) => {
    const item = items[a]!
    items[a] = items[b]!
    items[b] = item
  }
  return {
    top: () => items[0],
    push(item: number) {
      let at = items.push(item) - 1
      while (at > 0) {
        const parent = (at - 1) >> 1
        if (!comesBefore(items[at]!, items[parent]!)) break
        swap(at, parent)
        at = parent
      }
    },
    pop() {
      const last = items.pop()!
      if (items.length === 0) return
      items[0] = last
      for (let at = 0; ; ) {
        let first = at
        for (const child of [2 * at + 1, 2 * at + 2]) {
          if (child < items.length && comesBefore(items[child]!, items[first]!)) first = child
        }
        if (first === at) break
        swap(at, first)
        at = first
      }
    },
  }
}
