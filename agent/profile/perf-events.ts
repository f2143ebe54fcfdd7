// The events of a recording: which one a record belongs to, so how it is laid
// out, and what its samples weigh.
//
// Every event has an id for each CPU and thread that it was opened on. With one
// event nothing has to be looked up; with several, samples carry an id: as
// IDENTIFIER, which is the first field, where their layouts differ, otherwise
// as ID, which then is at one place in all.

import type { PerfAttr, SampleFormat } from './perf-attr.ts'
import type { EventDescription } from './perf-features.ts'
import { uint64 } from './perf-records.ts'
import type { PerfEventSummary } from './perf-summary.ts'
import { EventWeights } from './perf-weights.ts'
import type { ProfileBuilder } from './profile.ts'

export interface PerfEvent {
  readonly attr: PerfAttr
  name: string
  readonly weights: EventWeights
}

// perf opens one event for each name asked for, and an id for each CPU and thread of it.
const mostEvents = 4096
const mostIds = 1 << 20

export class Events {
  readonly list: PerfEvent[] = []
  readonly #byId = new Map<number, number>()
  #lastId = 0
  #lastEvent = 0

  /** False if there is no room for it. */
  add(attr: PerfAttr, ids: readonly number[]): boolean {
    if (this.list.length >= mostEvents || this.#byId.size + ids.length > mostIds) return false
    const index = this.list.push({ attr, name: attr.name, weights: new EventWeights() }) - 1
    for (const id of ids) this.#byId.set(id, index)
    return true
  }

  get samples(): number {
    return this.list.reduce((sum, event) => sum + event.weights.samples, 0)
  }

  get copyUserStacks(): boolean {
    return this.list.some(({ attr }) => attr.copiesUserStack)
  }

  get hasStacks(): boolean {
    return this.list.some(({ attr }) => attr.format.hasChain && !attr.copiesUserStack)
  }

  get summaries(): PerfEventSummary[] {
    return this.list.map(({ attr, name, weights }) => ({
      name,
      type: attr.type,
      hertz: attr.hertz,
      period: attr.period,
      isUserOnly: attr.isUserOnly,
      samples: weights.samples,
    }))
  }

  /** The index of the event whose sample of `size` bytes is at the word `start`, or -1. */
  ofSample(words: Int32Array, start: number, size: number): number {
    if (this.list.length <= 1) return this.list.length - 1
    const place = this.list[0]!.attr.format.id
    if (place < 0) return 0
    if ((place + 2) * 4 > size) return -1
    return this.#ofId(words[start + place]!, words[start + place + 1]!)
  }

  /** The layout of what stands behind another record. */
  ofTrailer(words: Int32Array, at: number, size: number): SampleFormat | undefined {
    const format = this.list[0]?.attr.format
    if (this.list.length <= 1 || format === undefined || format.trailerId === 0) return format
    const place = ((at + size) >> 2) - format.trailerId
    if (place < (at >> 2) + 2) return format
    return this.list[this.#ofId(words[place]!, words[place + 1]!)]?.attr.format ?? format
  }

  rename(id: number, name: string): void {
    const index = this.#byId.get(id)
    if (index !== undefined && name !== '') this.list[index]!.name = name
  }

  /** Takes over what the recording calls its events, in their order where it gives no ids. */
  describe(descriptions: readonly EventDescription[]): void {
    for (const [position, { name, ids }] of descriptions.entries()) {
      const index = ids.length === 0 ? position : this.#byId.get(ids[0]!)
      const event = index === undefined ? undefined : this.list[index]
      if (event !== undefined && name !== '') event.name = name
    }
  }

  /** Gives all weights to the builder, events of one name as one. They stay as they are. */
  putInto(builder: ProfileBuilder): void {
    const byName = Map.groupBy(this.list, ({ name }) => name)
    for (const [name, [first, ...others]] of byName) {
      const weights = others.length === 0 ? first!.weights : new EventWeights()
      if (others.length > 0) for (const event of [first!, ...others]) weights.merge(event.weights)
      if (weights.samples > 0) weights.putInto(builder, name, first!.attr.unit)
    }
  }

  #ofId(low: number, high: number): number {
    // The same event as the last one, nearly always: a Map is for the others.
    if (low === this.#lastId && high === 0) return this.#lastEvent
    const id = uint64(low, high)
    // perf gives 0 to what it makes itself, in the layout of the first event.
    const index = id === 0 ? 0 : (this.#byId.get(id) ?? -1)
    if (high === 0) {
      this.#lastId = low
      this.#lastEvent = index
    }
    return index
  }
}
