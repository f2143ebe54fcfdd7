// What the records of a recording mean, put together: samples become stacks,
// mappings and tasks say what their addresses lie in, and everything that went
// missing is counted.
//
// Each record is met twice. When it is *read*, a sample is checked and counted,
// and a new module is told of at once, since its file may vanish with its
// process. When its *time* has come (see perf-order.ts), it takes effect.

import type { PerfAttr } from './perf-attr.ts'
import { Clock, noTime } from './perf-clock.ts'
import { Events } from './perf-events.ts'
import { addBuildId, type PerfFeatures, readFeature } from './perf-features.ts'
import { Later } from './perf-later.ts'
import { Losses } from './perf-losses.ts'
import { Modules } from './perf-modules.ts'
import { TimeOrder } from './perf-order.ts'
import {
  isUnused,
  type MmapRecord,
  type RecordBytes,
  readBuildId,
  readComm,
  readKsymbol,
  readMmap,
  readTask,
  recordType,
  type TaskRecord,
  text,
  uint64,
} from './perf-records.ts'
import { entry, type SampleShape, writeSample } from './perf-sample.ts'
import { type RootFrame, Stacks } from './perf-stacks.ts'
import { noCounts, type PerfCounts, type PerfDataSummary, reportSummary } from './perf-summary.ts'
import { isSwitchEntry, isSwitchOut, switchKind, switchTime, writeSwitch } from './perf-switches.ts'
import { Tasks, type Thread } from './perf-tasks.ts'
import { Unwinding } from './perf-unwinding.ts'
import { type Waiting, type Window, waitingOf } from './perf-waiting.ts'
import type { Module, ProfileBuilder } from './profile.ts'
import type { UserUnwinder } from './user-stack.ts'

export interface PerfDataOptions {
  /** What is mapped before the first record: perf says it later, or not at all. */
  readonly mapped?: readonly MmapRecord[]
  /** Called once for each module of a process, as soon as its record is read. */
  readonly onModule?: (module: Module) => void
  /** Called once for each module in which an address was sampled, the kernel among them. */
  readonly onUse?: (module: Module) => void
  /** Walks user stacks that were copied; without one they are one frame. */
  readonly unwinder?: UserUnwinder
  /** Default: `thread`. */
  readonly rootFrame?: RootFrame
  /** Of all samples, those of this time, on perf's clock: the end is not in it. */
  readonly between?: Window
}

export class Session {
  readonly features: PerfFeatures = { events: [], buildIds: [] }
  readonly #builder: ProfileBuilder
  readonly #modules: Modules
  readonly #tasks = new Tasks()
  readonly #stacks: Stacks
  readonly #order = new TimeOrder((words, at) => this.#happen(words, at))
  readonly #events = new Events()
  /** Where switches of threads were recorded: see perf-waiting.ts. */
  #waiting: Waiting | undefined
  readonly #unwinding: Unwinding | undefined
  readonly #later = new Later()
  readonly #between: Window | undefined
  readonly #shape: SampleShape = { depth: 0, userDepth: 0 }
  readonly #clock = new Clock()
  readonly #counts = noCounts()
  readonly #losses = new Losses()
  #unknownRecords = 0
  #refused = 0

  constructor(builder: ProfileBuilder, options: PerfDataOptions) {
    this.#builder = builder
    this.#modules = new Modules(options.onModule ?? (() => {}))
    const { rootFrame = 'thread', onUse = () => {}, mapped = [], unwinder, between } = options
    this.#between = between
    this.#unwinding = unwinder && new Unwinding(unwinder)
    this.#stacks = new Stacks(builder, this.#modules, rootFrame, onUse)
    for (const record of mapped) {
      const mapping = this.#modules.mapping(record)
      if (mapping !== undefined) this.#tasks.process(record.pid).space.map(mapping)
    }
  }

  /** Describes an event, before its samples come. */
  addEvent(attr: PerfAttr, ids: readonly number[]): void {
    if (!this.#events.add(attr, ids)) this.#counts.malformedRecords++
    this.#waiting = waitingOf(this.#events.list, this.#waiting, this.#builder, thread =>
      this.#stacks.rootOf(thread),
    )
  }

  /** What has been counted so far. */
  get counts(): Readonly<PerfCounts> {
    return this.#counts
  }

  get hasEvents(): boolean {
    return this.#events.list.length > 0
  }

