// Frame pointers first; where they show no callers, the sampling is begun again.
//
// The trap: copied stacks are 40 times as large, so they are taken at a lower
// rate, and what was sampled until then is thrown away: one picture is unwound in
// one way.

import type { CaptureSignals, Progress } from '../capture/capture.ts'
import { ProfilerError } from '../errors.ts'
import { weightOf } from '../profile/call-tree.ts'
import { maxCopyingHertz } from '../runtimes/perf-strategy.ts'
import type { CaptureDescription } from '../runtimes/runtime.ts'
import { lookForCallers } from './call-graph.ts'
import { CallersMissing, discarded, type Naming, type Sampled, sample } from './sample.ts'

/** With how it was sampled in the end. */
export interface Anew extends Sampled {
  readonly description: CaptureDescription
  /** What went wrong with the second try. */
  readonly remark?: string
}

/** Where the first stacks lack their callers, and we may choose, it is begun again with copied stacks. */
export async function sampleWithCallers(
  description: CaptureDescription,
  signals: CaptureSignals,
  naming: Naming,
  progress: Progress,
): Promise<Anew> {
  if (description.tool !== 'perf' || description.callGraph !== 'auto') {
    return { description, ...(await sample(description, signals, naming)) }
  }
  const byFramePointers = { ...description, callGraph: 'fp' } as const
  const look = lookForCallers(description.durationMs)
  const looked = { ...signals, isWatched: () => !look.isOver() || signals.isWatched?.() === true }
  let until: Sampled | undefined
  try {
    const sampled = await sample(byFramePointers, looked, naming, look)
    return { description: byFramePointers, ...sampled }
  } catch (error) {
    if (!(error instanceof CallersMissing)) throw error
    until = error.until
    if (signals.stop.aborted) {
      const kept = keptUntil(until, byFramePointers)
      if (kept === undefined) throw discarded()
      return kept
    }
  }
  const hertz = Math.min(description.hertz, maxCopyingHertz)
  const { switches } = description
  const copying = {
    ...description,
    callGraph: 'dwarf',
    hertz,
    ...(switches !== undefined && { switches: { ...switches, period: switches.copyingPeriod } }),
  } as const
  progress.state('unwinding', copiesStacks(hertz))
  try {
    const sampled = await sample(copying, signals, naming)
    if (weightOf(sampled.raw) > 0) return { description: copying, ...sampled }
    return keptUntil(until, byFramePointers) ?? { description: copying, ...sampled }
  } catch (error) {
    const kept = signals.discard.aborted ? undefined : keptUntil(until, byFramePointers, error)
    if (kept === undefined) throw error
    return kept
  }
}

/** What frame pointers had shown is better than nothing: quality says what is missing. Undefined where that was nothing. */
function keptUntil(
  until: Sampled | undefined,
  description: CaptureDescription,
  error?: unknown,
): Anew | undefined {
  if (until === undefined || !(weightOf(until.raw) > 0)) return undefined
  const endedByItself = error instanceof ProfilerError && error.code === 'SP_TARGET_GONE'
  const why = error instanceof ProfilerError ? error.message : 'no sample'
  const remark =
    `Frame pointers show no callers, and copied stacks gave nothing (${why}): ` +
    'this is what was sampled by frame pointers until then.'
  return { description, ...until, end: { ...until.end, endedByItself }, remark }
}

export function unwindingRemarks(asked: CaptureDescription, used: CaptureDescription): string[] {
  const isChanged =
    asked.tool === 'perf' &&
    used.tool === 'perf' &&
    asked.callGraph === 'auto' &&
    used.callGraph === 'dwarf'
  return isChanged ? [`${copiesStacks(used.hertz)}.`] : []
}

function copiesStacks(hertz: number): string {
  return `Frame pointers show no callers: sampling anew with copied stacks, at ${hertz} Hz`
}
