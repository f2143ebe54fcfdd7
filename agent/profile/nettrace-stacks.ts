// The stacks of a NetTrace stream, from the ids that its events have to paths of
// places in code.
//
// An id holds until the next sequence point only, so a sample's stack is looked up
// when it is read. Names come at the end of the stream: until then a path is made
// of places (nettrace-places.ts), in a builder of our own.

import type { Method, Methods } from './nettrace-methods.ts'
import { Places } from './nettrace-places.ts'
import { type Frame, noCaller, type Profile, ProfileBuilder } from './profile.ts'

/** A stack as the stream has it. */
export interface HeldStack {
  readonly block: Buffer
  /** Where in the block its addresses are. */
  readonly at: number
  readonly end: number
  /** What became of it under each root and in each column, as long as no code was thrown away since. */
  paths: Map<number, number> | undefined
  generation: number
}

// Between two sequence points the runtime writes 10 MB; a hostile file would never write one.
const maxHeldBytes = 128 << 20
const maxHeld = 1 << 20
/** Where the runtime stops to walk: the outermost frames of what is deeper are missing. */
export const walkLimit = 100
// Whatever another writer may walk.
const maxDepth = 512

const managedColumn = 0
const outsideColumn = 1

export class NettraceStacks {
  /** Blocks of stacks that were one too many to hold until the next sequence point. */
  refusedBlocks = 0
  readonly places = new Places()
  readonly #pointerSize: number
  /** Frames are called by the number of their place. */
  readonly #paths = new ProfileBuilder()
  /** Of each place, once it was asked for. */
  readonly #frames: (number | undefined)[] = []
  #heldBytes = 0
  readonly #byId = new Map<number, HeldStack>()

  constructor(pointerSize: number) {
    this.#pointerSize = pointerSize
    this.#paths.column('managed', 'samples')
    this.#paths.column('outside', 'samples')
  }

  /** Takes the stacks of a StackBlock; false if it is damaged. */
  hold(block: Buffer): boolean {
    if (block.length < 8) return false
    const first = block.readUInt32LE(0)
    const count = block.readUInt32LE(4)
    if (this.#heldBytes + block.length > maxHeldBytes || this.#byId.size + count > maxHeld) {
      this.refusedBlocks++
      return true
    }
    this.#heldBytes += block.length
    let at = 8
    for (let index = 0; index < count; index++) {
      if (at + 4 > block.length) return false
      const size = block.readUInt32LE(at)
      const end = at + 4 + size
      if (end > block.length || size > maxDepth * this.#pointerSize) return false
      const stack = { block, at: at + 4, end, paths: undefined, generation: 0 }
      this.#byId.set(first + index, stack)
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

  /** Whether the runtime may have stopped before the outermost frame. */
  isCut({ at, end }: HeldStack): boolean {
    return end - at >= walkLimit * this.#pointerSize
  }

  /**
   * Adds a sample.
   *
   * @param isOutside the thread has called out of the innermost method, so that too is a return address
   * @param root the frame that the stack is put under, if any
   */
  add(stack: HeldStack, isOutside: boolean, root: Frame | undefined): void {
    const column = isOutside ? outsideColumn : managedColumn
    const rootFrame = root === undefined ? -1 : this.#paths.frame(root)
    if (stack.paths === undefined || stack.generation !== this.places.generation) {
      stack.paths = new Map()
      stack.generation = this.places.generation
    }
    const key = 2 * rootFrame + column
    let path = stack.paths.get(key)
    if (path === undefined) {
      const caller = rootFrame < 0 ? noCaller : this.#paths.stack(noCaller, rootFrame)
      path = this.#pathOf(stack, isOutside, caller)
      stack.paths.set(key, path)
    }
    this.#paths.add(path, column, 1)
  }

  #pathOf({ block, at, end }: HeldStack, isOutside: boolean, caller: number): number {
    const size = this.#pointerSize
    let path = caller
    // The innermost comes first.
    for (let ip = at + Math.floor((end - at) / size) * size - size; ip >= at; ip -= size) {
      const avma = size === 8 ? Number(block.readBigUInt64LE(ip)) : block.readUInt32LE(ip)
      // A call that does not return may be the last instruction of its method.
      const isReturn = ip > at || isOutside
      const place = this.places.at(isReturn && avma > 0 ? avma - 1 : avma)
      path = this.#paths.stack(path, this.#frameAt(place))
    }
    return path
  }

  #frameAt(place: number): number {
    let frame = this.#frames[place]
    if (frame === undefined) {
      frame = this.#paths.frame({ name: `${place}`, kind: 'unknown' })
      this.#frames[place] = frame
    }
    return frame
  }

  /**
   * The paths, with the samples in managed code and those outside as columns, and what each of
   * their frames is: a method, a root that was given, or nothing that is known.
   *
   * @param frameAt what an AVMA is that lies in no method which is known yet
   */
  build(
    methods: Methods,
    frameAt: (avma: number) => Frame | undefined,
  ): { paths: Profile; frames: (Method | Frame | undefined)[] } {
    const paths = this.#paths.build()
    const frames = paths.frames.map(frame => {
      if (frame.kind === 'thread') return frame
      const place = Number(frame.name)
      return this.places.methodAt(place, methods) ?? frameAt(this.places.avmaOf(place))
    })
    return { paths, frames }
  }
}
