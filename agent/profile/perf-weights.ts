// The weights of one event: samples, and periods where they differ.
//
// A sample stands for its period (the nanoseconds or the events since the last
// one). Where all periods are equal, samples are the same shares in smaller
// numbers, so they are the width. Where they differ, the period is the width
// and samples stand beside it. Which of the two it is shows at the end only,
// and so do the names of events in a file, so weights wait here until then.

import type { ProfileBuilder, Unit } from './profile.ts'

export class EventWeights {
  samples = 0
  /** The weights are kept elsewhere: here samples are only counted. */
  isCountOnly = false
  /** The period of every sample, unless they differ. */
  period: number | undefined
  #isVaried = false
  #counts = new Float64Array(0)
  #periods = new Float64Array(0)

  add(stack: number, period: number): void {
    if (stack >= this.#counts.length) this.#grow(stack)
    if (this.samples++ === 0) this.period = period
    else if (period !== this.period && !this.#isVaried) this.#startVarying()
    this.#counts[stack]! += 1
    if (this.#isVaried) this.#periods[stack]! += period
  }

  get isVaried(): boolean {
    return this.#isVaried
  }

  /** Adds up with another event of the same name, as a CPU with two kinds of cores has it. */
  merge(other: EventWeights): void {
    if (other.isCountOnly) this.isCountOnly = true
    if (other.samples === 0) return
    if (this.samples === 0) this.period = other.period
    const isVaried = this.#isVaried || other.#isVaried || this.period !== other.period
    if (isVaried && !this.#isVaried) this.#startVarying()
    this.samples += other.samples
    if (other.#counts.length > this.#counts.length) this.#grow(other.#counts.length - 1)
    for (let stack = 0; stack < other.#counts.length; stack++) {
      const count = other.#counts[stack]!
      this.#counts[stack]! += count
      if (!isVaried) continue
      this.#periods[stack]! += other.#isVaried ? other.#periods[stack]! : count * other.period!
    }
  }

  /** Gives everything to the builder, the honest width first. */
  putInto(builder: ProfileBuilder, event: string, unit: Unit): void {
    if (this.isCountOnly) return
    if (this.#isVaried) put(builder, builder.column(event, unit), this.#periods)
    put(builder, builder.column(event, 'samples'), this.#counts)
  }

  #startVarying(): void {
    const period = this.period ?? 0
    this.#periods = this.#counts.map(count => count * period)
    this.#isVaried = true
    this.period = undefined
  }

  #grow(stack: number): void {
    const length = Math.max(1024, this.#counts.length * 2, stack + 1)
    this.#counts = copied(this.#counts, length)
    if (this.#isVaried) this.#periods = copied(this.#periods, length)
  }
}

function copied(array: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(length)
  grown.set(array)
  return grown
}

function put(builder: ProfileBuilder, column: number, weights: Float64Array): void {
  for (let stack = 0; stack < weights.length; stack++) {
    if (weights[stack] !== 0) builder.add(stack, column, weights[stack]!)
  }
}
