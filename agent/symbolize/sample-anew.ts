// Frame pointers first; where they show no callers, the sampling is begun again.
//
// The trap: copied stacks are 40 times as large, so they are taken at a lower
// rate, and what was sampled until then is thrown away: one picture is unwound in
// one way.

import type { CaptureSignals, Progress } from '../capture/capture.ts'
import { maxCopyingHertz } from '../runtimes/perf-strategy.ts'
import type { CaptureDescription } from '../runtimes/runtime.ts'
import { lookForCallers } from './call-graph.ts'
import { type Naming, type Sampled, sample } from './sample.ts'

/** Where the first stacks lack their callers, and we may choose, it is begun again with copied stacks. */
export async function sampleWithCallers(
  description: CaptureDescription,
  signals: CaptureSignals,
  naming: Naming,
  progress: Progress,
): Promise<Sampled & { readonly description: CaptureDescription }> {
  if (description.tool !== 'perf' || description.callGraph !== 'auto') {
    return { description, ...(await sample(description, signals, naming)) }
  }
  const byFramePointers = { ...description, callGraph: 'fp' } as const
  const look = lookForCallers(description.durationMs)
  const looked = { ...signals, isWatched: () => !look.isOver() || signals.isWatched?.() === true }
  try {
    const sampled = await sample(byFramePointers, looked, naming, look)
    return { description: byFramePointers, ...sampled }
  } catch (error) {
    if (!look.missing.aborted || signals.discard.aborted || signals.stop.aborted) throw error
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
  return { description: copying, ...(await sample(copying, signals, naming)) }
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
