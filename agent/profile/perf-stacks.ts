// From a sample's call chain to a stack of the profile.
//
// A chain is leaf first, in sections: a marker (PERF_CONTEXT_KERNEL, …_USER, …)
// says whose addresses follow. The first of a section is where the program
// was; the others are where calls return to, so their name is that of the byte
// before. Markers, like kernel addresses, are negative 64-bit numbers.
//
// The trap: without frame pointers the kernel follows whatever a register
// holds, and the words that it finds on the stack may look like a marker.

import type { AddressSpace } from './address-space.ts'
import { chainWords } from './perf-chain.ts'
import { Frames, isReturn } from './perf-frames.ts'
import type { Modules } from './perf-modules.ts'
import { context, isContext } from './perf-records.ts'
import type { Process, Thread } from './perf-tasks.ts'
import { type Frame, type Module, noCaller, type ProfileBuilder } from './profile.ts'

/** What the outermost frame of a stack is: `comm` of the thread, `comm-pid` of the process. */
export type RootFrame = 'thread' | 'process' | 'none'

export class Stacks {
  readonly #builder: ProfileBuilder
  readonly #frames: Frames
  readonly #root: RootFrame

  /** `whenUsed` is called with each module that an address is first found in. */
  constructor(
    builder: ProfileBuilder,
    modules: Modules,
    root: RootFrame,
    whenUsed: (module: Module) => void,
  ) {
    this.#builder = builder
    this.#frames = new Frames(builder, modules, whenUsed)
    this.#root = root
  }

  /** Addresses that were too many to keep apart. */
  get overflow(): number {
    return this.#frames.overflow
  }

  get kernelSpace(): AddressSpace {
    return this.#frames.kernel.space
  }

  /**
   * Addresses may mean something else from here on: those of a process, or the kernel's.
   *
   * @param isNew nothing was mapped there. Then what has been resolved lies elsewhere, unless it was
   *   in the kernel, which is mapped everywhere, or in the program before exec.
   */
  changed(process: Process | undefined, isNew: boolean): void {
    const table = process ?? this.#frames.kernel
    if (!isNew || process === undefined || process.before !== undefined) table.frames.clear()
    table.changes++
  }

  /** The stack of a chain of `length` words at `words[at]`, seen in this thread. */
  stack(thread: Thread, words: Int32Array, at: number, length: number): number {
    const { process, last } = thread
    // Each of the two only grows, so their sum is the same only if both are.
    const changes = process.changes + this.#frames.kernel.changes
    const common = last.changes === changes ? last.common(words, at, length) : 0
    const depth = length >> 1
    const entries = last.reserve(depth)
    last.depth = depth
    last.changes = changes
    // From the leaf, since a marker stands on the leaf's side, to where the last chain was the same.
    let frames = process.frames
    let tag: number = context.user
    let isUser = false
    let stack = noCaller
    let position = depth - 1
    for (let word = at; position >= 0; word += 2, position--) {
      const low = words[word]!
      const high = words[word + 1]!
      const entry = position * chainWords
      if (position < common && entries[entry + 2] === tag) {
        stack = entries[entry + 3]!
        break
      }
      entries[entry] = low
      entries[entry + 1] = high
      // What follows this marker is a number that a later record refers to, no address.
      const isCookie = tag === context.userDeferred
      if (isCookie || isContext(low, high)) {
        entries[entry + 2] = isMarker
        // The user's part is the last one: a marker in it is garbage that looks like one.
        if (isUser) continue
        isUser = isCookie || low === context.user
        tag = isUser ? context.user : low
        frames = this.#frames.table(process, tag)
        continue
      }
      let frame = frames.get(low, high, tag)
      if (frame < 0) frame = this.#frames.add(process, tag, low, high)
      entries[entry + 2] = tag
      entries[entry + 3] = frame
      tag |= isReturn
    }
    // And back to the leaf, from caller to callee.
    if (position < 0) stack = this.rootOf(thread)
    let hasFrame = position >= 0
    for (let entry = (position + 1) * chainWords; entry < depth * chainWords; entry += chainWords) {
      if (entries[entry + 2] === isMarker) continue
      stack = this.#builder.stack(stack, entries[entry + 3]!)
      entries[entry + 3] = stack
      hasFrame = true
    }
    return hasFrame ? stack : this.#builder.stack(stack, this.#builder.frame(noStack))
  }

  /** The stack of a thread's own frame, `noCaller` where it has none. */
  rootOf(thread: Thread): number {
    if (this.#root === 'none') return noCaller
    if (thread.root >= 0) return thread.root
    const { process } = thread
    const name =
      this.#root === 'thread'
        ? thread.comm || `:${thread.tid}`
        : `${process.tally.comm ?? thread.comm ?? ''}-${process.pid}`
    const frame = this.#builder.frame({ name, kind: 'thread' })
    thread.root = this.#builder.stack(noCaller, frame)
    return thread.root
  }
}

/** The tag of an entry that is no address. Those of addresses are negative. */
const isMarker = 0

const noStack: Frame = { name: '[no stack]', kind: 'unknown', reason: 'unnamed by the tool' }
