// Lets a tool run for a wall-clock time, or until somebody stops it.

import { ProfilerError } from '../errors.ts'
import { type CaptureSignals, monotonicMs } from './capture.ts'
import type { RunningTool } from './run.ts'

export interface TimedRun {
  /** Call at the first sign that sampling has begun: the time counts from there. */
  begin(): void
  /** Call when it is known better when sampling began: the time counts from here. */
  beginAgain(): void
  /** Asks the tool to stop before its time. */
  stop(): void
  /** Whether we asked the tool to stop, by the clock or by a signal. */
  wasAsked(): boolean
  /** Whether it was killed because it never began. */
  hung(): boolean
  startedMs(): number
  /** When it was asked to stop; now, if it was not. */
  endedMs(): number
}

// perf begins in 0.2 s and py-spy in 0.3; with ten thousand threads, or a sidecar whose CPU is
// throttled, it is seconds.
const beginLimitMs = 20_000

/** The wall clock has the last word: py-spy counts samples, so it may run for twice its duration. */
export function runFor(tool: RunningTool, durationMs: number, signals: CaptureSignals): TimedRun {
  let askedMs: number | undefined
  let startedMs = monotonicMs()
  let hasBegun = false
  let isHung = false
  let timer = setTimeout(() => {
    isHung = true
    tool.kill()
  }, beginLimitMs)
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
  const beginAgain = () => {
    if (askedMs !== undefined) return
    hasBegun = true
    clearTimeout(timer)
    startedMs = monotonicMs()
    timer = setTimeout(stop, durationMs)
  }
  return {
    begin() {
      if (!hasBegun) beginAgain()
    },
    beginAgain,
    stop,
    wasAsked: () => askedMs !== undefined,
    hung: () => isHung,
    startedMs: () => startedMs,
    endedMs: () => askedMs ?? monotonicMs(),
  }
}

export function hungError(tool: string): ProfilerError {
  const seconds = beginLimitMs / 1000
  return new ProfilerError('SP_TOOL_FAILED', `${tool} gave nothing for ${seconds} s and was killed`)
}
