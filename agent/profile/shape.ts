// What a flame graph's shape says, and what to type next.
//
// Four shapes, recognised before any single frame is read:
//
//     hairball        too much without names: mend the symbols, read nothing
//     wide leaf       one function is the answer
//     wide and flat   no function is: look from another side
//     mixed           a few functions share it
//
// "40 % unknown" can be counted in three ways that differ by far on real
// captures. A leaf without a name is work that cannot be told, so it counts.
// One unnamed frame between named ones is a gap that a reader steps over, and
// real stacks have one at the bottom as often as not, so it does not. Two in a
// row are a stretch of calls that is lost, so a stack that holds them counts,
// whatever its leaf is: such is a JIT without a map that calls named builtins.
//
// All shares are of the width and count a sample once: work is looked for
// anywhere in its stack, and a recursive function counts once a stack. Different
// work may overlap (a collector waits for a lock), so those shares may add up
// to more than all.

import { ProfilerError } from '../errors.ts'
import { type FunctionWeight, functions } from './call-tree.ts'
import { interpreterOf, isSharedName, type Work, workOf } from './marks.ts'
import { type NextStep, nextSteps, type VerdictContext } from './next-steps.ts'
import { roundPercent } from './numbers.ts'
import { type FrameKind, noCaller, type Profile, type UnknownReason } from './profile.ts'
import { classifyWaiting } from './shape-waiting.ts'
import { isThreadTime } from './waiting.ts'
import type { Wait } from './waits.ts'
import { isOccurrence } from './width.ts'

export type Shape = 'hairball' | 'wide leaf' | 'wide and flat' | 'mixed'

/** When a shape is that shape, and when something is worth a line beside it. Shares of the width. */
export const shapeThresholds = {
  /** Above it the named part can no longer be taken for the whole. */
  hairballUnknown: 0.4,
  /** With the rest gone, the program would be more than twice as fast. */
  wideLeafSelf: 0.6,
  /** Mending a function of 5 % cannot be noticed in an incident. */
  flatLeafSelf: 0.05,
  /** As many leaves as a person compares, and none that is noise. */
  topLeaves: 5,
  topLeafSelf: 0.01,
  /** A healthy service collects and waits for locks for a few percent. */
  work: 0.05,
  /** Serving sockets costs a quarter; above it the system calls are a subject of their own. */
  kernel: 0.25,
  /** Calling itself twice is a wrapper or an overload; from three on it is a way of working. */
  recursionDepth: 3,
  recursionTotal: 0.05,
} as const

export interface Leaf {
  readonly name: string
  readonly kind: FrameKind
  /** Shares of the width. */
  readonly self: number
  readonly total: number
}

/** Something to see beside the shape. */
export interface Seen {
  readonly what: Work | Wait | 'kernel' | 'recursion'
  readonly share: number
  /** Of recursion: which function, and how often it stands in one stack. */
  readonly name?: string
  readonly depth?: number
}

/** Plain data throughout, so that it goes into JSON, and through redaction, as it is. */
export interface Verdict {
  readonly shape: Shape
  readonly headline: string
  /** Sentences with the numbers that led here. */
  readonly evidence: readonly string[]
  readonly next: readonly NextStep[]
  readonly unknown: {
    /** Leaf without a name, or two frames in a row without one: what makes the hairball. */
    readonly unreadable: number
    readonly leaf: number
    readonly anywhere: number
  }
  readonly leaves: readonly Leaf[]
  readonly seen: readonly Seen[]
}

/**
 * Names the shape of a profile's column.
 *
 * @throws {ProfilerError} `SP_NO_SAMPLES` when the column has no weight: nothing has no shape;
 *   `SP_LIMIT` when its weights overflow.
 */
