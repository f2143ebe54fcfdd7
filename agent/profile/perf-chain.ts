// The last call chain of a thread, with what each of its entries came to.
//
// Two samples of a thread a millisecond apart differ in their innermost frames
// and nearly always share the others. Those are compared, not looked up again:
// that is most of the work of a large recording.

/** Words of an entry: low and high half, tag, stack. Entries stand root first. */
export const chainWords = 4

const firstDepth = 32
// Most threads are never sampled.
const empty = new Int32Array(0)

export class LastChain {
  entries = empty
  depth = 0
  /** How often mappings had changed when this chain was resolved. */
  changes = -1

  /** Entries, from the root, that a chain of `length` words at `words[at]` (leaf first) has in common. */
  common(words: Int32Array, at: number, length: number): number {
    const { entries } = this
    const most = Math.min(this.depth, length >> 1)
    let depth = 0
    for (let word = at + length - 2; depth < most; word -= 2) {
      const entry = depth * chainWords
      if (entries[entry] !== words[word] || entries[entry + 1] !== words[word + 1]) break
      depth++
    }
    return depth
  }

  /** Makes room for so many entries, and keeps those that are there. */
  reserve(depth: number): Int32Array {
    if (depth * chainWords > this.entries.length) {
      const grown = new Int32Array(Math.max(depth, firstDepth, this.depth * 2) * chainWords)
      grown.set(this.entries)
      this.entries = grown
    }
    return this.entries
  }
}
