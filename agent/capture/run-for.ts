// Lets a tool run for a wall-clock time, or until somebody stops it.

import type { CaptureSignals } from './capture.ts'
import { monotonicMs } from './capture.ts'
import type { RunningTool } from './run.ts'

export interface TimedRun {
  /** Call at the first sign that sampling has begun: the time counts from there. */
  begin(): void
  /** Whether we asked the tool to stop, by the clock or by a signal. */
  wasAsked(): boolean
  startedMs(): number
  /** When it was asked to stop; now, if it was not. */
  endedMs(): number
}

/** The wall clock has the last word: py-spy counts samples, so it may run for twice its duration. */
export function runFor(tool: RunningTool, durationMs: number, signals: CaptureSignals): TimedRun {
  let askedMs: number | undefined
  let startedMs = monotonicMs()
  let timer: NodeJS.Timeout | undefined
  const stop = () => {
    askedMs ??= monotonicMs()
    tool.stop()
  }
  const kill = () => {
    askedMs ??= monotonicMs()
    tool.kill()
  }
  signals.stop.addEventListener('abort', stop, { once: true })
  signals.discard.addEventListener('abort', kill, { once: true })
  if (signals.stop.aborted) stop()
  if (signals.discard.aborted) kill()
  const clear = () => {
    clearTimeout(timer)
    signals.stop.removeEventListener('abort', stop)
    signals.discard.removeEventListener('abort', kill)
  }
  tool.ended.then(clear, clear)
  return {
    begin() {
      if (timer !== undefined) return
      startedMs = monotonicMs()
      timer = setTimeout(stop, durationMs)
    },
    wasAsked: () => askedMs !== undefined,
    startedMs: () => startedMs,
    endedMs: () => askedMs ?? monotonicMs(),
  }
}
