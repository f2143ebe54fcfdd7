// Frames for addresses that have no name yet.
//
// A frame in a file is that file and an offset in it, so that all processes
// which run the code share it. A frame in anonymous code is one process's, at
// an address: what lies there in another one has nothing to do with it. Names
// come later (`symbolize`); until then a frame is called after its file alone.
//
// What is mapped nowhere is one frame, whatever the number. Such words come
// from walking a stack without frame pointers: they are the program's data, not
// its code, so they tell nothing, are different each time (half of the frames of
// a busy machine's recording), and may be part of what nobody should read.

import { AddressSpace, copyBudget, type Mapping } from './address-space.ts'
import { AddressTable } from './perf-addresses.ts'
import type { Modules } from './perf-modules.ts'
import { context, int64 } from './perf-records.ts'
import type { Process } from './perf-tasks.ts'
import type { Address, Frame, Module, ProfileBuilder } from './profile.ts'

// Six times what a busy machine shows in half a minute. Without an end, a
// recording of nothing but different addresses would take 30 times its size.
const mostFrames = 262_144

const oneTooMany: Frame = {
  name: '[too many addresses]',
  kind: 'unknown',
  reason: 'unnamed by the tool',
}

const unmapped: Frame = { name: '[unmapped]', kind: 'unknown', reason: 'not mapped' }

/** Added to a context's marker (they are even) for an address that a call returns to. */
export const isReturn = 1

export class Frames {
  /** What is mapped in the kernel, with the names that records give. */
  readonly kernel = {
    space: new AddressSpace(copyBudget()),
    frames: new AddressTable(),
    changes: 0,
  }
  /** Addresses that were too many to keep apart, each time that they were seen. */
  overflow = 0
  readonly #builder: ProfileBuilder
  readonly #modules: Modules
  readonly #whenUsed: (module: Module) => void
  readonly #outside = new Map<number, { module: Module; frames: AddressTable }>()
  readonly #byModule = new Map<Module, { name: string; frames: AddressTable }>()
  #count = 0
  #unmappedFrame = -1

  /** `whenUsed` is called with each module that an address is first found in. */
  constructor(builder: ProfileBuilder, modules: Modules, whenUsed: (module: Module) => void) {
    this.#builder = builder
    this.#modules = modules
    this.#whenUsed = whenUsed
  }

  /** The table of the addresses that follow a context's marker. */
  table(process: Process, whose: number): AddressTable {
    if (whose === context.kernel) return this.kernel.frames
    return outside.has(whose) ? this.#outsideOf(whose).frames : process.frames
  }

  /** The frame of an address that is in no table yet. `tag` is its context, with `isReturn`. */
  add(process: Process, tag: number, low: number, high: number): number {
    if (this.#count >= mostFrames) {
      this.overflow++
      return this.#builder.frame(oneTooMany)
    }
    const frame = this.#find(process, tag, low, high)
    // Not worth its place in the table: it will hardly be seen again.
    if (frame === undefined) return this.#unmapped()
    this.table(process, tag - (tag & isReturn)).set(low, high, tag, frame)
    return frame
  }

  /** Undefined for what is mapped nowhere. */
  #find(process: Process, tag: number, low: number, high: number): number | undefined {
    const address = int64(low, high)
    // No program has such an address.
    if (!Number.isSafeInteger(address)) return undefined
    const back = tag & isReturn
    const whose = tag - back
    if (whose === context.kernel) return this.#inKernel(address, back)
    if (outside.has(whose)) return this.#at(this.#outsideOf(whose).module, address, back)
    return this.#inProcess(process, address, back)
  }

  #unmapped(): number {
    if (this.#unmappedFrame < 0) this.#unmappedFrame = this.#builder.frame(unmapped)
    return this.#unmappedFrame
  }

  #inKernel(address: number, back: number): number {
    const mapping = this.kernel.space.find(address - back)
    // The kernel is always mapped somewhere: what no record covers is its image.
    if (mapping === undefined) return this.#at(this.#modules.kernelImage(), address, back)
    const { module, symbol } = mapping
    return symbol === undefined
      ? this.#at(module, address, back)
      : this.#builder.frame({ name: symbol, kind: 'kernel', module: module.path })
  }

  #inProcess(process: Process, address: number, back: number): number | undefined {
    const { pid } = process
    // The call itself is before the address, where another mapping may end.
    const mapping = mappingAt(process, address - back)
    if (mapping === undefined) return undefined
    const { module, start, fileOffset } = mapping
    if (module.kind === 'file') return this.#at(module, address - start + fileOffset, back)
    // Code that a fork took over is its own now: its perf map may name it otherwise than the parent's.
    const isOwn = module.pid === pid
    const own = isOwn ? module : this.#modules.own(pid, module.kind, module.path, module)
    return this.#at(own, address, back)
  }

  #at(module: Module, value: number, back: number): number {
    let known = this.#byModule.get(module)
    if (known === undefined) {
      known = { name: fileName(module.path), frames: new AddressTable() }
      this.#byModule.set(module, known)
      this.#whenUsed(module)
    }
    const high = Math.floor(value / 0x1_0000_0000)
    const low = (value - high * 0x1_0000_0000) | 0
    let frame = known.frames.get(low, high, back)
    if (frame < 0) {
      const address = { module, value, isReturn: back === isReturn }
      frame = this.#builder.frame(unnamed(known.name, address))
      this.#count++
      known.frames.set(low, high, back, frame)
    }
    return frame
  }

  #outsideOf(whose: number): { module: Module; frames: AddressTable } {
    let found = this.#outside.get(whose)
    if (found === undefined) {
      const path = outside.get(whose)!
      const module: Module = { kind: 'unmapped', path, pid: -1, start: 0, end: 0, fileOffset: 0 }
      found = { module, frames: new AddressTable() }
      this.#outside.set(whose, found)
    }
    return found
  }
}

// Whose addresses are neither the kernel's nor a process's.
const outside = new Map<number, string>([
  [context.hypervisor, '[hypervisor]'],
  [context.guest, '[guest]'],
  [context.guestKernel, '[guest kernel]'],
  [context.guestUser, '[guest user]'],
])

function mappingAt(process: Process, address: number): Mapping | undefined {
  const mapping = process.space.find(address)
  if (process.before === undefined) return mapping
  if (mapping === undefined) return process.before.find(address)
  process.before = undefined
  process.frames.clear()
  process.changes++
  return mapping
}

function unnamed(name: string, address: Address): Frame {
  const { kind, path } = address.module
  if (kind === 'kernel') return { name, kind: 'kernel', module: path, address }
  const reason =
    kind === 'unmapped' ? 'not mapped' : kind === 'anonymous' ? 'JIT without map' : 'no symbols'
  return { name, kind: 'unknown', module: path, address, reason }
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1) || path
}
