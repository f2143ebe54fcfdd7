// The weights of one event of `perf script` text: samples, and periods when printed.
//
// Where all periods are equal, samples are the same shares in smaller numbers,
// so they are the width. Where they differ, a sample stands for its period, and
// the period is the width. That shows at the end only, so weights wait here.

import type { ProfileBuilder, Unit } from './profile.ts'

export class PrintedWeights {
  readonly #event: string
  #samples = new Float64Array(1024)
  #periods = new Float64Array(1024)
  #period = Number.NaN
  #differ = false

  constructor(event: string) {
    this.#event = event
  }

  /** Adds a sample; `period` is NaN when the line has none. */
  add(stack: number, period: number): void {
    if (stack >= this.#samples.length) {
      const length = Math.max(stack + 1, this.#samples.length * 2)
      this.#samples = copied(this.#samples, length)
      this.#periods = copied(this.#periods, length)
    }
    this.#samples[stack]! += 1
    if (Number.isNaN(period)) return
    this.#periods[stack]! += period
    if (Number.isNaN(this.#period)) this.#period = period
    else if (period !== this.#period) this.#differ = true
  }

  /** Gives every weight to the builder, the width first. */
  putInto(builder: ProfileBuilder): void {
    const event = this.#event
    if (this.#differ) put(builder, event, periodUnit(event), this.#periods)
    put(builder, event, 'samples', this.#samples)
    if (!this.#differ && !Number.isNaN(this.#period)) {
      put(builder, event, periodUnit(event), this.#periods)
    }
  }
}

function put(builder: ProfileBuilder, event: string, unit: Unit, weights: Float64Array): void {
  const column = builder.column(event, unit)
  for (let stack = 0; stack < weights.length; stack++) {
    if (weights[stack] !== 0) builder.add(stack, column, weights[stack]!)
  }
}

/** The clocks of perf count in nanoseconds, every other event in itself. */
function periodUnit(event: string): Unit {
  return /^(?:cpu|task)-clock\b/.test(event) ? 'nanoseconds' : 'count'
}

function copied(array: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(length)
  grown.set(array)
  return grown
}
