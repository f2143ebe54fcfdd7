// The places in code that were sampled: addresses, or methods once their code has
// been thrown away, for other code may have their memory later.

import type { Method, Methods } from './nettrace-methods.ts'

interface Place {
  readonly avma: number
  /** Known before the end only if its code was thrown away. */
  method: Method | undefined
}

/** What addresses share that are one too many. */
const noPlace = 0

// The largest captures that we have seen have some 10,000.
const maxPlaces = 1 << 20
const pageBits = 12
/** Of looking for the places in code that is thrown away: a second's work, a thousand times what a program needs. */
const maxSteps = 20_000_000

export class Places {
  /** Grows when code is thrown away in which somebody was: addresses in it are other places from then on. */
  generation = 0
  /** Methods whose places were not looked for. */
  unfollowed = 0
  readonly #places: Place[] = [{ avma: -1, method: undefined }]
  readonly #byAvma = new Map<number, number>()
  readonly #byPage = new Map<number, number[]>()
  #steps = 0

  at(avma: number): number {
    const known = this.#byAvma.get(avma)
    if (known !== undefined) return known
    if (this.#places.length >= maxPlaces) return noPlace
    const place = this.#places.push({ avma, method: undefined }) - 1
    this.#byAvma.set(avma, place)
    const page = Math.floor(avma / 2 ** pageBits)
    const others = this.#byPage.get(page)
    if (others === undefined) this.#byPage.set(page, [place])
    else others.push(place)
    return place
  }

  /** The code of this method is thrown away: what was seen in it was this method. */
  bind(method: Method): void {
    const end = method.start + method.size
    const lastPage = Math.floor((end - 1) / 2 ** pageBits)
    for (let page = Math.floor(method.start / 2 ** pageBits); page <= lastPage; page++) {
      const places = this.#byPage.get(page)
      this.#steps += 1 + (places?.length ?? 0)
      if (this.#steps > maxSteps) {
        this.unfollowed++
        return
      }
      if (places === undefined) continue
      const others = places.filter(place => {
        const { avma } = this.#places[place]!
        if (avma < method.start || avma >= end) return true
        this.#places[place]!.method = method
        this.#byAvma.delete(avma)
        return false
      })
      if (others.length < places.length) this.generation++
      this.#byPage.set(page, others)
    }
  }

  /** -1 for what addresses share that are one too many. */
  avmaOf(place: number): number {
    return this.#places[place]!.avma
  }

  /** What is known of a place in the end. */
  methodAt(place: number, methods: Methods): Method | undefined {
    const { avma, method } = this.#places[place]!
    return method ?? methods.find(avma)
  }
}
