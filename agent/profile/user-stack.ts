// A user stack that the kernel copied instead of walking it (`--call-graph dwarf`):
// registers, and the bytes from the stack pointer on.
//
// Walking it needs the files that were mapped, so who can open them brings the
// unwinder; this is what it is asked.

import type { Mapping } from './address-space.ts'

export interface UserStack {
  readonly machine: 'x86-64' | 'aarch64'
  /**
   * By the numbers that DWARF gives registers of the machine; NaN for one that was not recorded. What
   * is no address may be off by the last bits.
   */
  readonly registers: Float64Array
  readonly instruction: number
  /** Little-endian words, and where in `words` the copied stack begins. */
  readonly words: Int32Array
  readonly at: number
  /** How many bytes were copied: as many as were asked for, or up to a page that is not in memory. */
  readonly bytes: number
}

/** How the walk ended: at the thread's start, at the end of the copy, or where nothing says how to go on. */
export type UnwindEnd = 'whole' | 'cut' | 'lost'

export interface UserUnwinder {
  /**
   * Appends the address of each frame to `into`, leaf first: where the thread was, then where calls return to.
   *
   * @param find what is mapped at an address, at the time of the sample
   */
  unwind(
    stack: UserStack,
    find: (address: number) => Mapping | undefined,
    into: number[],
  ): UnwindEnd
}