export function classify(profile: Profile, column = 0, context: VerdictContext = {}): Verdict {
  const weights = weigh(profile, column)
  if (!(weights.total > 0)) throw new ProfilerError('SP_NO_SAMPLES', 'the profile has no samples')
  if (weights.total === Number.POSITIVE_INFINITY) {
    throw new ProfilerError('SP_LIMIT', 'the weights add up to more than a number can hold')
  }
  const unknown = {
    unreadable: weights.unreadable / weights.total,
    leaf: weights.unknownLeaf / weights.total,
    anywhere: weights.unknownAnywhere / weights.total,
  }
  const isReadable = unknown.unreadable < shapeThresholds.hairballUnknown
  if (isReadable && isThreadTime(profile.columns[column]!.event)) {
    return classifyWaiting(profile, column, unknown, context)
  }
  const ranked = functions(profile, column)
  const toLeaf = ({ frame, self, total }: FunctionWeight): Leaf => {
    const { name, kind } = profile.frames[frame]!
    return { name, kind, self: self / weights.total, total: total / weights.total }
  }
  const named = ranked.filter(({ frame }) => profile.frames[frame]!.kind !== 'unknown')
  const widest = named[0] && toLeaf(named[0])
  const shape = shapeOf(weights.unreadable / weights.total, widest?.self ?? 0)
  const leaves = named
    .slice(0, shapeThresholds.topLeaves)
    .map(toLeaf)
    .filter(({ self }) => self >= shapeThresholds.topLeafSelf)
  const seen = see(profile, ranked, weights)
  const { unit, event } = profile.columns[column]!
  return {
    shape,
    headline: headlineOf(shape, unknown.unreadable, widest, event),
    evidence: explain(shape, unknown, leaves, seen),
    next: nextSteps(
      { shape, unit, event, reason: weights.mainReason, widestWork: widest && workOf(widest.name) },
      context,
    ),
    unknown,
    leaves,
    seen,
  }
}

function shapeOf(unreadable: number, widestSelf: number): Shape {
  if (unreadable >= shapeThresholds.hairballUnknown) return 'hairball'
  if (widestSelf >= shapeThresholds.wideLeafSelf) return 'wide leaf'
  if (widestSelf <= shapeThresholds.flatLeafSelf) return 'wide and flat'
  return 'mixed'
}

interface Weights {
  readonly total: number
  readonly unreadable: number
  readonly unknownLeaf: number
  readonly unknownAnywhere: number
  readonly kernelLeaf: number
  readonly work: ReadonlyMap<Work, number>
  /** Why most of what cannot be read has no name. */
  readonly mainReason: UnknownReason | undefined
}

const works: readonly Work[] = ['garbage collection', 'locks', 'idle', 'page faults']

// What a stack holds, a bit each; the bits of `works` follow.
const isUnknown = 1
const isLost = 2
const firstWork = 4

/** One pass from callers to callees: a stack holds what its caller holds, and its own frame. */
function weigh(profile: Profile, column: number): Weights {
  const { frames, stacks } = profile
  const self = profile.columns[column]!.self
  const bitsOf = Uint8Array.from(frames, ({ name, kind }) => {
    if (kind === 'unknown') return isUnknown
    const work = workOf(name)
    return work === undefined ? 0 : firstWork << works.indexOf(work)
  })
  const held = new Uint8Array(stacks.length)
  // The frame without a name next to the leaf, plus one: it says why, whatever the leaf is.
  const nearest = new Int32Array(stacks.length)
  const workWeights = new Float64Array(works.length)
  const reasons = new Map<UnknownReason, number>()
  let total = 0
  let unreadable = 0
  let unknownLeaf = 0
  let unknownAnywhere = 0
  let kernelLeaf = 0
  for (let index = 0; index < stacks.length; index++) {
    const frame = stacks.frame[index]!
    const caller = stacks.caller[index]!
    const own = bitsOf[frame]!
    let bits = own
    if (caller !== noCaller) {
      bits |= held[caller]!
      if ((own & isUnknown & bitsOf[stacks.frame[caller]!]!) !== 0) bits |= isLost
    }
    held[index] = bits
    nearest[index] =
      (own & isUnknown) !== 0 ? frame + 1 : caller === noCaller ? 0 : nearest[caller]!
    const weight = self[index]!
    if (weight === 0) continue
    total += weight
    if ((bits & isUnknown) !== 0) unknownAnywhere += weight
    if ((own & isUnknown) !== 0) unknownLeaf += weight
    if ((own & isUnknown) !== 0 || (bits & isLost) !== 0) {
      unreadable += weight
      const reason = frames[nearest[index]! - 1]!.reason ?? 'unnamed by the tool'
      reasons.set(reason, (reasons.get(reason) ?? 0) + weight)
    }
    if (frames[frame]!.kind === 'kernel') kernelLeaf += weight
    for (let work = 0; work < works.length; work++) {
      if ((bits & (firstWork << work)) !== 0) workWeights[work]! += weight
    }
  }
  const [mainReason] = [...reasons].sort((a, b) => b[1] - a[1])[0] ?? []
  const work = new Map(works.map((name, at) => [name, workWeights[at]!]))
  return { total, unreadable, unknownLeaf, unknownAnywhere, kernelLeaf, work, mainReason }
}

