// NetTrace: what the event pipe of a .NET runtime streams, and dotnet-trace
// writes into a `.nettrace`.
//
// https://github.com/microsoft/perfview/blob/main/src/TraceEvent/EventPipe/NetTraceFormat_v5.md
//
// The runtime's sample profiler stops all managed threads at every tick, and
// writes one event for each: its stack, and whether it ran managed code or was
// outside of it. "Outside" is native code as much as waiting, which the runtime
// does not tell apart. So on-CPU is the managed samples alone, and what native
// code, the kernel and the garbage collector use is missing there; and a thread
// that wants to run but has no core is in it. Wall-clock is all, with a leaf that
// says what is not known.
//
// It is read as it comes, in any pieces. Names are at the end of a stream (the
// rundown), so the builder gets everything when it has ended. Stacks hold managed
// methods only.

import { EventBlock, type EventMetadata, readMetadata, readText } from './nettrace-events.ts'
import { NettraceLosses } from './nettrace-losses.ts'
import { type Method, Methods, methodName, readMethod } from './nettrace-methods.ts'
import { type NettraceObject, NettraceObjects } from './nettrace-objects.ts'
import { NettraceOrder } from './nettrace-order.ts'
import { type HeldStack, NettraceStacks } from './nettrace-stacks.ts'
import { type NettraceSummary, reportNettrace, SampleTimes } from './nettrace-summary.ts'
import { type Frame, type Module, noCaller, type Profile, ProfileBuilder } from './profile.ts'

export { detectNettrace } from './nettrace-objects.ts'
export type { NettraceSummary }

export interface NettraceOptions {
  /** `cpu`: only samples in managed code, as is the default. `wall`: all. */
  readonly mode?: 'cpu' | 'wall'
  /** Puts each thread's samples under a frame of its own. */
  readonly threads?: boolean
  /** Names of threads by the ids that the target knows them by: the format has none. */
  readonly threadNames?: ReadonlyMap<number, string>
}

export interface NettraceReader {
  /** @throws {ProfilerError} `SP_NETTRACE_MALFORMED` if it is no NetTrace; not for what is damaged later. */
  push(chunk: Uint8Array): void
  /**
   * What has been read so far, as a copy that reading on does not change. Methods that were compiled
   * before the trace began have their names at its end only: until then their frames are addresses.
   */
  snapshot(): { readonly profile: Profile; readonly summary: NettraceSummary }
  /**
   * Hands the samples to the builder. To be called once, when no more will come.
   *
   * @throws {ProfilerError} `SP_NETTRACE_MALFORMED` if there was not even a description of the trace
   */
  end(): NettraceSummary
  /** The methods that were told of so far, for naming what another tool sampled. */
  readonly methods: Methods
  /** The path of a method's assembly, as the target has it. */
  modulePath(module: number): string | undefined
}

/** Reads a stream into `builder`, chunk by chunk. */
export function nettraceReader(
  builder: ProfileBuilder,
  options: NettraceOptions = {},
): NettraceReader {
  return new Reader(builder, options)
}

/**
 * Reads a whole `.nettrace`.
 *
 * One that is cut off gives what came before; its methods may have no names then.
 *
 * @throws {ProfilerError} `SP_NETTRACE_MALFORMED`
 */
export async function readNettrace(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  builder: ProfileBuilder,
  options: NettraceOptions = {},
): Promise<NettraceSummary> {
  const reader = nettraceReader(builder, options)
  for await (const chunk of chunks) reader.push(chunk)
  return reader.end()
}

type MethodKind = 'load' | 'unload' | 'rundown'
type Kind = 'sample' | 'module' | MethodKind | undefined

/** What has to be in the order of time: code is sampled, put somewhere, and thrown away. */
type Ordered =
  | { readonly stack: HeldStack; readonly isOutside: boolean; readonly thread: number }
  | { readonly method: Method; readonly isGone: boolean }

/** The events that matter here, of the hundreds that a stream may have. */
const kinds: ReadonlyMap<string, Kind> = new Map([
  ['Microsoft-DotNETCore-SampleProfiler 0', 'sample'],
  ['Microsoft-Windows-DotNETRuntime 143', 'load'],
  ['Microsoft-Windows-DotNETRuntime 144', 'unload'],
  ['Microsoft-Windows-DotNETRuntime 152', 'module'],
  // Of what was there at the start of the rundown, or at its end.
  ['Microsoft-Windows-DotNETRuntimeRundown 143', 'rundown'],
  ['Microsoft-Windows-DotNETRuntimeRundown 144', 'rundown'],
  ['Microsoft-Windows-DotNETRuntimeRundown 153', 'module'],
  ['Microsoft-Windows-DotNETRuntimeRundown 154', 'module'],
])

/** What a thread was doing, as a sample says: the payload's first number. */
const errorSample = 0
const externalSample = 1
const managedSample = 2

