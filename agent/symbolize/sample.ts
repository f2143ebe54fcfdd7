// One run of one tool, from its start to a profile of what it gave.

import type { CaptureEnd, CaptureSignals } from '../capture/capture.ts'
import { startCapture } from '../capture/drivers.ts'
import type { RawFile } from '../capture/keep-raw.ts'
import { ProfilerError } from '../errors.ts'
import type { NettraceSummary } from '../profile/nettrace.ts'
import type { MmapRecord } from '../profile/perf-records.ts'
import type { PerfDataSummary } from '../profile/perf-summary.ts'
import type { Module, Profile } from '../profile/profile.ts'
import { readSegments, type Snapshot } from '../profile/read-segments.ts'
import { arrangeWaiting } from '../profile/waiting.ts'
import { withColumns } from '../profile/width.ts'
import type { CaptureDescription } from '../runtimes/runtime.ts'
import { readMaps } from '../target/procfs.ts'
import type { CallGraphLook } from './call-graph.ts'
import type { ModuleFiles } from './module-files.ts'
import type { NameSources } from './sources.ts'
import { fileUnwinder } from './unwind.ts'

/** Before it has names. */
export interface Sampled {
  readonly raw: Profile
  readonly perf: PerfDataSummary | undefined
  readonly trace: NettraceSummary | undefined
  readonly end: CaptureEnd
}

/** The look has shown that callers are missing: with what had been sampled until then. */
export class CallersMissing extends Error {
  readonly until: Sampled | undefined

  constructor(until: Sampled | undefined) {
    super('frame pointers show no callers')
    this.until = until
  }
}

/** Told of the sampling that has begun: what has been read of it so far can be asked for. */
export type WhenBegun = (
  description: CaptureDescription,
  snapshot: () => Snapshot | undefined,
) => void

/** What is held of the target's files meanwhile, and who is told that it samples. */
export interface Naming {
  readonly names: NameSources
  readonly files: ModuleFiles
  readonly whenBegun: WhenBegun
  /** Where the bytes of the segments are kept, too. */
  readonly raw: RawFile | undefined
}

/**
 * A tool whose output cannot be read is ended before the error goes on: nothing runs on unwatched.
 *
 * @throws {CallersMissing} when the look says so
 */
export async function sample(
  description: CaptureDescription,
  { discard, ...signals }: CaptureSignals,
  { names, files, whenBegun, raw: rawFile }: Naming,
  look?: CallGraphLook,
): Promise<Sampled> {
  const failed = new AbortController()
  const running = await startCapture(description, {
    ...signals,
    discard: AbortSignal.any([discard, failed.signal, ...(look ? [look.missing] : [])]),
  })
  try {
    const options = {
      mode: description.mode,
      mapped: mappedNow(description.pid),
      onModule: (module: Module) => names.hold(module),
      onUse: (module: Module) => names.prepare(module),
      unwinder: fileUnwinder(files, true),
    }
    const window = async () => {
      const { startedMs, endedMs } = await running.ended
      return { startNs: startedMs * 1e6, endNs: endedMs * 1e6 }
    }
    const segments = rawFile === undefined ? running.segments : rawFile.keep(running.segments)
    const reading = readSegments(segments, options, window, look?.see)
    whenBegun(description, () => {
      const snapshot = reading.snapshot()
      return snapshot && { ...snapshot, profile: pictured(snapshot.profile, description) }
    })
    const { profile, perf, trace } = await reading.whole
    const end = await running.ended
    if (discard.aborted) throw discarded()
    const raw = pictured(profile, description)
    // It was ended because of what was seen, not for want of an answer.
    if (look?.missing.aborted)
      throw new CallersMissing({ raw, perf, trace, end: { ...end, killed: false } })
    return { raw, perf, trace, end }
  } catch (error) {
    if (error instanceof CallersMissing) throw error
    failed.abort()
    await running.ended.catch(() => {
      // The reader's error came first, and says more.
    })
    if (look?.missing.aborted && !discard.aborted) throw new CallersMissing(undefined)
    // What was killed is cut off in the middle: that is no fault of its output.
    throw discard.aborted ? discarded() : error
  }
}

/** What is drawn of what was captured. */
function pictured(profile: Profile, { mode, columns }: CaptureDescription): Profile {
  if (columns !== undefined) return withColumns(profile, columns)
  const isWaiting = mode === 'off-cpu' || mode === 'both' || mode === 'wall'
  return isWaiting ? arrangeWaiting(profile, mode) : profile
}

/**
 * The code that is mapped when the capture begins. perf tells of it too, but later, when the target may
 * be gone and its files with it; and perf 6.1 leaves out what has a byte above 127 in its path.
 */
function mappedNow(pid: number): MmapRecord[] {
  try {
    return readMaps(pid)
      .filter(({ executable, inode, path }) => executable && (inode !== 0 || path === ''))
      .map(mapping => ({ ...mapping, pid, isKernel: false, isData: false }))
  } catch {
    // Not to be read, or gone: what perf tells is all there is.
    return []
  }
}

export function discarded(): ProfilerError {
  return new ProfilerError('SP_CANCELLED', 'the capture was discarded')
}