  /** No sample has been read yet. */
  get isEmpty(): boolean {
    return this.#clock.isEmpty && this.#events.samples === 0
  }

  /** A record that should have said something cannot be read. */
  countMalformed(): void {
    this.#counts.malformedRecords++
  }

  /** Takes one record, as it is read. */
  take(from: RecordBytes, at: number, size: number): void {
    const type = from.words[at >> 2]!
    if (type === recordType.sample) this.#takeSample(from, at, size)
    else if (type === recordType.finishedRound) this.#order.round()
    else if (
      !this.#takeTask(type, from, at, size) &&
      !this.#takeDescription(type, from, at, size)
    ) {
      this.#count(type, from.words, at, size)
    }
  }

  /** Hands everything to the builder, and says what was seen. `window` is on perf's clock. */
  end(form: 'file' | 'pipe', isTruncated: boolean, window?: Window): PerfDataSummary {
    this.#order.end()
    this.#modules.identify(this.features.buildIds)
    return this.#report(this.#builder, this.#waiting, { form, isTruncated }, window)
  }

  /**
   * What has taken effect so far, in a builder of its own: reading goes on as if nobody had asked.
   * Records of the last two rounds are not in it, for they still wait for their time.
   */
  snapshot(): { readonly builder: ProfileBuilder; readonly summary: PerfDataSummary } {
    let builder: ProfileBuilder | undefined
    const copy = () => {
      builder = this.#builder.copy()
      return builder
    }
    const waiting = this.#waiting?.copy(copy, this.#tasks.threads)
    builder ??= copy()
    const summary = this.#report(builder, waiting, { form: 'pipe', isTruncated: false })
    // Samples that still wait are not counted, so their time is not either.
    const lastSampleNs = this.#clock.lastSampleUntil(this.#order.handedOn)
    return { builder, summary: { ...summary, lastSampleNs } }
  }

