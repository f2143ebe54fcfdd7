// The one model of a profile, and the one builder of it.
//
// Every reader makes it and every later stage takes it. Stacks are a trie in
// two flat arrays, (caller, frame) for each node, so that a profile of a
// million samples is a few hundred kilobytes and no stage needs recursion: a
// caller always comes before its callees, so totals are one backward loop and
// paths one forward loop.
//
// Weights are columns over the same trie. A capture has one column for each
// event and unit; a diff or a series of windows is more columns, and a stack
// that one of them lacks is a zero there, not a missing node.

import { ProfilerError } from '../errors.ts'

export type Unit = 'samples' | 'nanoseconds' | 'bytes' | 'count'

/**
 * Who owns a frame and how it ran.
 *
 * `thread` is the outermost frame that names a thread or a process, `inlined` a
 * function that its caller's code contains, `unknown` an address without a name.
 */
export type FrameKind =
  | 'thread'
  | 'kernel'
  | 'native'
  | 'jit'
  | 'inlined'
  | 'interpreted'
  | 'unknown'

/** Why an address has no name. The words are what people read, counted, on the picture. */
export type UnknownReason =
  | 'no symbols'
  | 'not in the symbol table'
  | 'file deleted'
  | 'file unreadable'
  | 'process ended before its files were read'
  | 'build-id differs'
  | 'another file at its path'
  | 'kallsyms hidden'
  | 'JIT without map'
  | 'not mapped'
  | 'malformed file'
  | 'unnamed by the tool'

/** What an address lies in: one mapped file, or one process's anonymous code. */
export interface Module {
  readonly kind: 'file' | 'kernel' | 'vdso' | 'anonymous' | 'unmapped'
  /** As the target's mount namespace has it; `[kernel]`, `[vdso]` or `[anon]` for what is no file. */
  readonly path: string
  /** Whose mapping it was first seen in; -1 for the kernel. */
  readonly pid: number
  /** AVMA of the first byte, AVMA after the last, and the file offset of the first, as mapped there. */
  readonly start: number
  readonly end: number
  readonly fileOffset: number
  /** Of the mapped file, when the kernel said so: what a file must match before its names are believed. */
  readonly inode?: number
  readonly device?: { readonly major: number; readonly minor: number }
  /** Lower-case hex. */
  readonly buildId?: string
  /** The mapping's path ended in ` (deleted)`. */
  readonly deleted?: boolean
}

/**
 * An address that waits for its name.
 *
 * In a `file` it is the offset in the file, everywhere else an AVMA. Kernel
 * addresses are negative (the two's complement of the 64 bits), so that every
 * address is an exact number. `isReturn` says that it is where a call returns
 * to, so the name is that of the byte before it.
 */
export interface Address {
  readonly module: Module
  readonly value: number
  readonly isReturn: boolean
}

export interface Frame {
  /** Never empty. Of an address that waits for its name, the module's; without one, `module+0xoffset`. */
  readonly name: string
  readonly kind: FrameKind
  /** The mapped file, as the target names it. */
  readonly module?: string
  readonly file?: string
  readonly line?: number
  /** Present until `symbolize` has been there. */
  readonly address?: Address
  /** Present on kind `unknown`. */
  readonly reason?: UnknownReason
}

/** The trie. `caller[i] < i`; a root's caller is -1. */
export interface Stacks {
  readonly length: number
  readonly caller: Int32Array
  readonly frame: Int32Array
}

/** One weight for each stack: what was seen with this stack's frame as the leaf. */
export interface Column {
  /** `cpu-clock`, `cycles`, `alloc_space`; `samples` where the format does not say. */
  readonly event: string
  readonly unit: Unit
  readonly self: Float64Array
  /** Of a series: which window it is of, from 1. Without it, the column is of all there is. */
  readonly window?: number
}

export interface Profile {
  readonly frames: readonly Frame[]
  readonly stacks: Stacks
  /** At least one; the first is the width of the picture. */
  readonly columns: readonly Column[]
  /** What was sampled but could not be used, by the words that people read: `lost by the kernel` → 12. */
  readonly loss: ReadonlyMap<string, number>
  /** What a reader noticed and a person should know, once each, in full sentences. */
  readonly notes: readonly string[]
}

export const noCaller = -1

// What a hostile file can make of us: half a gigabyte for each. The largest
// captures that we have seen have 100,000 stacks, 30,000 names and 5 MB of them.
const mostStacks = 16 * 1024 * 1024
// Each name is looked at, drawn, printed and looked at again: more than these take a minute and a gigabyte,
// and then no artefact may be as large.
const mostNamed = 1024 * 1024
const mostNameLength = 64 * 1024 * 1024

/** Makes a profile. Frames and stacks are interned: equal ones get the same index. */
export class ProfileBuilder {
  #frames: Frame[] = []
  /** The first frame of each name, and by all their fields the others of that name. */
  #firstOfName = new Map<string, number>()
  #otherFrames = new Map<string, number>()
  #named = 0
  #nameLength = 0
  // Of each stack its caller and its frame, beside each other: a search looks at both.
  #stacks = new Int32Array(2048)
  #length = 0
  // Open addressing, at most half full: slot → stack index + 1.
  #slots = new Int32Array(4096)
  #columns: { event: string; unit: Unit; self: Float64Array }[] = []
  #loss = new Map<string, number>()
  #notes = new Set<string>()

