// Samples that the kernel or the hardware had no room for.
//
// The trap: they are told twice. The kernel says in a LOST record how many did not
// fit before it; perf adds a LOST_SAMPLES at its end, without a time, with the
// number of all: the same ones again. One with a time is the hardware's, and counts
// on its own.

import { recordType, uint64 } from './perf-records.ts'

export class Losses {
  #told = 0
  #atEnd = 0
  #byHardware = 0

  get samples(): number {
    return Math.max(this.#told, this.#atEnd) + this.#byHardware
  }

  /** Counts what the record at `at` tells. False if it is no record of a loss. */
  take(words: Int32Array, at: number, size: number, hasTime: () => boolean): boolean {
    const word = at >> 2
    const type = words[word]!
    if (type === recordType.lost && size >= 24) {
      this.#told += uint64(words[word + 4]!, words[word + 5]!)
      return true
    }
    if (type !== recordType.lostSamples || size < 16) return false
    const lost = uint64(words[word + 2]!, words[word + 3]!)
    if (hasTime()) this.#byHardware += lost
    else this.#atEnd += lost
    return true
  }
}
