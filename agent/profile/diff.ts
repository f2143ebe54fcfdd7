// What changed between two windows, or two profiles, of one model.
//
// Shares of the weight are compared, so that a window with more load, or a longer
// one, does not change every function; beside them stands the weight a second of
// the window, where its length is known, which does show the load.
//
// The trap is chance: of 100 samples, 12 and 18 of one function are the same. Where
// the samples are counted, a change says whether it is more than that.

import { functions, weightOf } from './call-tree.ts'
import { roundPercent } from './numbers.ts'
import type { FrameKind, Profile, Unit } from './profile.ts'

/** One of the two. */
export interface Side {
  /** `window 1`, or the file. */
  readonly name: string
  /** Undefined: it has nothing of the event. */
  readonly column: number | undefined
  readonly seconds?: number | undefined
  readonly samples?: number | undefined
}

interface SideOut extends Omit<Side, 'column'> {
  readonly weight: number
}

export interface Change {
  /** Shares of 1. */
  readonly before: number
  readonly after: number
  readonly change: number
  /** Of weight, in the unit of the diff, for each second of the window. */
  readonly perSecond?: { readonly before: number; readonly after: number }
  /** It is more than chance (three standard errors). Not said where the samples are not counted. */
  readonly isClear?: boolean
}

export interface FunctionChange {
  readonly name: string
  readonly kind: FrameKind
  readonly self: Change
  readonly total: Change
}

export interface ProfileDiff {
  readonly schema: typeof diffSchema
  readonly event: string
  readonly unit: Unit
  readonly before: SideOut
  readonly after: SideOut
  /** In a sentence, for people. */
  readonly headline: string
  /** The largest changes first. */
  readonly bySelf: readonly FunctionChange[]
  readonly byTotal: readonly FunctionChange[]
  /** In the first only, and in the second only: how many, and the heaviest. */
  readonly gone: Some
  readonly appeared: Some
}

interface Some {
  readonly count: number
  readonly functions: readonly FunctionChange[]
}

export const diffSchema = 1

const mostListed = 20
// A longer name is arguments, or an attack.
const mostName = 512
const clearErrors = 3
// Less is not worth a headline: of 20,000 functions some are always beyond three errors.
const leastTold = 0.01

export function diffColumns(profile: Profile, before: Side, after: Side): ProfileDiff {
  const { event, unit } = profile.columns[0]!
  const sides = [sideOf(profile, before), sideOf(profile, after)] as const
  const changes = changesOf(profile, sides)
  const bySelf = largest(changes, ({ self }) => Math.abs(self.change))
  const isIn = (change: Change) => ({ before: change.before > 0, after: change.after > 0 })
  const some = (is: (both: { before: boolean; after: boolean }) => boolean): Some => {
    const all = changes.filter(({ total }) => is(isIn(total)))
    return { count: all.length, functions: largest(all, ({ total }) => Math.abs(total.change)) }
  }
  const [{ out: one }, { out: other }] = sides
  return {
    schema: diffSchema,
    event,
    unit,
    before: one,
    after: other,
    headline: headlineOf(one, other, bySelf),
    bySelf,
    byTotal: largest(changes, ({ total }) => Math.abs(total.change)),
    gone: some(({ before, after }) => before && !after),
    appeared: some(({ before, after }) => !before && after),
  }
}

interface Measured {
  readonly out: SideOut
  /** Of each function, by the index of its first frame. */
  readonly weights: ReadonlyMap<number, { readonly self: number; readonly total: number }>
}

function sideOf(profile: Profile, { name, column, seconds, samples }: Side): Measured {
  const out = {
    name,
    ...(seconds !== undefined && { seconds }),
    ...(samples !== undefined && { samples }),
    weight: column === undefined ? 0 : weightOf(profile, column),
  }
  const all = column === undefined ? [] : functions(profile, column)
  return { out, weights: new Map(all.map(each => [each.frame, each])) }
}

function changesOf(profile: Profile, sides: readonly [Measured, Measured]): FunctionChange[] {
  const frames = new Set(sides.flatMap(({ weights }) => [...weights.keys()]))
  const of = (frame: number, by: 'self' | 'total') => {
    const [before, after] = sides.map(({ weights }) => weights.get(frame)?.[by] ?? 0)
    return changeOf(before!, after!, sides[0].out, sides[1].out)
  }
  return [...frames].map(frame => {
    const { name, kind } = profile.frames[frame]!
    return { name: cut(name), kind, self: of(frame, 'self'), total: of(frame, 'total') }
  })
}

function changeOf(one: number, other: number, first: SideOut, second: SideOut): Change {
  const before = first.weight > 0 ? one / first.weight : 0
  const after = second.weight > 0 ? other / second.weight : 0
  const change = after - before
  const { samples: n = 0 } = first
  const { samples: m = 0 } = second
  // As if both were of one population: https://en.wikipedia.org/wiki/Two-proportion_Z-test
  const pooled = n + m > 0 ? (before * n + after * m) / (n + m) : 0
  const error = Math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
  return {
    before: rounded(before),
    after: rounded(after),
    change: rounded(change),
    ...(first.seconds && second.seconds
      ? {
          perSecond: {
            before: rounded(one / first.seconds),
            after: rounded(other / second.seconds),
          },
        }
      : {}),
    ...(n > 0 && m > 0 && { isClear: change !== 0 && Math.abs(change) >= clearErrors * error }),
  }
}

/** Six digits are more than any sampling gives. */
function rounded(value: number): number {
  return Number(value.toPrecision(6))
}

function largest(
  changes: readonly FunctionChange[],
  by: (change: FunctionChange) => number,
): FunctionChange[] {
  return changes
    .filter(change => by(change) > 0)
    .sort((a, b) => by(b) - by(a))
    .slice(0, mostListed)
}

/** The three largest that are not chance. */
function headlineOf(before: SideOut, after: SideOut, bySelf: readonly FunctionChange[]): string {
  if (before.weight === 0 || after.weight === 0) {
    const [empty, full] = before.weight === 0 ? [before, after] : [after, before]
    return full.weight === 0
      ? 'Both are empty.'
      : `${empty.name} is empty: nothing to compare ${full.name} with.`
  }
  const clear = bySelf
    .filter(({ self }) => self.isClear !== false && Math.abs(self.change) >= leastTold)
    .slice(0, 3)
  if (clear.length === 0) return "No function's share has changed by 1 % or more, chance aside."
  const words = clear.map(
    ({ name, self }) =>
      `${name.length > 60 ? `${name.slice(0, 59)}…` : name} ` +
      `${roundPercent(self.before)} → ${roundPercent(self.after)}`,
  )
  return `By themselves: ${words.join(', ')}.`
}

function cut(name: string): string {
  return name.length <= mostName ? name : `${name.slice(0, mostName)}…`
}
