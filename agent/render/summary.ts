// The picture in numbers, for machines: what a script, a chat message or an
// incident page needs without parsing SVG.
//
// The schema's version goes up when a field changes its meaning or goes away; a
// new field does not change it. Shares are of 1, names are as redacted.

import { weightOf } from '../profile/call-tree.ts'
import type { Counters } from '../profile/perf-stat.ts'
import type { Profile, Unit } from '../profile/profile.ts'
import type { Quality } from '../profile/quality.ts'
import type { Verdict } from '../profile/shape.ts'
import type { WindowOutcome } from '../profile/windows.ts'
import type { Redacted } from '../redact/redacted.ts'
import { type LeftOut, layOut } from './layout.ts'
import { type Page, type TopFunction, topFunctions } from './page.ts'

export const summarySchema = 1

/** Enough to see a second rank behind what the picture's table shows. */
const topCount = 20

export interface Summary {
  readonly schema: typeof summarySchema
  readonly title: string
  /** What was captured, as the caller knows it: pid, runtime, container, tool and so on. */
  readonly target: TargetFacts
  readonly quality: Quality
  readonly verdict: Verdict
  readonly columns: readonly {
    readonly event: string
    readonly unit: Unit
    readonly weight: number
  }[]
  /** Of the column that is the width, as everything below. */
  readonly width: number
  readonly topBySelf: readonly TopFunction[]
  readonly topByTotal: readonly TopFunction[]
  readonly unnamedByReason: Quality['unknownByReason']
  readonly lost: readonly { readonly what: string; readonly samples: number }[]
  readonly counters?: Counters
  /** Of a series: each by itself. All else here is of their sum. */
  readonly windows?: readonly WindowOutcome[]
  readonly notes: readonly string[]
  /** What the picture made of the same page does not show. */
  readonly leftOut: LeftOut
}

export type TargetFacts = Readonly<Record<string, string | number | boolean | readonly string[]>>

/**
 * Sums up what `renderSvg` draws from the same profile and page.
 *
 * @throws {ProfilerError} `SP_NO_SAMPLES` when there is nothing to draw.
 */
export function summarize(
  profile: Redacted<Profile>,
  page: Redacted<Page>,
  target: Redacted<TargetFacts>,
): Summary {
  const width = page.column ?? 0
  return {
    schema: summarySchema,
    title: page.title,
    target,
    quality: page.quality,
    verdict: page.verdict,
    columns: profile.columns.map(({ event, unit }, column) => {
      return { event, unit, weight: weightOf(profile, column) }
    }),
    width,
    topBySelf: topFunctions(profile, 'self', topCount, width),
    topByTotal: topFunctions(profile, 'total', topCount, width),
    unnamedByReason: page.quality.unknownByReason,
    lost: [...profile.loss].map(([what, samples]) => ({ what, samples })),
    ...(page.counters !== undefined && { counters: page.counters }),
    ...(page.windows !== undefined && { windows: page.windows }),
    notes: [...profile.notes, ...(page.notes ?? [])],
    leftOut: layOut(profile, width, page.limits).leftOut,
  }
}
