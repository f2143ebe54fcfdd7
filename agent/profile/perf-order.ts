// Puts records back in the order of time.
//
// perf empties one ring after another, one for each CPU, so records come as
// runs that each ascend, and a sample can arrive before the mapping that it
// lies in. A FINISHED_ROUND record says that every ring has been emptied once.
// What is not newer than the newest record of the round *before* can then have
// no older one still to come, and is handed on:
// https://github.com/torvalds/linux/blob/master/tools/perf/util/ordered-events.c
//
// Records wait in blocks of words, not as objects, and stay where they were
// written: a block is used again when the last of it is handed on. Runs are
// merged, not sorted: with two CPUs that is one pass.

/** An entry is this many words, and behind them as many again as its last one says. */
export const entryWords = 6

/** Handed every entry, oldest first. Nothing of `words` may be kept. */
export type TakeEntry = (words: Int32Array, at: number) => void

// Four of the largest records.
const blockWords = 64 << 10
// 16 MB: some 100,000 samples with deep stacks, ten rounds of a busy machine. A
// recording without FINISHED_ROUND is put in order within this much at a time.
const mostBlocks = 64

export class TimeOrder {
  /** How often the oldest half was handed on before its time, to keep memory bounded. */
  forced = 0
  /** Entries older than one that had been handed on already. */
  late = 0
  readonly #take: TakeEntry
  readonly #blocks = [new Int32Array(blockWords)]
  /** Entries that wait in each block, and the blocks where none does. */
  readonly #waiting = [0]
  readonly #free: number[] = []
  #block = 0
  #used = 0
  #times = new Float64Array(1024)
  /** Of each entry: its block, times `blockWords`, and where it stands in there. */
  #places = new Int32Array(1024)
  #count = 0
  /** Entries from here on have come since the last merge. */
  #merged = 0
  #newest = Number.NEGATIVE_INFINITY
  #newestOfLastRound = Number.NEGATIVE_INFINITY
  #handedOn = Number.NEGATIVE_INFINITY

  constructor(take: TakeEntry) {
    this.#take = take
  }

  /** The newest time that was handed on; -Infinity before the first. */
  get handedOn(): number {
    return this.#handedOn
  }

  /** Where the place that `room` gave is. */
  get words(): Int32Array {
    return this.#blocks[this.#block]!
  }

  /** A place in `words` for an entry of so many words, to be filled and then given to `add` or `pass`. */
  room(words: number): number {
    if (this.#used + words > blockWords) this.#nextBlock()
    return this.#used
  }

  /** Keeps the entry that was made in the last `room` until its time has come. */
  add(time: number): void {
    if (this.#count === this.#times.length) this.#growList()
    this.#times[this.#count] = time
    this.#places[this.#count] = this.#block * blockWords + this.#used
    this.#waiting[this.#block]!++
    this.#used += entryWords + this.words[this.#used + entryWords - 1]!
    this.#count++
    if (time > this.#newest) this.#newest = time
    if (time < this.#handedOn) this.late++
  }

  /** Hands the entry in the last `room` on at once: it has no time. */
  pass(): void {
    this.#take(this.words, this.#used)
  }

  /** A FINISHED_ROUND was read. */
  round(): void {
    const limit = this.#newestOfLastRound
    this.#newestOfLastRound = this.#newest
    // Not before a quarter is new: many small rounds would move what waits again and again.
    if ((this.#count - this.#merged) * 4 >= this.#count) this.#handOn(limit)
  }

  /** Hands on everything: no more will come. */
  end(): void {
    this.#handOn(Number.POSITIVE_INFINITY)
  }

  #nextBlock(): void {
    if (this.#waiting[this.#block] === 0) this.#free.push(this.#block)
    while (this.#free.length === 0 && this.#blocks.length === mostBlocks) this.#force()
    this.#block = this.#free.pop() ?? this.#blocks.push(new Int32Array(blockWords)) - 1
    this.#waiting[this.#block] = 0
    this.#used = 0
  }

  #force(): void {
    this.forced++
    this.#merge()
    this.#handOn(this.#times[this.#count >> 1]!)
  }

  #handOn(limit: number): void {
    this.#merge()
    let done = 0
    while (done < this.#count && this.#times[done]! <= limit) {
      const place = this.#places[done]!
      const block = Math.floor(place / blockWords)
      this.#take(this.#blocks[block]!, place % blockWords)
      if (--this.#waiting[block]! === 0 && block !== this.#block) this.#free.push(block)
      done++
    }
    if (done === 0) return
    this.#handedOn = Math.max(this.#handedOn, this.#times[done - 1]!)
    this.#times.copyWithin(0, done, this.#count)
    this.#places.copyWithin(0, done, this.#count)
    this.#count -= done
    this.#merged = this.#count
  }

  /** Merges neighbouring runs until one is left. Equal times stay in the order in which they came. */
  #merge(): void {
    const count = this.#count
    let starts = runsOf(this.#times, count)
    if (starts.length > 1) {
      let list: EntryList = { times: this.#times, places: this.#places }
      let into: EntryList = {
        times: new Float64Array(list.times.length),
        places: new Int32Array(list.places.length),
      }
      while (starts.length > 1) {
        const merged: number[] = []
        for (let run = 0; run < starts.length; run += 2) {
          const start = starts[run]!
          const middle = starts[run + 1] ?? count
          mergePair(list, into, start, middle, starts[run + 2] ?? count)
          merged.push(start)
        }
        starts = merged
        ;[list, into] = [into, list]
      }
      this.#times = list.times
      this.#places = list.places
    }
    this.#merged = count
  }

  #growList(): void {
    const times = new Float64Array(this.#times.length * 2)
    times.set(this.#times)
    this.#times = times
    const places = new Int32Array(this.#places.length * 2)
    places.set(this.#places)
    this.#places = places
  }
}

interface EntryList {
  readonly times: Float64Array<ArrayBuffer>
  readonly places: Int32Array<ArrayBuffer>
}

/** Where each ascending run begins. */
function runsOf(times: Float64Array, count: number): number[] {
  const starts = [0]
  for (let index = 1; index < count; index++) {
    if (times[index]! < times[index - 1]!) starts.push(index)
  }
  return starts
}

function mergePair(
  from: EntryList,
  to: EntryList,
  start: number,
  middle: number,
  end: number,
): void {
  let left = start
  let right = middle
  for (let index = start; index < end; index++) {
    const takeLeft = right >= end || (left < middle && from.times[left]! <= from.times[right]!)
    const source = takeLeft ? left++ : right++
    to.times[index] = from.times[source]!
    to.places[index] = from.places[source]!
  }
}
