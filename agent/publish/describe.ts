// What is said about a capture: the record for the manifest, the words around
// the picture, the facts that its quality is judged by.

import os from 'node:os'
import type { Settings } from '../config.ts'
import { formatCount } from '../profile/numbers.ts'
import { type Counters, describeCounters } from '../profile/perf-stat.ts'
import type { PerfDataSummary } from '../profile/perf-summary.ts'
import { accountedShare } from '../profile/perf-waiting.ts'
import type { Profile } from '../profile/profile.ts'
import type { CaptureFacts } from '../profile/quality.ts'
import type { ReadProfile } from '../profile/readers.ts'
import { timeEvents } from '../profile/waiting.ts'
import { alsoRuns, type Fingerprint } from '../runtimes/index.ts'
import type { UsedSource } from '../symbolize/sources.ts'
import type { Glance } from '../symbolize/watch.ts'
import type { ProcessFacts } from '../target/facts.ts'
import type { Draft } from './artefacts.ts'
import type { CaptureRecord } from './manifest.ts'
import { defaultIncident, newCaptureId, subjectOf } from './place.ts'

export type TargetRecord = NonNullable<CaptureRecord['target']>

export function describeTarget(
  { pid, nspid, comm, uid, libc, containerId }: ProcessFacts,
  fingerprints: readonly Fingerprint[],
): TargetRecord {
  const { runtime, version, evidence } = fingerprints[0]!
  return {
    pid,
    nspid,
    comm,
    uid,
    runtime: runtime.title,
    version,
    evidence,
    libc,
    alsoRuns: alsoRuns(fingerprints),
    ...(containerId !== undefined && { container: containerId }),
  }
}

export interface CaptureContext {
  readonly settings: Settings
  readonly target: TargetRecord
  readonly remarks: readonly string[]
  readonly startedAt: Date
  /** Our own. */
  readonly version: string
  /** Of a capture that somebody asked the daemon for. */
  readonly session?: { readonly id: string; readonly requester: string } | undefined
}

/** Of a capture that has ended, or of a look at one that goes on. */
export function describeCapture(captured: Glance, context: CaptureContext): Draft {
  const { settings, target, startedAt, session } = context
  const { description, end, cpuSeconds, perf, counters } = captured
  const { hertz, tool, mode } = description
  const durationMs = Math.round(end.endedMs - end.startedMs)
  const record: CaptureRecord = {
    id: session?.id ?? newCaptureId(startedAt, subjectOf(target.pid, mode, hertz)),
    ...(session !== undefined && { requester: session.requester }),
    incident: settings.incident ?? defaultIncident(startedAt),
    tools: toolVersions(context.version, { [tool]: captured.toolVersion }),
    target,
    asked: {
      mode: settings.mode,
      hertz: settings.hertz,
      durationMs: settings.duration,
      ...(settings.tool !== undefined && { tool: settings.tool }),
    },
    startedAt: startedAt.toISOString(),
    durationMs,
    ...(cpuSeconds !== undefined && { cpuSeconds: Math.round(cpuSeconds * 1000) / 1000 }),
    ...(description.tool === 'perf' && { unwinding: unwindingOf(perf) }),
    ...(counters !== undefined && { counters }),
    remarks: [...context.remarks, ...captured.remarks, ...noCounters(settings, counters)],
    symbols: captured.symbols,
  }
  const container =
    target.container === undefined ? '' : ` in container ${target.container.slice(0, 12)}`
  return {
    profile: captured.profile,
    record,
    facts: captureFacts(captured),
    isTargetGone: end.endedByItself,
    // The name last: a value that the kernel cut is known by what follows it, which is nothing.
    title: `${target.runtime} ${target.version} · pid ${target.pid}${container} · ${target.comm}`,
    subtitle: [
      `${record.incident} · ${record.startedAt.slice(0, 19).replace('T', ' ')} UTC`,
      `${(durationMs / 1000).toFixed(1)} s ${howOften(captured)} · ${tool} ${captured.toolVersion}` +
        `${record.unwinding === undefined ? '' : `, ${record.unwinding}`} · ` +
        (cpuSeconds === undefined ? 'CPU time unknown' : `${cpuSeconds.toFixed(2)} CPU-seconds`) +
        (perf === undefined || perf.processes.length < 2
          ? ''
          : ` · ${perf.processes.length} processes`),
      ...(counters === undefined ? [] : [describeCounters(counters)]),
    ],
  }
}

function unwindingOf(perf: PerfDataSummary | undefined): 'frame pointers' | 'DWARF' {
  return perf?.unwound === undefined ? 'frame pointers' : 'DWARF'
}

function noCounters({ stat }: Settings, counters: Counters | undefined): string[] {
  return stat && counters === undefined
    ? ['Nothing was counted (--stat): perf is not installed here.']
    : []
}

