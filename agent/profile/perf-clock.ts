// The clock of a recording: nanoseconds, in two words of 32 bits each.
//
// perf's clock counts from the boot, so after 104 days a time is no exact number
// any more. So times are told relative to the first one. The trap: zero is how
// perf says that it made a record itself, which has no time.

import type { SampleFormat } from './perf-attr.ts'
import { uint64 } from './perf-records.ts'

/** No time is this one: real ones differ from the first by less. */
export const noTime = Number.NEGATIVE_INFINITY

export class Clock {
  #hasBase = false
  #low = 0
  #high = 0
  #first = Number.POSITIVE_INFINITY
  #last = Number.NEGATIVE_INFINITY

  /** The first time of the recording, on perf's clock. */
  get baseNs(): number {
    return uint64(this.#low, this.#high)
  }

  /** No sample with a time has been seen. */
  get isEmpty(): boolean {
    return this.#first > this.#last
  }

  /** On perf's clock; undefined where no sample has a time. */
  get firstSampleNs(): number | undefined {
    return this.isEmpty ? undefined : this.baseNs + this.#first
  }

  get lastSampleNs(): number | undefined {
    return this.isEmpty ? undefined : this.baseNs + this.#last
  }

  /** The same where nothing that came after `time`, relative to the first one, is counted yet. */
  lastSampleUntil(time: number): number | undefined {
    return time < this.#first ? this.firstSampleNs : this.baseNs + Math.min(this.#last, time)
  }

  /** A sample was taken then. */
  sampled(time: number): void {
    if (time < this.#first) this.#first = time
    if (time > this.#last) this.#last = time
  }

  /** The time at the word `place`, relative to the first one; or `noTime`. */
  at(words: Int32Array, place: number): number {
    const low = words[place]!
    const high = words[place + 1]!
    if (low === 0 && high === 0) return noTime
    if (!this.#hasBase) {
      this.#hasBase = true
      this.#low = low
      this.#high = high
    }
    return (high - this.#high) * 0x1_0000_0000 + ((low >>> 0) - (this.#low >>> 0))
  }

  /** The time in the trailer of a record that is no sample. `format` is that of its event. */
  ofRecord(words: Int32Array, at: number, size: number, format: SampleFormat | undefined): number {
    const back = format?.trailerTime ?? 0
    if (format === undefined || back === 0 || size < 8 + format.trailerWords * 4) return noTime
    return this.at(words, ((at + size) >> 2) - back)
  }
}
