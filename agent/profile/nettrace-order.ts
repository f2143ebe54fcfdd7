// Puts what a NetTrace stream tells into the order of time.
//
// The runtime empties the buffer of one thread after another, every 100 ms: a
// sample can come after the code that it is in was thrown away, and after other
// code has been put there. Once in each turn an event is marked as sorted: all
// that come after it are not older. Until then what came waits.

// A turn of 100 threads has 10,000 samples; a stream without marks waits for this many.
const mostWaiting = 1 << 18

interface Waiting<Item> {
  readonly time: number
  readonly item: Item
}

export class NettraceOrder<Item> {
  readonly #take: (item: Item) => void
  #waiting: Waiting<Item>[] = []
  #sorted = 0

  constructor(take: (item: Item) => void) {
    this.#take = take
  }

  add(time: number, item: Item): void {
    this.#waiting.push({ time, item })
    if (this.#waiting.length < mostWaiting) return
    this.#sort()
    this.#handOn(mostWaiting / 2)
  }

  /** Nothing that comes later is older than this. */
  upTo(time: number): void {
    const count = this.#waiting.length
    // Not before a quarter is new: many small turns would sort what waits again and again.
    if ((count - this.#sorted) * 4 < count) return
    this.#sort()
    const first = this.#waiting.findIndex(waiting => waiting.time > time)
    this.#handOn(first < 0 ? count : first)
  }

  /** At a sequence point, and at the end: nothing older will come. */
  all(): void {
    this.#sort()
    this.#handOn(this.#waiting.length)
  }

  #sort(): void {
    // Equal times stay in the order in which they came.
    this.#waiting.sort((a, b) => a.time - b.time)
    this.#sorted = this.#waiting.length
  }

  #handOn(count: number): void {
    for (let index = 0; index < count; index++) this.#take(this.#waiting[index]!.item)
    this.#waiting = this.#waiting.slice(count)
    this.#sorted = this.#waiting.length
  }
}
