// Several windows of one process as columns of one model.
//
// The trie holds every stack that any of them has. The first columns are the sums,
// by event and unit, so whoever draws column 0 draws the windows together; then
// come those of each window, which carry its number. What a flight recorder kept of
// the minutes before is there to be compared with, and is in no sum: it would
// drown the seconds that somebody asked for.

import type { Counters } from './perf-stat.ts'
import { type Column, noCaller, type Profile, ProfileBuilder, type Unit } from './profile.ts'
import { assess, type CaptureFacts, type Quality } from './quality.ts'

/** What is known of a window before it is judged. Plain data: it is redacted as it is. */
export interface WindowRecord {
  /** From 1, in the order of time: a window that gave nothing has its number too. */
  readonly window: number
  /** It is of the time before the ask: compared, and not drawn. */
  readonly isRecorded?: true
  /** Of a profile that was read: its file. */
  readonly name?: string
  /** UTC. */
  readonly startedAt?: string
  readonly durationMs?: number
  readonly cpuSeconds?: number
  readonly counters?: Counters
  readonly remarks: readonly string[]
}

/** And after. */
export interface WindowOutcome extends WindowRecord {
  /** Of the column that is the width. */
  readonly weight: number
  readonly unit: Unit
  readonly samples?: number
  readonly quality: Quality
}

export interface WindowFacts {
  readonly record: WindowRecord
  readonly facts: CaptureFacts
  /** Of this window alone. */
  readonly loss: ReadonlyMap<string, number>
}

export interface WindowProfile {
  readonly window: number
  readonly profile: Profile
  readonly isRecorded?: true
}

/** Names must be there already: a frame that is only an address is like no other. */
export function mergeWindows(windows: readonly WindowProfile[]): Profile {
  const builder = new ProfileBuilder()
  const moves = windows.map(({ profile, isRecorded }) => {
    const moved = addStacks(builder, profile)
    if (isRecorded === undefined) addWeights(builder, profile, moved)
    return moved
  })
  const sum = builder.build()
  const own = windows.flatMap(({ window, profile }, at) =>
    profile.columns.map(({ event, unit, self }): Column => {
      const moved = new Float64Array(sum.stacks.length)
      const move = moves[at]!
      for (let stack = 0; stack < self.length; stack++) moved[move[stack]!]! += self[stack]!
      return { event, unit, self: moved, window }
    }),
  )
  return { ...sum, columns: [...sum.columns, ...own] }
}

/** @returns where each of its stacks went */
function addStacks(builder: ProfileBuilder, profile: Profile): Int32Array {
  const frames = profile.frames.map(frame => builder.frame(frame))
  const { length, caller, frame } = profile.stacks
  const moved = new Int32Array(length)
  for (let stack = 0; stack < length; stack++) {
    const above = caller[stack] === noCaller ? noCaller : moved[caller[stack]!]!
    moved[stack] = builder.stack(above, frames[frame[stack]!]!)
  }
  return moved
}

function addWeights(builder: ProfileBuilder, profile: Profile, moved: Int32Array): void {
  const { length } = profile.stacks
  for (const { event, unit, self } of profile.columns) {
    const column = builder.column(event, unit)
    for (let stack = 0; stack < length; stack++) {
      if (self[stack] !== 0) builder.add(moved[stack]!, column, self[stack]!)
    }
  }
  for (const [what, count] of profile.loss) builder.lose(what, count)
  for (const note of profile.notes) builder.note(note)
}

/** All windows that were asked for together: what is drawn. */
export function sumOf<P extends Profile>(profile: P): P {
  return { ...profile, columns: profile.columns.filter(({ window }) => window === undefined) }
}

/** The column that a window is drawn and compared by; undefined where it has nothing of that event. */
export function columnOf({ columns }: Profile, window: number): number | undefined {
  const { event, unit } = columns[0]!
  const found = columns.findIndex(each => {
    return each.window === window && each.event === event && each.unit === unit
  })
  return found < 0 ? undefined : found
}

/** Each window with a quality of its own. */
export function assessWindows(
  profile: Profile,
  windows: readonly WindowFacts[],
): readonly WindowOutcome[] {
  return windows.map(({ record, facts, loss }) => {
    const column = columnOf(profile, record.window)
    const own = profile.columns.filter(({ window }) => window === record.window)
    const first = column === undefined ? nothingOf(profile) : profile.columns[column]!
    const columns = [first, ...own.filter(each => each !== first)]
    const quality = assess({ ...profile, loss, columns }, facts)
    const weight = first.self.reduce((sum, self) => sum + self, 0)
    const { samples } = quality
    const { unit } = first
    return { ...record, weight, unit, ...(samples !== undefined && { samples }), quality }
  })
}

function nothingOf({ columns, stacks }: Profile): Column {
  return { ...columns[0]!, self: new Float64Array(stacks.length) }
}