  /** The index of an equal frame, added if it is new. Frames with an address are equal by identity only. */
  frame(frame: Frame): number {
    if (frame.address !== undefined) return this.#frames.push(frame) - 1
    // Few names belong to two frames: only for those is a key worth its letters.
    const first = this.#firstOfName.get(frame.name)
    if (first === undefined) return this.#addFrame(frame, this.#firstOfName, frame.name)
    if (isSame(this.#frames[first]!, frame)) return first
    const { kind, name, module = '', file = '', line = '' } = frame
    const key = `${kind}\0${name}\0${module}\0${file}\0${line}`
    return this.#otherFrames.get(key) ?? this.#addFrame(frame, this.#otherFrames, key)
  }

  /** The stack of `frame` called by the stack `caller` (`noCaller` for a root). */
  stack(caller: number, frame: number): number {
    const stacks = this.#stacks
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = hash(caller, frame) & mask
    for (let found = slots[slot]!; found !== 0; found = slots[slot]!) {
      if (stacks[2 * found - 2] === caller && stacks[2 * found - 1] === frame) return found - 1
      slot = (slot + 1) & mask
    }
    return this.#addStack(caller, frame, slot)
  }

  /** The column of this event and unit, added if it is new. The first one added is the width. */
  column(event: string, unit: Unit): number {
    const found = this.#columns.findIndex(column => column.event === event && column.unit === unit)
    return found >= 0
      ? found
      : this.#columns.push({ event, unit, self: new Float64Array(this.#stacks.length / 2) }) - 1
  }

  /** The events of the columns so far. */
  get events(): string[] {
    return [...new Set(this.#columns.map(({ event }) => event))]
  }

  /** Adds `weight` to the stack whose leaf was seen. */
  add(stack: number, column: number, weight: number): void {
    const into = this.#columns[column]!
    if (stack >= into.self.length) {
      const grown = new Float64Array(this.#stacks.length / 2)
      grown.set(into.self)
      into.self = grown
    }
    into.self[stack]! += weight
  }

  /** Counts samples that were taken but cannot be used. */
  lose(what: string, count: number): void {
    this.#loss.set(what, (this.#loss.get(what) ?? 0) + count)
  }

  note(sentence: string): void {
    this.#notes.add(sentence)
  }

  /** As it is now, in a builder of its own: what is added to one of the two is not in the other. */
  copy(): ProfileBuilder {
    const copy = new ProfileBuilder()
    copy.#frames = this.#frames.slice()
    copy.#firstOfName = new Map(this.#firstOfName)
    copy.#otherFrames = new Map(this.#otherFrames)
    copy.#named = this.#named
    copy.#nameLength = this.#nameLength
    copy.#stacks = this.#stacks.slice()
    copy.#length = this.#length
    copy.#slots = this.#slots.slice()
    copy.#columns = this.#columns.map(column => ({ ...column, self: column.self.slice() }))
    copy.#loss = new Map(this.#loss)
    copy.#notes = new Set(this.#notes)
    return copy
  }

  build(): Profile {
    if (this.#columns.length === 0) this.column('samples', 'samples')
    const length = this.#length
    const caller = new Int32Array(length)
    const frame = new Int32Array(length)
    for (let index = 0; index < length; index++) {
      caller[index] = this.#stacks[2 * index]!
      frame[index] = this.#stacks[2 * index + 1]!
    }
    return {
      frames: this.#frames,
      stacks: { length, caller, frame },
      columns: this.#columns.map(({ event, unit, self }) => {
        const fitted = new Float64Array(length)
        fitted.set(self.subarray(0, length))
        return { event, unit, self: fitted }
      }),
      loss: this.#loss,
      notes: [...this.#notes],
    }
  }

  #addFrame(frame: Frame, into: Map<string, number>, key: string): number {
    const { name, module = '', file = '' } = frame
    this.#nameLength += name.length + module.length + file.length
    if (this.#nameLength > mostNameLength) throw tooMuch(`${mostNameLength} letters of names`)
    if (++this.#named > mostNamed) throw tooMuch(`${mostNamed} distinct names of functions`)
    const index = this.#frames.push(frame) - 1
    into.set(key, index)
    return index
  }

  #addStack(caller: number, frame: number, slot: number): number {
    if (this.#length === mostStacks) throw tooMuch(`${mostStacks} distinct stacks`)
    if (this.#length * 2 === this.#stacks.length) this.#stacks = doubled(this.#stacks)
    const index = this.#length++
    this.#stacks[2 * index] = caller
    this.#stacks[2 * index + 1] = frame
    this.#slots[slot] = index + 1
    if (this.#length * 2 > this.#slots.length) this.#rehash()
    return index
  }

  #rehash(): void {
    const stacks = this.#stacks
    const slots = new Int32Array(this.#slots.length * 2)
    const mask = slots.length - 1
    for (let index = 0; index < this.#length; index++) {
      let slot = hash(stacks[2 * index]!, stacks[2 * index + 1]!) & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = index + 1
    }
    this.#slots = slots
  }
}

function isSame(a: Frame, b: Frame): boolean {
  return a.kind === b.kind && a.module === b.module && a.file === b.file && a.line === b.line
}

function tooMuch(what: string): ProfilerError {
  return new ProfilerError('SP_LIMIT', `the profile has more than ${what}`)
}

function hash(caller: number, frame: number): number {
  // Two odd constants with well-mixed bits (golden ratio, murmur3's second), then fold the high half down.
  const mixed = Math.imul(caller, 0x9e3779b1) ^ Math.imul(frame, 0x85ebca6b)
  return mixed ^ (mixed >>> 15)
}

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(array.length * 2)
  grown.set(array)
  return grown
}
