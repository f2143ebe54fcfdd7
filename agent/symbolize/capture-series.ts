// A series: one process captured again and again, by the plan that worked for the
// first window.
//
// An incident does not wait for the last window: a target that ends, and a person
// who has seen enough, end the series, and the windows so far are the result. One
// that gave nothing keeps its number, and the next one is tried.

import { setTimeout as sleep } from 'node:timers/promises'
import { type CaptureSignals, monotonicMs, type Progress } from '../capture/capture.ts'
import type { Series } from '../config-windows.ts'
import { ProfilerError } from '../errors.ts'
import type { CaptureDescription } from '../runtimes/runtime.ts'
import { isRunning, type Target } from '../target/find.ts'
import type { NamedCapture } from './named-capture.ts'

export interface CapturedWindow {
  /** From 1. */
  readonly window: number
  /** By the flight recorder, before anybody asked. */
  readonly isRecorded?: true
  readonly startedAt: Date
  /** Undefined where it gave nothing: then `failure` says why. */
  readonly captured: NamedCapture | undefined
  readonly failure?: string
}

export interface CapturedSeries {
  /** At least one of them is captured. */
  readonly windows: readonly CapturedWindow[]
  /** What ended it before its time, in sentences. */
  readonly remarks: readonly string[]
  readonly isTargetGone: boolean
  /** The sampling of the last one, on the monotonic clock. */
  readonly endedMs: number
}

export interface SeriesAsk {
  readonly series: Series
  readonly captures: readonly CaptureDescription[]
  readonly target: Target
  readonly signals: CaptureSignals
  /** One window. */
  capture(captures: readonly CaptureDescription[], progress: Progress): Promise<NamedCapture>
}

// How soon a target that has ended is noticed between two windows.
const lookMs = 500

/** @throws {ProfilerError} what the first window failed with, where none gave anything; `SP_CANCELLED` */
export async function captureSeries(ask: SeriesAsk, progress: Progress): Promise<CapturedSeries> {
  const { series, target, signals } = ask
  const { offsetsMs, isOpen } = series
  const windows: CapturedWindow[] = []
  const remarks: string[] = []
  let { captures } = ask
  let firstError: unknown
  const beganMs = monotonicMs()
  for (const [index, offsetMs] of offsetsMs.entries()) {
    const window = index + 1
    const title = isOpen ? `Window ${window}` : `Window ${window} of ${offsetsMs.length}`
    const wait = await waitUntil(beganMs + offsetMs, title, ask, progress)
    if (wait !== 'time') {
      remarks.push(`${wait} before window ${window} began.`)
      break
    }
    const startedAt = new Date()
    try {
      const captured = await ask.capture(captures, titled(title, progress))
      windows.push({ window, startedAt, captured })
      captures = [captured.description]
    } catch (error) {
      if (!(error instanceof ProfilerError) || signals.discard.aborted) throw error
      firstError ??= error
      // What cannot be captured at all is told now, not after the last window.
      if (windows.length === 0 && error.code !== 'SP_NO_SAMPLES') throw error
      // A window that was cut off before it gave anything is none.
      if (!signals.stop.aborted && isRunning(target)) {
        windows.push({ window, startedAt, captured: undefined, failure: error.message })
      }
    }
    const isLast = window === offsetsMs.length
    if (signals.stop.aborted) {
      if (!isLast) remarks.push(`Stopped in window ${window}.`)
      break
    }
    if (!isLast && !isRunning(target)) {
      remarks.push(`The target ended in window ${window}, or soon after.`)
      break
    }
    if (isLast && isOpen)
      remarks.push(`Ended after ${window} windows, which are as many as may be.`)
  }
  if (windows.some(({ captured }) => captured !== undefined)) {
    const ends = windows.map(({ captured }) => captured?.end.endedMs ?? 0)
    return { windows, remarks, isTargetGone: !isRunning(target), endedMs: Math.max(...ends) }
  }
  throw firstError ?? new ProfilerError('SP_CANCELLED', `${remarks.join(' ')} Nothing was sampled`)
}

/** What was captured, after windows that were there before: their numbers go on. */
export function following(
  before: readonly CapturedWindow[],
  asked: NamedCapture | CapturedSeries,
  startedAt: Date,
): CapturedSeries {
  if ('windows' in asked) {
    const after = asked.windows.map(each => ({ ...each, window: each.window + before.length }))
    return { ...asked, windows: [...before, ...after] }
  }
  const { end } = asked
  return {
    windows: [...before, { window: before.length + 1, startedAt, captured: asked }],
    remarks: [],
    isTargetGone: end.endedByItself,
    endedMs: end.endedMs,
  }
}

/** Until it is time, or there is nothing more to wait for. */
async function waitUntil(
  atMs: number,
  title: string,
  { target, signals }: SeriesAsk,
  progress: Progress,
): Promise<'time' | 'Stopped' | 'The target ended'> {
  const leftMs = () => atMs - monotonicMs()
  if (leftMs() > 0) {
    const seconds = Math.ceil(leftMs() / 1000)
    progress.state('waiting', `${title} begins in ${seconds} s (Ctrl-C ends the series)`)
  }
  while (leftMs() > 0) {
    if (signals.discard.aborted)
      throw new ProfilerError('SP_CANCELLED', 'the capture was discarded')
    if (signals.stop.aborted) return 'Stopped'
    if (!isRunning(target)) return 'The target ended'
    await sleep(Math.min(leftMs(), lookMs), undefined, { signal: signals.stop }).catch(() => {
      // It was stopped: looked at above.
    })
  }
  return 'time'
}

function titled(title: string, progress: Progress): Progress {
  return { state: (name, words) => progress.state(name, `${title}: ${words}`) }
}
