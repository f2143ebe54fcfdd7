// What stands around the graph, in words: the page that every format draws from.

import { functions } from '../profile/call-tree.ts'
import { formatCount, roundPercent, roundWeight } from '../profile/numbers.ts'
import type { Counters } from '../profile/perf-stat.ts'
import type { FrameKind, Profile } from '../profile/profile.ts'
import type { Level, Quality } from '../profile/quality.ts'
import type { Shape, Verdict } from '../profile/shape.ts'
import { otherEvents } from '../profile/width.ts'
import type { WindowOutcome } from '../profile/windows.ts'
import type { Layout, LayoutLimits } from './layout.ts'
import { cutLong } from './svg-text.ts'

/** Plain data throughout, so that it goes through redaction as it is. */
export interface Page {
  readonly title: string
  /** What was captured, when, how: a line each. */
  readonly subtitle: readonly string[]
  readonly quality: Quality
  readonly verdict: Verdict
  /** Beside those of the profile itself. */
  readonly notes?: readonly string[]
  /** Of `perf stat` beside the capture. */
  readonly counters?: Counters
  /** Of a series, of which the picture is the sum. */
  readonly windows?: readonly WindowOutcome[]
  /** Index of the column that is the width; the first one if not said. */
  readonly column?: number
  readonly limits?: Partial<LayoutLimits>
}

/** A sign beside the words: a level is never told by its colour alone. */
export const levelWords: Readonly<Record<Level, string>> = {
  trusted: '✓ Trusted',
  'usable with care': '! Usable with care',
  'do not trust': '✕ Do not trust',
}

export const shapeWords: Readonly<Record<Shape, string>> = {
  hairball: 'Hairball',
  'wide leaf': 'Wide leaf',
  'wide and flat': 'Wide and flat',
  mixed: 'Mixed',
}

/** Words for kinds, in the titles of frames and in the legend. */
export const kindWords: Readonly<Record<FrameKind, string>> = {
  thread: 'thread',
  kernel: 'kernel',
  native: 'native',
  jit: 'jit',
  inlined: 'inlined',
  interpreted: 'interpreted',
  unknown: 'unknown',
}

/** One line of numbers that every picture has, whatever its level. */
export function describeQuality(quality: Quality): string {
  const { samples, expectedSamples, achievedHertz, requestedHertz, throttled, accounted } = quality
  const parts = [
    samples === undefined
      ? 'samples not counted'
      : formatCount(samples) +
        (expectedSamples === undefined ? '' : ` of ${formatCount(expectedSamples)} expected`) +
        ' samples',
  ]
  if (achievedHertz !== undefined) {
    const asked = requestedHertz === undefined ? '' : `, ${requestedHertz} asked for`
    parts.push(`${achievedHertz} a CPU-second${asked}`)
  }
  if (accounted !== undefined) {
    parts.push(`${roundPercent(accounted)} of the threads' time accounted for`)
  }
  parts.push(`${roundPercent(quality.unknownLeaf)} without a name`)
  if (quality.truncated !== undefined) parts.push(`${roundPercent(quality.truncated)} cut stacks`)
  if (quality.shallow !== undefined) {
    parts.push(`${roundPercent(quality.shallow)} without callers`)
  }
  parts.push(`${roundPercent(quality.lost)} lost`)
  if (throttled !== undefined && throttled > 0)
    parts.push(`throttled ${formatCount(throttled)} times`)
  return `${parts.join(' · ')} · ${quality.tool}, ${quality.event}`
}

/** What the picture does not show, and what the profile itself lacks. */
export function footnotes(profile: Profile, page: Page, layout: Layout): string[] {
  const { event, unit } = profile.columns[page.column ?? 0]!
  const { narrow, deep } = layout.leftOut
  const lines = [
    `Width is a share of ${roundWeight(layout.total, unit)} (${event}). Frames are in the order of their ` +
      'names, not of time.',
  ]
  if (narrow.frames > 0) {
    lines.push(
      `Not drawn: ${formatCount(narrow.frames)} frames no wider than ${shareOf(narrow.width)}, in which ` +
        `${roundPercent(narrow.share)} of the width ends.`,
    )
  }
  if (deep.frames > 0) {
    lines.push(
      `Not drawn: ${formatCount(deep.frames)} frames above the ${formatCount(deep.rows)} levels ` +
        `that are shown, in which ${roundPercent(deep.share)} of the width ends.`,
    )
  }
  for (const other of otherEvents(profile, page.column)) {
    lines.push(`Not drawn: the event ${other}, which was recorded beside ${event}.`)
  }
  for (const [what, count] of profile.loss) {
    lines.push(`Not in the picture: ${formatCount(count)} samples ${what}.`)
  }
  for (const window of page.windows ?? []) {
    lines.push(`In the picture: ${describeWindow(window)}.`)
  }
  return [...lines, ...profile.notes, ...(page.notes ?? [])]
}

/** `window 2, 18:01:05 UTC, 5.0 s, 4.95 s of cpu-clock, trusted` */
export function describeWindow(outcome: WindowOutcome): string {
  const { window, name, startedAt, durationMs, weight, unit, quality } = outcome
  return [
    name ?? `window ${window}`,
    ...(startedAt === undefined ? [] : [`${startedAt.slice(11, 19)} UTC`]),
    ...(durationMs === undefined ? [] : [`${(durationMs / 1000).toFixed(1)} s`]),
    roundWeight(weight, unit),
    quality.level,
  ].join(', ')
}

/** Widths of frames that are not drawn are tiny, so two significant digits rather than two decimals. */
function shareOf(width: number): string {
  return `${Number((width * 100).toPrecision(2))} %`
}

/** Of names in tables and summaries: longer ones are arguments or attacks. */
const maxNameLength = 512

export interface TopFunction {
  readonly name: string
  readonly kind: FrameKind
  /** Shares of the width. */
  readonly self: number
  readonly total: number
}

/** The heaviest functions by `self` or by `total`. */
export function topFunctions(
  profile: Profile,
  by: 'self' | 'total',
  count: number,
  column = 0,
): TopFunction[] {
  const ranked = functions(profile, column)
  const weight = ranked.reduce((sum, { self }) => sum + self, 0)
  return ranked
    .toSorted((a, b) => b[by] - a[by])
    .slice(0, count)
    .filter(entry => entry[by] > 0)
    .map(({ frame, self, total }) => {
      const { name, kind } = profile.frames[frame]!
      return {
        name: cutLong(name, maxNameLength),
        kind,
        self: self / weight,
        total: total / weight,
      }
    })
}
