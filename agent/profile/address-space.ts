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
  #bounds: { readonly starts: Float64Array; readonly ends: Float64Array } | undefined
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
    if (this.isUsed(start, end)) this.#replace(start, end, [])
  }

  find(address: number): Mapping | undefined {
    // Numbers beside each other are found much faster than those of objects. They are put there
    // when as much has been looked up as that takes: a list may change at every second record.
    if (this.#bounds === undefined && this.#findings++ > this.#mappings.length) {
      this.#bounds = {
        starts: Float64Array.from(this.#mappings, ({ start }) => start),
        ends: Float64Array.from(this.#mappings, ({ end }) => end),
      }
    }
    if (this.#bounds === undefined) {
      const mapping = this.#mappings[this.#firstEndingAfter(address)]
      return mapping !== undefined && mapping.start <= address ? mapping : undefined
    }
    const { starts, ends } = this.#bounds
    // Half of what is looked up is no address at all, and often lies below all of them.
    if (!(starts[0]! <= address)) return undefined
    const at = firstAbove(ends, address)
    return starts[at]! <= address ? this.#mappings[at] : undefined
  }

  /** Whether anything is mapped in this range. */
  isUsed(start: number, end: number): boolean {
    const mapping = this.#mappings[this.#firstEndingAfter(start)]
    return mapping !== undefined && mapping.start < end
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
    this.#bounds = undefined
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