const outside: Frame = { name: '[native or waiting]', kind: 'native' }
const unnamed: Frame = { name: '[unknown]', kind: 'unknown', reason: 'unnamed by the tool' }

/** All code of the process: where which of it is mapped is nothing that a trace tells. */
const managedCode: Module = {
  kind: 'anonymous',
  path: '[managed code]',
  pid: -1,
  start: 0,
  end: 2 ** 48,
  fileOffset: 0,
}

function addressAt(value: number): Frame | undefined {
  if (value < 0) return undefined
  // The call before a return address is what was looked up: see `NettraceStacks`.
  const address = { module: managedCode, value, isReturn: false }
  return { name: managedCode.path, kind: 'unknown', address }
}

// A runtime has some hundred kinds of event; a large service some hundred assemblies.
const maxKinds = 1 << 16
const maxModules = 1 << 18
const maxPath = 4096

/** Of the Trace object, behind the date: see `NettraceObjects`. */
interface Trace {
  readonly ticksPerSecond: number
  readonly pointerSize: number
  readonly pid: number
  readonly processors: number
}

class Reader implements NettraceReader {
  readonly methods = new Methods()
  readonly #builder: ProfileBuilder
  readonly #options: NettraceOptions
  readonly #objects = new NettraceObjects(object => this.#take(object))
  readonly #order = new NettraceOrder<Ordered>(item => this.#takeOrdered(item))
  readonly #losses = new NettraceLosses()
  readonly #times = new SampleTimes()
  readonly #kinds = new Map<number, Kind>()
  readonly #modules = new Map<number, string>()
  readonly #counts = {
    managedSamples: 0,
    externalSamples: 0,
    errorSamples: 0,
    samplesWithoutStack: 0,
    cutStacks: 0,
    damagedBlocks: 0,
    unknownObjects: 0,
    hasRundown: false,
  }
  #trace: Trace = { ticksPerSecond: 1e9, pointerSize: 8, pid: 0, processors: 0 }
  #stacks = new NettraceStacks(8)

  constructor(builder: ProfileBuilder, options: NettraceOptions) {
    this.#builder = builder
    this.#options = options
  }

  push(chunk: Uint8Array): void {
    this.#objects.push(chunk)
  }

  modulePath(module: number): string | undefined {
    return this.#modules.get(module)
  }

  end(): NettraceSummary {
    this.#objects.end()
    this.#order.all()
    const { brokenAt, isComplete } = this.#objects
    return this.#report(this.#builder, { isTruncated: !isComplete, brokenAt }, () => undefined)
  }

  snapshot(): { profile: Profile; summary: NettraceSummary } {
    const builder = new ProfileBuilder()
    const { brokenAt } = this.#objects
    const summary = this.#report(builder, { isTruncated: false, brokenAt }, addressAt)
    return { profile: builder.build(), summary }
  }

  #report(
    builder: ProfileBuilder,
    end: Pick<NettraceSummary, 'isTruncated' | 'brokenAt'>,
    frameAt: (avma: number) => Frame | undefined,
  ): NettraceSummary {
    this.#build(builder, frameAt)
    const summary: NettraceSummary = {
      ...this.#counts,
      pid: this.#trace.pid,
      processors: this.#trace.processors,
      ...this.#times.summary(1e9 / this.#trace.ticksPerSecond),
      lostSamples: this.#losses.lost.samples,
      lostEvents: this.#losses.lost.others,
      methods: this.methods.size,
      refusedMethods: this.methods.refused,
      refusedStackBlocks: this.#stacks.refusedBlocks,
      unfollowedMethods: this.#stacks.places.unfollowed,
      ...end,
    }
    reportNettrace(builder, summary, this.#options.mode ?? 'cpu')
    return summary
  }

  #take({ name, payload }: NettraceObject): void {
    if (name === 'EventBlock') this.#takeEvents(payload)
    else if (name === 'StackBlock') this.#damaged(this.#stacks.hold(payload))
    else if (name === 'MetadataBlock') this.#takeMetadata(payload)
    else if (name === 'SPBlock') {
      this.#damaged(this.#losses.sequencePoint(payload))
      this.#order.all()
      this.#stacks.forget()
    } else if (name === 'Trace') this.#takeTrace(payload)
    else this.#counts.unknownObjects++
  }

  #damaged(isGood: boolean): void {
    if (!isGood) this.#counts.damagedBlocks++
  }

  #takeTrace(payload: Buffer): void {
    const ticksPerSecond = Number(payload.readBigInt64LE(24))
    const pointerSize = payload.readUInt32LE(32) === 4 ? 4 : 8
    this.#trace = {
      ticksPerSecond: ticksPerSecond > 0 ? ticksPerSecond : 1e9,
      pointerSize,
      pid: payload.readUInt32LE(36),
      processors: payload.readUInt32LE(40),
    }
    this.#stacks = new NettraceStacks(pointerSize)
  }

  #takeMetadata(payload: Buffer): void {
    const block = new EventBlock(payload)
    while (block.next()) {
      const metadata = readMetadata(block.payload)
      if (metadata === undefined) this.#damaged(false)
      else if (this.#kinds.size < maxKinds) this.#kinds.set(metadata.id, this.#kindOf(metadata))
    }
    this.#damaged(!block.isDamaged)
  }

  #kindOf({ provider, eventId }: EventMetadata): Kind {
    return kinds.get(`${provider} ${eventId}`)
  }

  #takeEvents(payload: Buffer): void {
    const block = new EventBlock(payload)
    let sortedTo = Number.NEGATIVE_INFINITY
    while (block.next()) {
      const kind = this.#kinds.get(block.metadataId)
      this.#losses.event(block.captureThread, block.sequence, kind === 'sample')
      if (kind === 'sample') this.#takeSample(block)
      else if (kind === 'module') this.#takeModule(block.payload)
      else if (kind !== undefined) this.#takeMethod(kind, block)
      if (block.isSorted) sortedTo = block.timestamp
    }
    this.#order.upTo(sortedTo)
    this.#damaged(!block.isDamaged)
  }

  #takeSample(block: EventBlock): void {
    const { payloadAt, payloadEnd, bytes } = block
    const type = payloadEnd - payloadAt >= 4 ? bytes.readUInt32LE(payloadAt) : errorSample
    this.#times.add(block.thread, block.timestamp)
    if (type === managedSample) this.#counts.managedSamples++
    else if (type === externalSample) this.#counts.externalSamples++
    else this.#counts.errorSamples++
    const isOutside = type === externalSample
    if (type !== managedSample && !(isOutside && this.#options.mode === 'wall')) return
    const stack = this.#stacks.find(block.stackId)
    if (stack === undefined) {
      this.#counts.samplesWithoutStack++
      return
    }
    if (this.#stacks.isCut(stack)) this.#counts.cutStacks++
    this.#order.add(block.timestamp, { stack, isOutside, thread: block.thread })
  }

  #takeMethod(kind: MethodKind, block: EventBlock): void {
    // A copy: the block that it stands in would be kept for it.
    const method = readMethod(Buffer.from(block.payload))
    if (kind === 'rundown') this.#counts.hasRundown = true
    if (method !== undefined)
      this.#order.add(block.timestamp, { method, isGone: kind === 'unload' })
  }

  #takeOrdered(item: Ordered): void {
    if ('stack' in item) {
      const root = this.#options.threads === true ? this.#threadFrame(item.thread) : undefined
      this.#stacks.add(item.stack, item.isOutside, root)
    } else if (item.isGone) {
      this.#stacks.places.bind(item.method)
      this.methods.remove(item.method)
    } else this.methods.add(item.method)
  }

  #threadFrame(thread: number): Frame {
    const name = this.#options.threadNames?.get(thread)
    return { name: `thread (${thread})${name === undefined ? '' : `: ${name}`}`, kind: 'thread' }
  }

  /** u64 module, u64 assembly, u32 flags, u32 reserved, the path of its IL, … */
  #takeModule(payload: Buffer): void {
    const path = readText(payload.subarray(0, 24 + 2 * maxPath), 24)?.text
    if (!path || this.#modules.size >= maxModules) return
    this.#modules.set(Number(payload.readBigUInt64LE(0)), path)
  }

  /** Gives names to the places, and the paths to the builder, callers before callees. */
  #build(builder: ProfileBuilder, frameAt: (avma: number) => Frame | undefined): void {
    const column = builder.column(this.#options.mode ?? 'cpu', 'samples')
    const { paths, frames } = this.#stacks.build(this.methods, frameAt)
    const known = new Map<Method | Frame | undefined, number>()
    const named = frames.map(each => {
      let frame = known.get(each)
      if (frame === undefined) {
        frame = builder.frame(this.#frameOf(each))
        known.set(each, frame)
      }
      return frame
    })
    const [managed, external] = paths.columns
    const { length, caller, frame } = paths.stacks
    const moved = new Int32Array(length)
    for (let index = 0; index < length; index++) {
      const under = caller[index] === noCaller ? noCaller : moved[caller[index]!]!
      const stack = builder.stack(under, named[frame[index]!]!)
      moved[index] = stack
      if (managed!.self[index]! > 0) builder.add(stack, column, managed!.self[index]!)
      if (external!.self[index]! > 0) {
        const leaf = builder.stack(stack, builder.frame(outside))
        builder.add(leaf, column, external!.self[index]!)
      }
    }
  }

  #frameOf(each: Method | Frame | undefined): Frame {
    if (each === undefined) return unnamed
    if ('kind' in each) return each
    const module = this.#modules.get(each.module)
    const name = methodName(each)
    return module === undefined ? { name, kind: 'jit' } : { name, kind: 'jit', module }
  }
}
