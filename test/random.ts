// Random numbers that are the same in every run, for fuzzing.

export interface Random {
  /** An integer from 0 to `below` - 1. */
  integer(below: number): number
  pick<Item>(items: readonly Item[]): Item
}

/** mulberry32: 32 bits of state, and as good as fuzzing needs. */
export function random(seed: number): Random {
  let state = seed
  function integer(below: number): number {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
  return { integer, pick: items => items[integer(items.length)]! }
}

/** A copy with a few bytes changed, cut, doubled or moved. */
export function damaged(bytes: Uint8Array, { integer, pick }: Random): Buffer {
  let result = Buffer.from(bytes)
  for (let times = 1 + integer(4); times > 0; times--) {
    const from = integer(result.length + 1)
    const to = Math.min(result.length, from + integer(200))
    result = pick([
      () => Buffer.from(result.map((byte, at) => (at === from ? integer(256) : byte))),
      () => result.subarray(0, from),
      () => Buffer.concat([result.subarray(0, from), result.subarray(to)]),
      () => Buffer.concat([result.subarray(0, to), result.subarray(from)]),
      () =>
        Buffer.concat([
          result.subarray(0, from),
          Buffer.from([0xff, 0x80, 0x0a, 0x28]),
          result.subarray(from),
        ]),
    ])()
  }
  return Buffer.from(result)
}
