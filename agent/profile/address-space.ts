// What is mapped where in one process, as it changes over time.
//
// Executable mappings only, sorted, never overlapping: a new one replaces what
// it covers and cuts what it touches, as mmap(MAP_FIXED) does. A fork shares
// its parent's list until one of the two changes: most children exec at once
// and never look at it.

import type { Module } from './profile.ts'

export interface Mapping {
  /** AVMA of the first byte and of the one after the last. */
  readonly start: number
  readonly end: number
  /** Of the first byte, in the module's file. */
  readonly fileOffset: number
  readonly module: Module
  /** The one function that this is, where the kernel says so: a BPF program. */
  readonly symbol?: string
}

/**
 * How many entries of mapping lists may still be copied, over all processes of
 * a recording. A program with a thousand libraries that forks a thousand times
 * takes a quarter; a hostile recording would fill the memory with copies.
 */
export interface CopyBudget {
  left: number
}

export function copyBudget(): CopyBudget {
  return { left: 4 << 20 }
}

// Half of vm.max_map_count, which counts what is not executable too.
const mostMappings = 32_768

export class AddressSpace {
  #mappings: Mapping[]
  #isShared = false
  readonly #budget: CopyBudget
  /** Of all mappings, once it is worth it. */
  #ends: Float64Array | undefined
  #findings = 0

  constructor(budget: CopyBudget, mappings: Mapping[] = []) {
    this.#budget = budget
    this.#mappings = mappings
  }

  /** A copy that changes on its own from here on. */
  fork(): AddressSpace {
    this.#isShared = true
    const child = new AddressSpace(this.#budget, this.#mappings)
    child.#isShared = true
    return child
  }

  /** False if there was no room for it, or it is empty. */
  map(mapping: Mapping): boolean {
    if (!(mapping.start < mapping.end) || this.#mappings.length >= mostMappings) return false
    return this.#replace(mapping.start, mapping.end, [mapping])
  }

  unmap(start: number, end: number): void {
    const first = this.#firstEndingAfter(start)
    if (first < this.#mappings.length && this.#mappings[first]!.start < end) {
      this.#replace(start, end, [])
    }
  }

  find(address: number): Mapping | undefined {
    // Numbers beside each other are found much faster than those of objects. They are put there
    // when as much has been looked up as that takes: a list may change at every second record.
    if (this.#ends === undefined && this.#findings++ > this.#mappings.length) {
      this.#ends = Float64Array.from(this.#mappings, ({ end }) => end)
    }
    const at =
      this.#ends === undefined ? this.#firstEndingAfter(address) : firstAbove(this.#ends, address)
    const mapping = this.#mappings[at]
    return mapping !== undefined && mapping.start <= address ? mapping : undefined
  }

  #replace(start: number, end: number, pieces: Mapping[]): boolean {
    if (this.#isShared && !this.#unshare()) return false
    const first = this.#firstEndingAfter(start)
    let after = first
    while (after < this.#mappings.length && this.#mappings[after]!.start < end) after++
    if (after > first) {
      const head = this.#mappings[first]!
      const tail = this.#mappings[after - 1]!
      if (head.start < start) pieces.unshift({ ...head, end: start })
      if (tail.end > end) {
        pieces.push({ ...tail, start: end, fileOffset: tail.fileOffset + (end - tail.start) })
      }
    }
    this.#mappings.splice(first, after - first, ...pieces)
    this.#ends = undefined
    this.#findings = 0
    return true
  }

  #unshare(): boolean {
    this.#budget.left -= this.#mappings.length
    if (this.#budget.left < 0) return false
    this.#mappings = this.#mappings.slice()
    this.#isShared = false
    return true
  }

  #firstEndingAfter(address: number): number {
    let low = 0
    let high = this.#mappings.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#mappings[middle]!.end > address) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** Where the first number is that is above this one; all are in order. */
function firstAbove(numbers: Float64Array, number: number): number {
  let low = 0
  let high = numbers.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (numbers[middle]! > number) high = middle
    else low = middle + 1
  }
  return low
}
