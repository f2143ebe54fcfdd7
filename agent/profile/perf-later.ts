// What is to happen in its time, and is no sample: a mapping, a task that starts or ends.
//
// It waits among the samples, as an entry that holds a number and nothing else, and
// behind the number is a function. There are a thousand samples for each of these.

import { entryWords, type TimeOrder } from './perf-order.ts'
import { entry } from './perf-sample.ts'

// What a task's or a mapping's record takes besides its entry, so that the bound on what waits holds for them too.
const laterWords = 64

export class Later {
  readonly #acts = new Map<number, () => void>()
  #count = 0

  /** Lets `act` happen when `time` has come. Its entry has a negative number for an event. */
  add(order: TimeOrder, time: number, act: () => void): void {
    const into = order.room(entryWords + laterWords)
    const number = ++this.#count
    this.#acts.set(number, act)
    order.words[into + entry.event] = -number
    order.words[into + entry.chainWords] = laterWords
    order.add(time)
  }

  /** The time of this entry has come. */
  happen(event: number): void {
    this.#acts.get(-event)!()
    this.#acts.delete(-event)
  }
}