function see(profile: Profile, ranked: readonly FunctionWeight[], weights: Weights): Seen[] {
  const seen: Seen[] = []
  for (const [what, weight] of weights.work) {
    if (weight / weights.total >= shapeThresholds.work) {
      seen.push({ what, share: weight / weights.total })
    }
  }
  if (weights.kernelLeaf / weights.total >= shapeThresholds.kernel) {
    seen.push({ what: 'kernel', share: weights.kernelLeaf / weights.total })
  }
  let deepest: FunctionWeight | undefined
  for (const entry of ranked) {
    const { kind, name } = profile.frames[entry.frame]!
    if (kind === 'unknown' || kind === 'kernel' || isSharedName(name)) continue
    if (entry.total / weights.total < shapeThresholds.recursionTotal) continue
    if (entry.depth > (deepest?.depth ?? shapeThresholds.recursionDepth - 1)) deepest = entry
  }
  if (deepest !== undefined) {
    const { name } = profile.frames[deepest.frame]!
    const { depth, total } = deepest
    seen.push({ what: 'recursion', share: total / weights.total, name, depth })
  }
  return seen
}

function headlineOf(
  shape: Shape,
  unreadable: number,
  widest: Leaf | undefined,
  event: string,
): string {
  if (shape !== 'hairball' && widest !== undefined && isOccurrence(event)) {
    return `${roundPercent(widest.self)} of ${event} is at ${short(widest.name)}. Look at what calls it.`
  }
  const language = widest?.kind === 'native' ? interpreterOf(widest.name) : undefined
  if (language !== undefined && (shape === 'wide leaf' || shape === 'mixed')) {
    return (
      `${short(widest!.name)}, the interpreter of ${language}, has ${roundPercent(widest!.self)}: ` +
      'which functions it ran, this does not show.'
    )
  }
  switch (shape) {
    case 'hairball':
      return `${roundPercent(unreadable)} cannot be read. Mend the symbols before you trust any of it.`
    case 'wide leaf':
      return workOf(widest!.name) === 'idle'
        ? `${short(widest!.name)} is ${roundPercent(widest!.self)}: the time is spent waiting, not working.`
        : `${short(widest!.name)} is ${roundPercent(widest!.self)} by itself. Start there.`
    case 'wide and flat':
      return widest === undefined
        ? 'No function stands out. Look off-CPU and at the counters.'
        : `No function is above ${roundPercent(shapeThresholds.flatLeafSelf)}: the widest, ` +
            `${short(widest.name)}, has ${roundPercent(widest.self)}. Look off-CPU and at the counters.`
    case 'mixed':
      return `A few functions share it: ${short(widest!.name)} leads with ${roundPercent(widest!.self)}.`
  }
}

function explain(
  shape: Shape,
  unknown: Verdict['unknown'],
  leaves: readonly Leaf[],
  seen: readonly Seen[],
): string[] {
  const sentences: string[] = []
  if (unknown.anywhere > 0) {
    sentences.push(
      `Without a name: ${roundPercent(unknown.leaf)} by the leaf, ` +
        `${roundPercent(unknown.unreadable - unknown.leaf)} by two frames in a row (neither can be read); ` +
        `${roundPercent(unknown.anywhere - unknown.unreadable)} by a single frame between named ones.`,
    )
  }
  if (shape !== 'hairball' && leaves.length > 0) {
    const list = leaves.map(({ name, self }) => `${short(name)} ${roundPercent(self)}`)
    sentences.push(`Widest by themselves: ${list.join(', ')}.`)
  }
  if (seen.length > 0) sentences.push(`Also seen: ${seen.map(describe).join(', ')}.`)
  return sentences
}

function describe({ what, share, name, depth }: Seen): string {
  return what === 'recursion'
    ? `recursion of ${short(name!)} (${depth} deep, in ${roundPercent(share)})`
    : `${what} ${roundPercent(share)}`
}

/** A name that leaves a sentence readable: its middle is cut, for both ends tell. */
export function short(name: string): string {
  const characters = [...name.slice(0, 1000)]
  // Two names and their words fit a line of the panel.
  return name.length <= 48 ? name : `${characters.slice(0, 28).join('')}…${lastOf(name, 19)}`
}

function lastOf(name: string, count: number): string {
  return [...name.slice(-2 * count)].slice(-count).join('')
}
