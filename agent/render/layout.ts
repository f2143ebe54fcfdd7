// Where each frame of the picture lies: rows of rectangles, as shares of the width.
//
// Equal functions under one caller are one rectangle, whatever line or file
// they were seen at. Siblings are in the order of their names, by code unit, so
// that two pictures of one program can be compared by eye on any machine.
//
// A page holds about 3,000 rectangles before it feels slow, and a profile may
// have millions of stacks. So the widest are drawn: the minimum width is raised
// until the rest fit, equals by depth. A caller is never narrower nor deeper
// than its callee, hence what is drawn is always a tree. What is not drawn is
// counted.

import { ProfilerError } from '../errors.ts'
import { firstAlike, totals } from '../profile/call-tree.ts'
import { noCaller, type Profile, ProfileBuilder } from '../profile/profile.ts'

export interface LayoutLimits {
  readonly maxFrames: number
  readonly maxRows: number
  /** Share of the width. */
  readonly minWidth: number
}

export const layoutLimits: LayoutLimits = {
  // Chromium loads and paints as many in under half a second; 16,000 take two.
  maxFrames: 3000,
  // 9,000 pixels of height. perf stops at 127 frames, Python by default at 1,000.
  maxRows: 500,
  // A hundredth of a pixel on a screen: no zoom that a person makes shows less.
  minWidth: 1e-5,
}

export interface Rect {
  /** Index in `profile.frames`, or `allFrames`. */
  readonly frame: number
  readonly x: number
  readonly width: number
  readonly weight: number
}

/** The root frame, `all`, which stands for no function. */
export const allFrames = -1

export interface Layout {
  /** From the root; each row from left to right. */
  readonly rows: readonly (readonly Rect[])[]
  readonly count: number
  readonly total: number
  readonly leftOut: LeftOut
}

/** What the picture does not show. A share is of the weight whose leaf is not drawn. */
export interface LeftOut {
  readonly narrow: { readonly frames: number; readonly share: number; readonly width: number }
  readonly deep: { readonly frames: number; readonly share: number; readonly rows: number }
}

/**
 * Lays out one column of a profile.
 *
 * @throws {ProfilerError} `SP_NO_SAMPLES` when the column has no weight: an empty picture is no result.
 */
export function layOut(profile: Profile, column = 0, limits: Partial<LayoutLimits> = {}): Layout {
  const bounds = { ...layoutLimits, ...limits }
  const merged = mergeByName(profile, column)
  const width = totals(merged)
  const depth = depths(merged)
  let total = 0
  for (let index = 0; index < width.length; index++) {
    if (depth[index] === 1) total += width[index]!
  }
  if (!(total > 0)) throw new ProfilerError('SP_NO_SAMPLES', 'the profile has no samples to draw')
  if (total === Number.POSITIVE_INFINITY) {
    throw new ProfilerError('SP_LIMIT', 'the weights add up to more than a number can hold')
  }

  const chosen = choose(width, depth, total, bounds)
  return {
    rows: place(profile, merged, width, total, chosen),
    count: chosen.drawn.length + 1,
    total,
    leftOut: countLeftOut(merged, width, depth, total, chosen, bounds.maxRows),
  }
}

/** The same trie with one stack where several differ only in module, file or line. */
function mergeByName({ frames, stacks, columns }: Profile, column: number): Profile {
  const canonical = firstAlike(frames, ({ kind }) => kind)
  const { event, unit, self } = columns[column]!
  const builder = new ProfileBuilder()
  const into = builder.column(event, unit)
  const mergedOf = new Int32Array(stacks.length)
  for (let index = 0; index < stacks.length; index++) {
    const caller = stacks.caller[index]!
    const mergedCaller = caller === noCaller ? noCaller : mergedOf[caller]!
    const stack = builder.stack(mergedCaller, canonical[stacks.frame[index]!]!)
    mergedOf[index] = stack
    if (self[index] !== 0) builder.add(stack, into, self[index]!)
  }
  return builder.build()
}

/** How many frames each stack has: 1 for a root. */
function depths({ stacks }: Profile): Int32Array {
  const depth = new Int32Array(stacks.length)
  for (let index = 0; index < stacks.length; index++) {
    const caller = stacks.caller[index]!
    depth[index] = caller === noCaller ? 1 : depth[caller]! + 1
  }
  return depth
}

