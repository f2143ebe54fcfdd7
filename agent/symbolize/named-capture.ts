// Captures a living target and names what was seen while it still lives.
//
// Capture, reading and naming are one thing in time: files are opened when perf
// tells of their mapping, the target's CPU time is metered beside the samples,
// and when a tool fails before it has given anything, the next one has its turn.

import {
  type CaptureEnd,
  type CaptureSignals,
  monotonicMs,
  type Progress,
} from '../capture/capture.ts'
import type { RawFile } from '../capture/keep-raw.ts'
import { startCounting } from '../capture/perf-stat.ts'
import { readToolVersion } from '../capture/run.ts'
import { ProfilerError } from '../errors.ts'
import { weightOf } from '../profile/call-tree.ts'
import { mergeNative } from '../profile/merge-native.ts'
import type { NettraceSummary } from '../profile/nettrace.ts'
import { type Counters, counterEvents, readPerfStat } from '../profile/perf-stat.ts'
import type { PerfDataSummary } from '../profile/perf-summary.ts'
import type { Module, Profile } from '../profile/profile.ts'
import type { Snapshot } from '../profile/read-segments.ts'
import type { CaptureDescription } from '../runtimes/runtime.ts'
import { startCpuMeter } from '../target/cpu-meter.ts'
import { checkSame, type Target } from '../target/find.ts'
import { methodsNow, withMethodNames } from './method-names.ts'
import { moduleFiles } from './module-files.ts'
import { discarded, type WhenBegun } from './sample.ts'
import { sampleWithCallers, unwindingRemarks } from './sample-anew.ts'
import { type NameSources, nameSources, type UsedSource } from './sources.ts'
import { symbolize } from './symbolize.ts'
import type { ModuleSymbols } from './symbols.ts'
import type { Glance, Watch } from './watch.ts'

export interface NamedCapture {
  readonly description: CaptureDescription
  readonly toolVersion: string
  readonly profile: Profile
  readonly perf: PerfDataSummary | undefined
  readonly trace: NettraceSummary | undefined
  readonly end: CaptureEnd
  /** Of the target, while it was sampled; undefined where nobody metered it. */
  readonly cpuSeconds: number | undefined
  readonly symbols: readonly UsedSource[]
  /** Where they were asked for. */
  readonly counters?: Counters
  /** In sentences: what went wrong on the way and did not end it. */
  readonly remarks: readonly string[]
}

/** What goes on beside the sampling. */
export interface Beside {
  /** The perf that counts; none if there are to be no counters. */
  readonly countWith?: string | undefined
  /** Shown what is sampled while it is. */
  readonly watch?: Watch | undefined
  /** Where what the tool gives is kept as it is. */
  readonly raw?: RawFile | undefined
}

/**
 * Runs the first capture; where its tool fails at the start, the next one.
 *
 * @throws {ProfilerError} what the last one failed with; `SP_CANCELLED`; `SP_NO_SAMPLES`
 */
export async function captureNamed(
  captures: readonly CaptureDescription[],
  target: Target,
  signals: CaptureSignals,
  progress: Progress,
  beside: Beside = {},
): Promise<NamedCapture> {
  const remarks: string[] = []
  const left = [...captures]
  for (let description = left.shift(); description !== undefined; ) {
    try {
      const captured = await capture(description, target, signals, progress, beside)
      return { ...captured, remarks: [...remarks, ...captured.remarks] }
    } catch (error) {
      if (!isToolFault(error)) throw error
      // A tool that is asked to stop while it starts has failed because of that.
      if (signals.stop.aborted) throw stoppedEarly()
      // A tool that another holds, or whose target does not answer, fails in its other ways of sampling too.
      const isOut = error.code === 'SP_TOOL_BUSY' || error.facts.everyWay === true
      const { tool, event } = description
      const next = left.find(
        each => (!isOut || each.tool !== tool) && (error.facts.isSilent !== true || !asks(each)),
      )
      if (next === undefined) throw error
      left.splice(0, left.indexOf(next) + 1)
      const [failed, used] =
        next.tool === tool ? [`${tool} (${event})`, `${tool} (${next.event})`] : [tool, next.tool]
      const sentence = `${failed} failed, so ${used} was used: ${error.message}`
      description = next
      remarks.push(sentence)
      progress.state('fallback', sentence)
    }
  }
  throw new ProfilerError('SP_INTERNAL', 'there was no capture to run')
}

