// The settings of a series: how often one process is captured, and when.
//
//     windows: 3                    one after another
//     windows: 3, every: 60s        one begins each minute
//     windows: 5s,120s,300s         when each begins, counted from the ask
//     every: 60s                    until it is stopped, or there are as many as there may be
//
// Part of the one schema in config.ts, which checks them with the rest.

import { z } from 'zod'

/** More are columns of a table that nobody reads, and files that somebody has to store. */
export const maxWindows = 32
const maxSeriesMs = 24 * 3_600_000

export const time = z.union([z.number(), z.string()]).transform((value, context) => {
  const match = /^(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)?$/.exec(String(value).trim())
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match?.[2] ?? 's']!
  const ms = match === null ? Number.NaN : Math.round(Number(match[1]) * unit)
  if (ms >= 0 && ms <= maxSeriesMs) return ms
  context.addIssue('expected seconds, or a number with ms, s, m or h, up to 24h')
  return z.NEVER
})

/** A number is how many, a list is when. */
const windows = z.preprocess(
  value => {
    const text = typeof value === 'string' ? value.trim() : value
    if (typeof text !== 'string') return value
    return /^\d+$/.test(text) ? Number(text) : text.split(',')
  },
  z.union(
    [
      z.number().int().min(1).max(maxWindows),
      z.array(time).min(2, 'expected a number, or two times and more').max(maxWindows),
    ],
    `expected how many, to ${maxWindows}, or when each begins: 0s,120s,300s`,
  ),
)

export const windowsShape = { windows: windows.optional(), every: time.optional() }

interface WindowSettings {
  readonly duration: number
  readonly keepRaw?: string | undefined
  readonly windows?: number | readonly number[] | undefined
  readonly every?: number | undefined
}

/** When each window is to begin. */
export interface Series {
  /** In ms from the ask, in order. */
  readonly offsetsMs: readonly number[]
  /** It is to go on until it is stopped: these are as many as there may be. */
  readonly isOpen: boolean
}

/** @returns undefined where one capture is asked for */
export function seriesOf({ duration, windows, every }: WindowSettings): Series | undefined {
  if (typeof windows === 'object') return { offsetsMs: windows, isOpen: false }
  const count = windows ?? (every === undefined ? 1 : maxWindows)
  if (count === 1) return undefined
  const offsetsMs = Array.from({ length: count }, (_, index) => index * (every ?? duration))
  return { offsetsMs, isOpen: windows === undefined }
}

/** From the ask to the end of the last window, in ms. */
export function samplingMs(settings: WindowSettings): number {
  return (seriesOf(settings)?.offsetsMs.at(-1) ?? 0) + settings.duration
}

/** What is wrong with settings that are each right. */
export function* windowsProblems(settings: WindowSettings): Generator<string> {
  const { duration, windows, every, keepRaw } = settings
  if (keepRaw !== undefined && seriesOf(settings) !== undefined) {
    yield 'keepRaw: a file holds what a tool gives once, and a series is several captures'
  }
  if (every !== undefined && typeof windows === 'object') {
    yield 'every: the list of windows says already when each begins'
  } else if (every !== undefined && every < duration) {
    yield `every: a window of ${duration / 1000} s does not fit into ${every / 1000} s`
  }
  if (typeof windows !== 'object') return
  const isTight = windows.some((at, index) => index > 0 && at < windows[index - 1]! + duration)
  if (isTight)
    yield `windows: each has to begin ${duration / 1000} s (--duration) after the one before it`
}