  #report(
    builder: ProfileBuilder,
    waits: Waiting | undefined,
    end: Pick<PerfDataSummary, 'form' | 'isTruncated'>,
    window?: Window,
  ): PerfDataSummary {
    this.#events.describe(this.features.events)
    const { perfVersion, kernelRelease, architecture, cpus } = this.features
    const { baseNs, firstSampleNs, lastSampleNs } = this.#clock
    const waiting = waits?.end(
      this.#tasks.threads,
      window && { startNs: window.startNs - baseNs, endNs: window.endNs - baseNs },
    )
    const { oneFrameUserStacks } = this.#counts
    const summary: PerfDataSummary = {
      ...end,
      events: this.#events.summaries,
      samples: this.#events.samples,
      hasStacks: this.#events.hasStacks || (this.#unwinding?.stacks ?? 0) > 0,
      firstSampleNs,
      lastSampleNs,
      cpus,
      perfVersion,
      kernelRelease,
      architecture,
      lost: this.#losses.samples,
      ...this.#counts,
      oneFrameUserStacks: oneFrameUserStacks + (this.#unwinding?.oneFrame ?? 0),
      processes: this.#tasks.sampled.map(({ pid, comm, samples }) => ({
        pid,
        comm: comm ?? `:${pid}`,
        samples,
      })),
      outOfOrder: this.#order.late,
      unknownRecords: this.#unknownRecords,
      refusedMappings: this.#modules.refused + this.#refused,
      droppedTasks: this.#tasks.dropped,
      overflowingFrames: this.#stacks.overflow,
      ...(waiting !== undefined && { waiting }),
      ...(this.#unwinding !== undefined &&
        this.#unwinding.stacks > 0 && { unwound: { ...this.#unwinding.counts } }),
    }
    reportSummary(builder, summary, this.#events.copyUserStacks && this.#unwinding === undefined)
    this.#events.putInto(builder)
    return summary
  }

  #takeSample(from: RecordBytes, at: number, size: number): void {
    const { words } = from
    const start = at >> 2
    const index = this.#events.ofSample(words, start, size)
    const event = this.#events.list[index]
    if (event === undefined) {
      this.#counts.strangeSamples++
      return
    }
    const { attr } = event
    const { format } = attr
    const shape = this.#shape
    const isUnwound = attr.copiesUserStack && this.#unwinding !== undefined
    if (!writeSample(this.#order, index, format, from, at, size, shape, isUnwound)) {
      this.#counts.malformedSamples++
      return
    }
    const time = format.time < 0 ? noTime : this.#clock.at(words, start + format.time)
    if (!this.#isWanted(time)) return
    if (shape.depth >= attr.maxStack) this.#counts.truncatedStacks++
    if (shape.userDepth > 0) this.#counts.userStacks++
    this.#counts.userFrames += shape.userDepth
    if (shape.userDepth === 1 && !isUnwound) this.#counts.oneFrameUserStacks++
    if (time === noTime) {
      this.#order.pass()
      return
    }
    this.#clock.sampled(time)
    this.#order.add(time)
  }

  #isWanted(time: number): boolean {
    if (this.#between === undefined) return true
    const atNs = this.#clock.baseNs + time
    return time !== noTime && atNs >= this.#between.startNs && atNs < this.#between.endNs
  }

  /** What maps, names, starts and ends. False if the record is none of those. */
  #takeTask(type: number, from: RecordBytes, at: number, size: number): boolean {
    switch (type) {
      case recordType.mmap:
      case recordType.mmap2:
        this.#takeMmap(from, at, size)
        return true
      case recordType.ksymbol:
        this.#takeKsymbol(from, at, size)
        return true
      case recordType.comm: {
        const record = readComm(from, at, this.#bodyEnd(from.words, at, size))
        if (record?.isExec) this.#modules.forget(record.pid)
        this.#when(from.words, at, size, record && (() => this.#tasks.comm(record)))
        return true
      }
      case recordType.fork: {
        const record = readTask(from, at, at + size)
        if (record && record.pid !== record.parentPid) this.#modules.forget(record.pid)
        const time = this.#timeOfRecord(from.words, at, size)
        const act = (task: TaskRecord) => {
          this.#tasks.fork(task)
          if (time !== noTime) this.#waiting?.fork(this.#tasks.thread(task.pid, task.tid), time)
        }
        this.#when(from.words, at, size, record && (() => act(record)))
        return true
      }
      case recordType.exit: {
        const record = readTask(from, at, at + size)
        const time = this.#timeOfRecord(from.words, at, size)
        const act = (task: TaskRecord) => {
          if (time !== noTime) this.#waiting?.exit(this.#tasks.thread(task.pid, task.tid), time)
          this.#tasks.exit(task)
        }
        this.#when(from.words, at, size, record && (() => act(record)))
        return true
      }
      default:
        return false
    }
  }

  /** What the recording says about itself. False if the record is none of that. */
  #takeDescription(type: number, from: RecordBytes, at: number, size: number): boolean {
    const { bytes, words } = from
    if (type === recordType.buildId) {
      const record = readBuildId(bytes, at, at + size)
      if (record !== undefined) addBuildId(this.features, record)
    } else if (type === recordType.feature && size >= 16) {
      readFeature(this.features, words[(at >> 2) + 2]!, bytes.subarray(at + 16, at + size))
    } else if (type === recordType.eventUpdate && size >= 24) {
      this.#takeEventUpdate(from, at, size)
    } else return false
    return true
  }

  #takeMmap(from: RecordBytes, at: number, size: number): void {
    const record = readMmap(from, at, this.#bodyEnd(from.words, at, size))
    if (record === undefined) {
      this.#counts.malformedRecords++
      return
    }
    const { pid, isKernel, isData, start, end } = record
    // Made now, not in its time: the file may be gone by then.
    const mapping = isData ? undefined : this.#modules.mapping(record)
    this.#when(from.words, at, size, () => {
      const process = isKernel ? undefined : this.#tasks.process(pid)
      const space = process?.space ?? this.#stacks.kernelSpace
      const isNew = !space.isUsed(start, end)
      if (mapping === undefined) space.unmap(start, end)
      else if (!space.map(mapping)) this.#refused++
      this.#stacks.changed(process, isNew)
    })
  }

  #takeKsymbol(from: RecordBytes, at: number, size: number): void {
    const record = readKsymbol(from, at, this.#bodyEnd(from.words, at, size))
    const mapping = record && !record.isGone ? this.#modules.symbol(record) : undefined
    const act =
      record &&
      (() => {
        if (mapping === undefined) this.#stacks.kernelSpace.unmap(record.start, record.end)
        else this.#stacks.kernelSpace.map(mapping)
        this.#stacks.changed(undefined, false)
      })
    this.#when(from.words, at, size, act)
  }

  /** EVENT_UPDATE: u64 kind, u64 id, then for kind 2 the event's name. */
  #takeEventUpdate({ bytes, words }: RecordBytes, at: number, size: number): void {
    const word = at >> 2
    if (words[word + 2] !== 2) return
    const id = uint64(words[word + 4]!, words[word + 5]!)
    this.#events.rename(id, text(bytes, at + 24, at + size))
  }

  /** Records that only count. */
  #count(type: number, words: Int32Array, at: number, size: number): void {
    const counts = this.#counts
    if (type === recordType.switch || type === recordType.switchCpuWide) {
      if (isSwitchOut(words[(at >> 2) + 1]!)) counts.switchesOut++
      else counts.switchesIn++
      this.#takeSwitch(words, at, size)
    } else if (type === recordType.throttle) counts.throttles++
    else if (type === recordType.unthrottle) counts.unthrottles++
    else if (type === recordType.callchainDeferred) counts.deferredStacks++
    else {
      const hasTime = () => this.#timeOfRecord(words, at, size) !== noTime
      if (!this.#losses.take(words, at, size, hasTime) && !isUnused(type)) this.#unknownRecords++
    }
  }

  /** A thread has left its core, or come back to one: what waits needs to know, in its time. */
  #takeSwitch(words: Int32Array, at: number, size: number): void {
    const format = this.#events.ofTrailer(words, at, size)
    const time = this.#timeOfRecord(words, at, size)
    if (this.#waiting === undefined || format === undefined || time === noTime) return
    if (words[at >> 2] === recordType.switchCpuWide) this.#waiting.isMachineWide = true
    writeSwitch(this.#order, format, words, at, size, time)
  }

  /** Lets something happen in a record's time, or counts it as malformed. */
  #when(words: Int32Array, at: number, size: number, act: (() => void) | undefined): void {
    if (act === undefined) {
      this.#counts.malformedRecords++
      return
    }
    const time = this.#timeOfRecord(words, at, size)
    if (time === noTime) {
      act()
      return
    }
    this.#later.add(this.#order, time, act)
  }

  /** An entry's time has come. */
  #happen(words: Int32Array, at: number): void {
    const index = words[at + entry.event]!
    if (isSwitchEntry(index)) {
      this.#switch(words, at)
      return
    }
    if (index < 0) {
      this.#later.happen(index)
      return
    }
    const event = this.#events.list[index]!
    const { attr, weights } = event
    const thread = this.#tasks.thread(words[at + entry.pid]!, words[at + entry.tid]!)
    this.#tasks.sample(thread.process)
    const chain = at + entry.chain
    const length = words[at + entry.chainWords]!
    const stack =
      attr.copiesUserStack && this.#unwinding !== undefined
        ? this.#unwound(this.#unwinding, attr, thread, words, chain, length)
        : this.#stacks.stack(thread, words, chain, length)
    // Where samples do not say their period it was fixed beforehand.
    const period =
      attr.format.period < 0
        ? (attr.period ?? 1)
        : uint64(words[at + entry.period]!, words[at + entry.period + 1]!)
    if (weights.isCountOnly) this.#waiting!.sample(event, thread, stack, period)
    else weights.add(stack, period)
  }

  #unwound(
    unwinding: Unwinding,
    attr: PerfAttr,
    thread: Thread,
    words: Int32Array,
    at: number,
    length: number,
  ): number {
    const made = unwinding.chain(attr, thread.process, words, at, length)
    return this.#stacks.stack(thread, unwinding.words, 0, made)
  }

  #switch(words: Int32Array, at: number): void {
    const thread = this.#tasks.thread(words[at + entry.pid]!, words[at + entry.tid]!)
    const time = switchTime(words, at)
    const kind = switchKind(words, at)
    if (kind === 'in') this.#waiting!.in(thread, time)
    else this.#waiting!.out(thread, time, kind === 'preempted')
  }

  /** Where a record's own fields end. */
  #bodyEnd(words: Int32Array, at: number, size: number): number {
    const trailer = (this.#events.ofTrailer(words, at, size)?.trailerWords ?? 0) * 4
    return Math.max(at + size - trailer, at)
  }

  #timeOfRecord(words: Int32Array, at: number, size: number): number {
    return this.#clock.ofRecord(words, at, size, this.#events.ofTrailer(words, at, size))
  }
}