/** Whether the runtime itself is told what to do, over a protocol that it listens to: by `asTarget`. */
function asks(description: CaptureDescription): boolean {
  return 'asTarget' in description
}

function isToolFault(error: unknown): error is ProfilerError {
  if (error instanceof ProfilerError && error.facts.isBlind === true) return true
  return (
    error instanceof ProfilerError &&
    ['SP_TOOL_FAILED', 'SP_TOOL_MISSING', 'SP_TOOL_BUSY', 'SP_NOT_PERMITTED'].includes(error.code)
  )
}

// Of so many none is no chance.
const surelySeen = 20

/** Whether a tool that gave no sample cannot see what the target does. */
function isBlindTo({ countsCpuTime, hertz }: CaptureDescription, cpuSeconds: number): boolean {
  return countsCpuTime && cpuSeconds * hertz >= surelySeen
}

async function capture(
  description: CaptureDescription,
  target: Target,
  signals: CaptureSignals,
  progress: Progress,
  { countWith, watch, raw: rawFile }: Beside,
): Promise<NamedCapture> {
  const { tool, pid, mode, hertz, durationMs } = description
  // It is said while the tool samples: py-spy thinks about it for a third of a second.
  const toolVersion = 'toolPath' in description ? readToolVersion(description.toolPath) : undefined
  // Where it fails, the capture does, and says why.
  let knownVersion = 'built in'
  toolVersion?.then(
    version => {
      knownVersion = version
    },
    () => {},
  )
  // Between the look at the target and now its pid may have been given to another.
  checkSame(target)
  const files = moduleFiles(pid)
  const names = nameSources(files)
  const counting =
    countWith === undefined ? undefined : await startCounting(countWith, pid, counterEvents)
  const meter = startCpuMeter(pid, target.startTicks)
  const seconds = durationMs / 1000
  progress.state(
    'capturing',
    `Sampling process ${pid} for ${seconds} s at ${hertz} Hz with ${tool}${mode === 'cpu' ? '' : ` (${mode})`}`,
  )
  // A runtime that names its own methods does so at the end; who looks before has it asked.
  const asksRuntime = tool === 'eventpipe' || 'methodNames' in description
  const runtime = asksRuntime ? methodsNow(pid) : undefined
  const glanced = (module: Module) => names.glance(module)
  const glanceOf = (used: CaptureDescription, beganMs: number, snapshot: Snapshot): Glance => {
    const { perf, trace, sampledMs } = snapshot
    const endedMs = monotonicMs()
    const namesNow = runtime?.over(glanced) ?? glanced
    const cpuSeconds = meter.between(
      ...samplingTime(perf ?? trace, ...(sampledMs ?? ([beganMs, endedMs] as const))),
    )
    return {
      description: used,
      toolVersion: knownVersion,
      profile: withNames(snapshot.profile, used, namesNow),
      perf,
      trace,
      cpuSeconds,
      symbols: [],
      remarks: unwindingRemarks(description, used),
      end: { startedMs: beganMs, endedMs, endedByItself: false },
    }
  }
  const whenBegun: WhenBegun = (used, snapshot) => {
    const beganMs = monotonicMs()
    watch?.show({
      description: used,
      beganMs,
      look() {
        const seen = snapshot()
        return seen && weightOf(seen.profile) > 0 ? glanceOf(used, beganMs, seen) : undefined
      },
    })
  }
  try {
    const {
      raw,
      perf,
      trace,
      end,
      description: used,
      remark: sampledOnce,
    } = await sampleWithCallers(
      description,
      { ...signals, ...(watch && { isWatched: watch.isWatched }) },
      { names, files, whenBegun, raw: rawFile },
      progress,
    )
    watch?.show(undefined)
    runtime?.close()
    meter.stop()
    const counted = await counting?.stop()
    const between = samplingTime(perf ?? trace, end.startedMs, end.endedMs)
    const cpuSeconds = meter.between(...between)
    const isStopped = signals.stop.aborted
    const targetEnded = end.endedByItself && meter.hasEnded()
    if (!(weightOf(raw) > 0)) {
      if (isStopped) throw stoppedEarly()
      const why = targetEnded ? 'it ended' : `it used ${cpuSeconds.toFixed(2)} s of CPU time`
      const isBlind = !targetEnded && isBlindTo(description, cpuSeconds)
      const facts = { isBlind }
      throw new ProfilerError('SP_NO_SAMPLES', `process ${pid} gave no sample: ${why}`, { facts })
    }
    const loss = new Map([...raw.loss, ...end.loss])
    const { symbolsOf, remark } = await symbolsFor(description, names, signals)
    const profile = withNames({ ...raw, loss }, description, symbolsOf)
    const { sources, problems } = names.used()
    return {
      description: used,
      toolVersion: (await toolVersion) ?? end.toolVersion ?? 'built in',
      profile,
      perf,
      trace,
      end,
      cpuSeconds,
      symbols: sources,
      ...(counted !== undefined && { counters: readPerfStat(counted.text, counted.durationMs) }),
      remarks: [
        ...(sampledOnce === undefined ? [] : [sampledOnce]),
        ...remarksOn(description, end, { isStopped, targetEnded }),
        ...end.notes,
        ...(remark === undefined ? [] : [remark]),
        ...unwindingRemarks(description, used),
        ...problems,
        ...(counted?.text === ''
          ? [`perf stat counted nothing: ${counted.said || 'it said nothing'}`]
          : []),
      ],
    }
  } finally {
    watch?.show(undefined)
    runtime?.close()
    meter.stop()
    counting?.kill()
    files.close()
  }
}

