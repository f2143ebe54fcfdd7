// Measures something while a process is captured by perf.

import { startCapture } from '../../agent/capture/drivers.ts'
import { readSegments } from '../../agent/profile/read-segments.ts'
import type { CaptureAsk } from '../../agent/runtimes/runtime.ts'
import { planned } from '../planned.ts'

// perf takes half a second to begin and to end; nothing is measured then.
const settleMs = 500

export async function whileCaptured<T>(
  pid: number,
  ask: Partial<CaptureAsk>,
  measure: () => Promise<T>,
): Promise<T> {
  const stop = new AbortController()
  const { segments, ended } = await startCapture(
    planned(pid, { tool: 'perf', durationMs: 60_000, ...ask }),
    { stop: stop.signal, discard: new AbortController().signal },
  )
  const read = readSegments(segments, { mode: ask.mode ?? 'cpu' })
  await sleep(settleMs)
  const measured = await measure()
  stop.abort()
  await Promise.all([read.whole, ended])
  await sleep(settleMs)
  return measured
}

export function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