interface Chosen {
  /** Stacks, callers first. */
  readonly drawn: readonly number[]
  /** The widest weight of which some are not drawn for lack of room. */
  readonly minimum: number
}

function choose(
  width: Float64Array,
  depth: Int32Array,
  total: number,
  { maxFrames, maxRows, minWidth }: LayoutLimits,
): Chosen {
  const room = maxFrames - 1
  const least = Math.max(minWidth * total, Number.MIN_VALUE)
  // The root row is one of `maxRows`, so the deepest stack drawn has one frame less.
  const isCandidate = (index: number) => width[index]! >= least && depth[index]! < maxRows
  let candidates = 0
  for (let index = 0; index < width.length; index++) if (isCandidate(index)) candidates++
  const drawn: number[] = []
  if (candidates <= room) {
    for (let index = 0; index < width.length; index++) if (isCandidate(index)) drawn.push(index)
    return { drawn, minimum: least }
  }

  const widths = new Float64Array(candidates)
  let filled = 0
  for (let index = 0; index < width.length; index++) {
    if (isCandidate(index)) widths[filled++] = width[index]!
  }
  widths.sort()
  const minimum = widths[candidates - room]!
  let wider = 0
  const equalsAtDepth = new Int32Array(maxRows)
  for (let index = 0; index < width.length; index++) {
    if (!isCandidate(index)) continue
    if (width[index]! > minimum) wider++
    else if (width[index] === minimum) equalsAtDepth[depth[index]!]!++
  }
  let equals = room - wider
  const takenAtDepth = equalsAtDepth.map(count => {
    const taken = Math.min(count, equals)
    equals -= taken
    return taken
  })
  for (let index = 0; index < width.length; index++) {
    if (!isCandidate(index)) continue
    const isEqual = width[index] === minimum
    if (width[index]! > minimum || (isEqual && takenAtDepth[depth[index]!]!-- > 0)) {
      drawn.push(index)
    }
  }
  return { drawn, minimum }
}

function place(
  { frames }: Profile,
  { stacks }: Profile,
  width: Float64Array,
  total: number,
  { drawn }: Chosen,
): Rect[][] {
  const callees = new Map<number, number[]>()
  for (const index of drawn) {
    const caller = stacks.caller[index]!
    const siblings = callees.get(caller)
    if (siblings === undefined) callees.set(caller, [index])
    else siblings.push(index)
  }
  const nameOf = (index: number) => frames[stacks.frame[index]!]!
  for (const siblings of callees.values()) {
    siblings.sort((a, b) => {
      const [left, right] = [nameOf(a), nameOf(b)]
      if (left.name !== right.name) return left.name < right.name ? -1 : 1
      return left.kind < right.kind ? -1 : 1
    })
  }

  const rows: Rect[][] = [[{ frame: allFrames, x: 0, width: 1, weight: total }]]
  let callers = [noCaller]
  for (;;) {
    const row: Rect[] = []
    const next: number[] = []
    for (const [at, caller] of callers.entries()) {
      let x = rows.at(-1)![at]!.x
      for (const index of callees.get(caller) ?? []) {
        const weight = width[index]!
        row.push({ frame: stacks.frame[index]!, x, width: weight / total, weight })
        next.push(index)
        x += weight / total
      }
    }
    if (row.length === 0) return rows
    rows.push(row)
    callers = next
  }
}

function countLeftOut(
  merged: Profile,
  width: Float64Array,
  depth: Int32Array,
  total: number,
  { drawn, minimum }: Chosen,
  maxRows: number,
): LeftOut {
  const self = merged.columns[0]!.self
  const isDrawn = new Uint8Array(width.length)
  for (const index of drawn) isDrawn[index] = 1
  const narrow = { frames: 0, weight: 0 }
  const deep = { frames: 0, weight: 0 }
  for (let index = 0; index < width.length; index++) {
    // A stack without weight is no frame of this column, so nothing is missing.
    if (isDrawn[index] === 1 || width[index] === 0) continue
    const into = depth[index]! >= maxRows ? deep : narrow
    into.frames++
    into.weight += self[index]!
  }
  return {
    narrow: { frames: narrow.frames, share: narrow.weight / total, width: minimum / total },
    deep: { frames: deep.frames, share: deep.weight / total, rows: maxRows },
  }
}
