// The stacks of a NetTrace stream, from the ids that its events have to places in
// code.
//
// An id holds until the next sequence point only, so an id is looked up when its
// sample is read. Names come at the end of the stream. Until then a stack is a path
// of places: addresses, or methods where the code has been thrown away since, for
// other code may have its memory by then.

import type { Method, Methods } from './nettrace-methods.ts'
import { type Frame, noCaller, type Profile, ProfileBuilder } from './profile.ts'

/** Where a sample was: `method` is known here only if its code was thrown away. */
interface Place {
  readonly avma: number
  method: Method | undefined
}

/** A stack as the stream has it. */
export interface HeldStack {
  readonly block: Buffer
  /** Where in the block its addresses are. */
  readonly at: number
  readonly end: number
  /** In each column, once it was asked for, and as long as no code was thrown away since. */
  readonly paths: [number | undefined, number | undefined]
  generation: number
}

// Between two sequence points the runtime writes some MB; a hostile file would never write one.
const maxHeldBytes = 128 << 20
const pageBits = 12
/** Of looking for the places in code that is thrown away: far above what any program throws away. */
const maxSteps = 100_000_000

export class NettraceStacks {
  /** Stacks that were one too many to hold until the next sequence point. */
  refusedBlocks = 0
  readonly #pointerSize: number
  /** The stacks of places, whose frames are called by their index in `#places`. */
  readonly #paths = new ProfileBuilder()
  #heldBytes = 0
  #byId = new Map<number, HeldStack>()
  readonly #places: Place[] = []
  #byAvma = new Map<number, number>()
  readonly #byPage = new Map<number, number[]>()
  /** Grows when code is thrown away in which somebody was. */
  #generation = 0
  #steps = 0

  constructor(pointerSize: number) {
    this.#pointerSize = pointerSize
    this.#paths.column('managed', 'samples')
    this.#paths.column('outside', 'samples')
  }

  /** Takes the stacks of a StackBlock; false if it is damaged. */
  hold(block: Buffer): boolean {
    if (block.length < 8) return false
    if (this.#heldBytes + block.length > maxHeldBytes) {
      this.refusedBlocks++
      return true
    }
    this.#heldBytes += block.length
    const first = block.readUInt32LE(0)
    const count = block.readUInt32LE(4)
    let at = 8
    for (let index = 0; index < count; index++) {
      if (at + 4 > block.length) return false
      const end = at + 4 + block.readUInt32LE(at)
      if (end > block.length) return false
      this.#byId.set(first + index, {
        block,
        at: at + 4,
        end,
        paths: [undefined, undefined],
        generation: 0,
      })
      at = end
    }
    return true
  }

  /** At a sequence point ids begin anew. */
  forget(): void {
    this.#heldBytes = 0
    this.#byId.clear()
  }

  /** The stack of an id that holds now; undefined if there is none, or it is empty. */
  find(id: number): HeldStack | undefined {
    const stack = this.#byId.get(id)
    return stack !== undefined && stack.end - stack.at >= this.#pointerSize ? stack : undefined
  }

  /**
   * Adds a sample.
   *
   * @param isOutside the thread has called out of the innermost method, so that too is a return address
   * @param root the frame that the stack is put under, if any
   */
  add(stack: HeldStack, isOutside: boolean, root: Frame | undefined): void {
    const column = isOutside ? 1 : 0
    this.#paths.add(this.#pathUnder(root, stack, column), column, 1)
  }

  #pathUnder(root: Frame | undefined, stack: HeldStack, column: 0 | 1): number {
    if (root !== undefined) {
      const caller = this.#paths.stack(noCaller, this.#paths.frame(root))
      return this.#pathOf(stack, column === 1, caller)
    }
    if (stack.generation !== this.#generation) {
      stack.generation = this.#generation
      stack.paths.fill(undefined)
    }
    const known = stack.paths[column]
    if (known !== undefined) return known
    const path = this.#pathOf(stack, column === 1, noCaller)
    stack.paths[column] = path
    return path
  }

  #pathOf({ block, at, end }: HeldStack, isOutside: boolean, root: number): number {
    const size = this.#pointerSize
    let path = root
    // The innermost comes first.
    for (let ip = at + Math.floor((end - at) / size) * size - size; ip >= at; ip -= size) {
      const avma = size === 8 ? Number(block.readBigUInt64LE(ip)) : block.readUInt32LE(ip)
      // A call that does not return may be the last instruction of its method.
      const isReturn = ip > at || isOutside
      path = this.#paths.stack(path, this.#place(isReturn && avma > 0 ? avma - 1 : avma))
    }
    return path
  }

  #place(avma: number): number {
    let place = this.#byAvma.get(avma)
    if (place === undefined) {
      place = this.#places.push({ avma, method: undefined }) - 1
      this.#byAvma.set(avma, place)
      const page = Math.floor(avma / 2 ** pageBits)
      const others = this.#byPage.get(page)
      if (others === undefined) this.#byPage.set(page, [place])
      else others.push(place)
    }
    return this.#paths.frame({ name: `${place}`, kind: 'unknown' })
  }

  /** The code of this method is thrown away: what was seen in it was this method. */
  bind(method: Method): void {
    const end = method.start + method.size
    const lastPage = Math.floor((end - 1) / 2 ** pageBits)
    for (let page = Math.floor(method.start / 2 ** pageBits); page <= lastPage; page++) {
      const places = this.#byPage.get(page)
      this.#steps += 1 + (places?.length ?? 0)
      if (this.#steps > maxSteps) return
      if (places === undefined) continue
      const others = places.filter(place => {
        const { avma } = this.#places[place]!
        if (avma < method.start || avma >= end) return true
        this.#places[place]!.method = method
        this.#byAvma.delete(avma)
        return false
      })
      if (others.length < places.length) this.#generation++
      this.#byPage.set(page, others)
    }
  }

  /**
   * The paths, with the samples in managed code and those outside as columns, and what each of
   * their frames is: a method, a root that was given, or nothing that is known.
   */
  build(methods: Methods): { paths: Profile; frames: (Method | Frame | undefined)[] } {
    const paths = this.#paths.build()
    const frames = paths.frames.map(frame => {
      if (frame.kind === 'thread') return frame
      const { avma, method } = this.#places[Number(frame.name)]!
      return method ?? methods.find(avma)
    })
    return { paths, frames }
  }
}
