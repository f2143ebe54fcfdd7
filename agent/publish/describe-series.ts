// What is said about a series: as of one capture, and of each of its windows.

import type { Settings } from '../config.ts'
import { type Series, seriesOf } from '../config-windows.ts'
import type { CaptureFacts } from '../profile/quality.ts'
import { mergeWindows, type WindowFacts } from '../profile/windows.ts'
import type { CapturedSeries, CapturedWindow } from '../symbolize/capture-series.ts'
import type { NamedCapture } from '../symbolize/named-capture.ts'
import type { Draft } from './artefacts.ts'
import { type CaptureContext, describeCapture } from './describe.ts'

type Used = CapturedWindow & { readonly captured: NamedCapture }

export function describeSeries(series: CapturedSeries, context: CaptureContext): Draft {
  const used = series.windows.filter((each): each is Used => each.captured !== undefined)
  // What was said of the plan is said once, not of each window.
  const drafts = new Map(
    used.map(each => [each.window, describeCapture(each.captured, { ...context, remarks: [] })]),
  )
  const asked = used.filter(({ isRecorded }) => isRecorded === undefined)
  const drawn = asked.map(({ window }) => drafts.get(window)!)
  const first = drawn[0]!
  const records = drawn.map(({ record }) => record)
  const { counters: _, cpuSeconds: __, ...record } = first.record
  const cpuSeconds = sum(records, each => each.cpuSeconds)
  const windows = series.windows.map((each): WindowFacts => windowOf(each, drafts, first))
  return {
    profile: mergeWindows(used.map(({ captured: { profile }, ...each }) => ({ ...each, profile }))),
    record: {
      ...record,
      asked: {
        ...record.asked,
        windows: describeAsked(seriesOf(context.settings) ?? once, context.settings),
      },
      startedAt: asked[0]!.startedAt.toISOString(),
      durationMs: sum(records, ({ durationMs }) => durationMs)!,
      ...(cpuSeconds !== undefined && { cpuSeconds: Math.round(cpuSeconds * 1000) / 1000 }),
      remarks: [...context.remarks, ...series.remarks, ...remarksOf(windows)],
      symbols: [
        ...new Map(
          records.flatMap(({ symbols }) => symbols.map(each => [JSON.stringify(each), each])),
        ).values(),
      ],
    },
    facts: together(drawn.map(({ facts }) => facts)),
    isTargetGone: series.isTargetGone,
    title: first.title,
    subtitle: [first.subtitle[0]!, `${words(asked.length, used.length)}${first.subtitle[1]}`],
    windows,
  }
}

/** How many windows the picture is of, and how many are beside it. */
function words(asked: number, all: number): string {
  const before = all > asked ? `${all - asked} recorded before · ` : ''
  return asked === 1 ? before : `${asked} windows · ${before}the first: `
}

/** One window was asked for; those before it were recorded. */
const once: Series = { offsetsMs: [0], isOpen: false }

/** As the manifest has it: when each was to begin, or how often. */
function describeAsked({ offsetsMs, isOpen }: Series, { every }: Settings) {
  return isOpen ? { everyMs: every! } : { offsetsMs }
}

function windowOf(
  { window, isRecorded, startedAt, captured, failure }: CapturedWindow,
  drafts: ReadonlyMap<number, Draft>,
  first: Draft,
): WindowFacts {
  const draft = drafts.get(window)
  const when = { startedAt: startedAt.toISOString() }
  const at = { window, ...(isRecorded !== undefined && { isRecorded }), ...when }
  if (draft === undefined) {
    const { tool, event, requestedHertz } = first.facts
    const record = { ...at, remarks: [`It gave nothing: ${failure}.`] }
    return { record, facts: { tool, event, requestedHertz, samples: 0 }, loss: new Map() }
  }
  const { durationMs, cpuSeconds, counters, remarks } = draft.record
  return {
    record: {
      ...at,
      ...(durationMs !== undefined && { durationMs }),
      ...(cpuSeconds !== undefined && { cpuSeconds }),
      ...(counters !== undefined && { counters }),
      remarks,
    },
    facts: draft.facts,
    loss: captured!.profile.loss,
  }
}

/** What is true of every window stands once. */
function remarksOf(windows: readonly WindowFacts[]): string[] {
  const all = windows.flatMap(({ record: { window, remarks } }) => {
    return remarks.map(remark => ({ window, remark }))
  })
  const counts = Map.groupBy(all, ({ remark }) => remark)
  return [...counts].map(([remark, said]) => {
    if (said.length === windows.length) return remark
    return `Window ${said.map(({ window }) => window).join(', ')}: ${remark}`
  })
}

/** The facts of all windows, by which their sum is judged. */
function together(facts: readonly CaptureFacts[]): CaptureFacts {
  return {
    ...facts[0]!,
    cpuSeconds: sum(facts, each => each.cpuSeconds),
    samples: sum(facts, each => each.samples),
    records: sum(facts, each => each.records),
    throttled: sum(facts, each => each.throttled),
    cutStacks: mean(facts, each => each.cutStacks),
    lostStacks: mean(facts, each => each.lostStacks),
    accounted: mean(facts, each => each.accounted),
  }
}

/** Undefined where it is not known of all. */
function sum<Each>(
  all: readonly Each[],
  of: (each: Each) => number | undefined,
): number | undefined {
  return all.map(of).reduce((before, value) => {
    return before === undefined || value === undefined ? undefined : before + value
  }, 0)
}

function mean<Each>(all: readonly Each[], of: (each: Each) => number | undefined) {
  const value = sum(all, of)
  return value === undefined ? undefined : value / all.length
}