/** `at 99 Hz`, and of waits how many there were. */
function howOften({ description, perf }: Glance): string {
  const { mode, hertz } = description
  const rate = `at ${hertz} Hz`
  if (perf?.waiting === undefined) return mode === 'cpu' ? rate : `${rate} · ${mode}`
  const { switches, threads } = perf.waiting
  const timed = `${mode} · ${formatCount(switches)} switches of ${formatCount(threads)} threads`
  return mode === 'off-cpu' ? timed : `${rate} · ${timed}`
}

export interface Rendering {
  readonly profile: Profile
  readonly read: readonly ReadProfile[]
  readonly symbols: readonly UsedSource[]
  readonly problems: readonly string[]
}

/** The same for profiles that were read from files: fewer facts, and none of a target. */
export function describeRendering(
  { profile, read, symbols, problems }: Rendering,
  { settings, startedAt, version }: Omit<CaptureContext, 'target' | 'remarks'>,
): Draft {
  const formats = [...new Set(read.map(({ format }) => format))]
  const column = profile.columns[0]!
  const perf = read.length === 1 ? read[0]!.perf : undefined
  const record: CaptureRecord = {
    id: newCaptureId(startedAt, 'rendered'),
    incident: settings.incident ?? defaultIncident(startedAt),
    tools: toolVersions(version, perf?.perfVersion === undefined ? {} : { perf: perf.perfVersion }),
    source: formats,
    asked: { mode: settings.mode },
    startedAt: startedAt.toISOString(),
    remarks: problems,
    symbols,
  }
  return {
    profile,
    record,
    facts: {
      tool: formats.join(', '),
      event: column.event,
      ...(perf !== undefined && {
        requestedHertz: perf.events[0]?.hertz,
        throttled: perf.throttles,
        samples: perf.events[0]?.samples,
        ...unwindingFacts(perf),
        hasStacks: perf.hasStacks,
        ...waitingFacts(perf, profile),
      }),
    },
    isTargetGone: true,
    title: `${formats.join(', ')} · ${column.event}`,
    subtitle: [`${record.incident} · drawn ${record.startedAt.slice(0, 19).replace('T', ' ')} UTC`],
  }
}

/** What made the files: for whoever has to make them again. */
export function toolVersions(
  own: string,
  others: Readonly<Record<string, string>>,
): Record<string, string> {
  return { 'sp-flamegraph': own, ...others, 'Node.js': process.versions.node, kernel: os.release() }
}

// kernel.perf_event_max_stack, unless somebody changed it.
const perfStackLimit = 127

// MAX_STACK_DEPTH of the runtime's ep-types.h.
const nettraceStackLimit = 100

function captureFacts({
  description,
  perf,
  trace,
  profile,
  cpuSeconds,
  end,
}: Glance): CaptureFacts {
  const { tool, event, countsCpuTime, stackLimit, hertz: requestedHertz } = description
  if (perf === undefined) {
    // A thread that waits for a core is sampled by the clock as well: held against CPU time, its
    // samples would look like too many.
    const seconds = end.sampledSeconds ?? cpuSeconds
    return {
      tool,
      event,
      requestedHertz,
      ...(countsCpuTime && { cpuSeconds: seconds }),
      ...(trace !== undefined && { stackLimit: nettraceStackLimit }),
      ...(stackLimit !== undefined && { stackLimit }),
    }
  }
  return {
    tool,
    event: perf.events[0]?.name ?? 'unknown',
    requestedHertz,
    // Children that it started are sampled too, but their CPU time is not in the target's account.
    ...(perf.processes.length < 2 && { cpuSeconds }),
    samples: perf.samples,
    throttled: perf.throttles,
    ...unwindingFacts(perf),
    ...waitingFacts(perf, profile),
  }
}

/** Where callers come from, and what is missing of them. */
function unwindingFacts({ unwound }: PerfDataSummary): Partial<CaptureFacts> {
  if (unwound === undefined) return { stackLimit: perfStackLimit, framePointers: true }
  const { whole, cut, lost } = unwound
  return { cutStacks: cut / (whole + cut + lost), lostStacks: lost / (whole + cut + lost) }
}

/** What is different where waits were timed. */
function waitingFacts(
  { waiting, events, samples, switchesIn, switchesOut }: PerfDataSummary,
  profile: Profile,
): Partial<CaptureFacts> {
  if (waiting === undefined) return {}
  const { event } = profile.columns[0]!
  const timed = {
    event,
    accounted: accountedShare(waiting),
    records: samples + switchesIn + switchesOut,
  }
  const clock = events.find(({ hertz }) => hertz !== undefined)
  // The CPU is sampled only to tell who ran.
  return event === timeEvents.offCpu || clock === undefined
    ? { ...timed, samples: waiting.switches, requestedHertz: undefined, cpuSeconds: undefined }
    : { ...timed, samples: clock.samples }
}
