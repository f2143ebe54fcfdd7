// The sample of `perf script` text that is being read: its frames come leaf
// first, so they are kept until the sample ends, and then go into the trie.

import { PrintedWeights } from './perf-script-weights.ts'
import type { ProfileBuilder } from './profile.ts'

/** Each is two columns over the whole trie. perf itself has no machine with so many counters. */
const maxEvents = 64

export class PrintedSample {
  readonly #builder: ProfileBuilder
  readonly #events = new Map<string, number>()
  readonly #weights: PrintedWeights[] = []
  #root = 0
  #event = 0
  #period = Number.NaN
  #frames = new Int32Array(1024)

  isOpen = false
  /** How many frames it has so far. */
  depth = 0
  /** How many samples were kept. */
  kept = 0

  constructor(builder: ProfileBuilder) {
    this.#builder = builder
  }

  /** What `begin` knows an event by; -1 when there are too many of them. */
  event(name: string): number {
    if (!this.#events.has(name) && this.#events.size < maxEvents) {
      this.#events.set(name, this.#weights.push(new PrintedWeights(name)) - 1)
    }
    return this.#events.get(name) ?? -1
  }

  /** @param period NaN when the line has none */
  begin(root: number, event: number, period: number): void {
    this.isOpen = true
    this.#root = root
    this.#event = event
    this.#period = period
    this.depth = 0
  }

  /** Adds the caller of the frame before it. */
  push(frame: number): void {
    if (this.depth === this.#frames.length) {
      const grown = new Int32Array(this.depth * 2)
      grown.set(this.#frames)
      this.#frames = grown
    }
    this.#frames[this.depth++] = frame
  }

  /** Ends the sample, if there is one, and keeps it. */
  end(): void {
    if (!this.isOpen) return
    this.isOpen = false
    const weights = this.#weights[this.#event]
    if (weights === undefined) {
      this.#builder.lose(`of more than ${maxEvents} events`, 1)
      return
    }
    let stack = this.#root
    for (let at = this.depth - 1; at >= 0; at--) {
      stack = this.#builder.stack(stack, this.#frames[at]!)
    }
    weights.add(stack, this.#period)
    this.kept++
  }

  /** Gives the weights of all samples to the builder, the first event first. */
  putInto(builder: ProfileBuilder): void {
    for (const weights of this.#weights) weights.putInto(builder)
  }
}