function withNames(
  raw: Profile,
  description: CaptureDescription,
  symbolsOf: (module: Module) => ModuleSymbols,
): Profile {
  const symbolized = symbolize(raw, symbolsOf)
  const isMerged = 'perf' in description && description.perf !== undefined
  return isMerged ? mergeNative(symbolized, description.hertz) : symbolized
}

/** Names from files, and from the runtime where it is asked. What it does not answer costs names, not the capture. */
async function symbolsFor(
  description: CaptureDescription,
  names: NameSources,
  signals: CaptureSignals,
): Promise<{ symbolsOf: (module: Module) => ModuleSymbols; remark?: string }> {
  const symbolsOf = (module: Module) => names.of(module)
  if (!('methodNames' in description)) return { symbolsOf }
  try {
    // Who stops the sampling still wants the names.
    const never = new AbortController().signal
    const { discard } = signals
    return {
      symbolsOf: await withMethodNames(description.pid, symbolsOf, { stop: never, discard }),
    }
  } catch (error) {
    if (!(error instanceof ProfilerError)) throw error
    if (signals.discard.aborted) throw discarded()
    return { symbolsOf, remark: `The runtime did not name its methods: ${error.message}.` }
  }
}

/** From the first sample to the last, where they carry times; perf is told to use the clock that we use. */
function samplingTime(
  times:
    | { readonly firstSampleNs: number | undefined; readonly lastSampleNs: number | undefined }
    | undefined,
  startedMs: number,
  endedMs: number,
): [number, number] {
  const { firstSampleNs, lastSampleNs } = times ?? {}
  return firstSampleNs === undefined || lastSampleNs === undefined
    ? [startedMs, endedMs]
    : [firstSampleNs / 1e6, lastSampleNs / 1e6]
}

function stoppedEarly(): ProfilerError {
  return new ProfilerError('SP_CANCELLED', 'stopped before anything was sampled')
}

function remarksOn(
  { tool, durationMs }: CaptureDescription,
  end: CaptureEnd,
  { isStopped, targetEnded }: { readonly isStopped: boolean; readonly targetEnded: boolean },
): string[] {
  const seconds = ((end.endedMs - end.startedMs) / 1000).toFixed(1)
  const until = 'what was captured until then is here'
  const remarks: string[] = []
  if (targetEnded) remarks.push(`The target ended after ${seconds} s; ${until}.`)
  else if (end.endedByItself) remarks.push(`${tool} ended by itself after ${seconds} s; ${until}.`)
  else if (isStopped) remarks.push(`Stopped after ${seconds} s of ${durationMs / 1000} s.`)
  if (end.killed) remarks.push(`${tool} did not stop when it was asked to, and was killed.`)
  return remarks
}
