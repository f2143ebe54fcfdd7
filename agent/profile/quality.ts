// How far to trust a profile, and why.
//
// Rates degrade silently (a kernel throttles, a profiler falls to its timer's
// rate), stacks are cut, names are missing: nothing in the picture shows it. So
// every artefact carries the numbers and one of three levels, and each
// reason is a sentence with the number that made it.

import { weightOf } from './call-tree.ts'
import { formatCount, roundPercent } from './numbers.ts'
import { noCaller, type Profile, type UnknownReason } from './profile.ts'

export type Level = 'trusted' | 'usable with care' | 'do not trust'

/** What is known of the run that made the profile. A file that was only read has fewer facts. */
export interface CaptureFacts {
  /** `perf`, `py-spy`; for a file, what its format is called. */
  readonly tool: string
  /** What was sampled: `cpu-clock`, `cycles`. */
  readonly event: string
  readonly requestedHertz?: number | undefined
  /** CPU time that the target used while it was sampled, by the kernel's own account. */
  readonly cpuSeconds?: number | undefined
  /** How many samples were taken, where no column of the profile counts them. */
  readonly samples?: number | undefined
  /** How many records they are part of, of which some may be lost: switches of threads are not samples. */
  readonly records?: number | undefined
  /** How often the kernel held the sampling back. */
  readonly throttled?: number | undefined
  /** Frames after which the tool cuts a stack: 127 for perf (kernel.perf_event_max_stack). */
  readonly stackLimit?: number | undefined
  /** Stacks were walked by frame pointers, so code without them loses its callers. */
  readonly framePointers?: boolean | undefined
  /** Of stacks that were copied and walked by unwind tables: shares that ended with the copy, or on the way. */
  readonly cutStacks?: number | undefined
  readonly lostStacks?: number | undefined
  /** False where no call stacks were asked for, or where they have to be unwound first. */
  readonly hasStacks?: boolean | undefined
  /** Where waits were timed, not sampled: the share of the threads' time that is accounted for. */
  readonly accounted?: number | undefined
}

/** Plain data throughout, so that it goes into JSON, and through redaction, as it is. */
export interface Quality {
  readonly level: Level
  /** The worst first. Empty when trusted. */
  readonly reasons: readonly string[]
  readonly tool: string
  readonly event: string
  readonly requestedHertz?: number
  /** Samples for each second of CPU time. */
  readonly achievedHertz?: number
  readonly samples?: number
  /** CPU-seconds × requested hertz. */
  readonly expectedSamples?: number
  /** Share of the weight whose leaf has no name, and whose stack has a frame without one. */
  readonly unknownLeaf: number
  readonly unknownAnywhere: number
  /** Share of the weight whose leaf has no name, or whose stack has two such frames in a row. */
  readonly unreadable: number
  /** Of what cannot be read: the share by the reason of the unnamed frame next to the leaf, the largest first. */
  readonly unknownByReason: readonly { readonly reason: UnknownReason; readonly share: number }[]
  /** Share of the weight in stacks as deep as the tool's limit. */
  readonly truncated?: number
  /** Share of the weight in user code whose stack is that one frame. */
  readonly shallow?: number
  /** Samples lost of all samples taken. */
  readonly lost: number
  readonly throttled?: number
  /** Of waits that were timed: the share of the threads' time that is accounted for. */
  readonly accounted?: number
}

/** Where trust ends. `care` and `distrust` are the first value that is too bad. */
export const qualityThresholds = {
  /** The share of 5 % stands on 5 of 100 samples (±2 %), on 50 of 1,000 (±0.7 %). */
  samples: { care: 1000, distrust: 100 },
  /** 10 % is more than timer jitter; below a half, what was missed may differ from what was seen. */
  achieved: { care: 0.9, distrust: 0.5 },
  /** A tenth more than CPU time explains is jitter, a fifth is another clock or another process. */
  excess: { care: 1.2 },
  /** Losses come in bursts, so 1 % overall can hide one function; 10 % can hide the incident. */
  lost: { care: 0.01, distrust: 0.1 },
  /** One in twenty that cannot be read leaves the top functions right; 40 % is a hairball. */
  unknown: { care: 0.05, distrust: 0.4 },
  /** A cut stack hangs under the wrong root, and so moves its weight in the picture. */
  truncated: { care: 0.02 },
  /** Switches are lost in bursts, so what is missing may be one thread's. */
  accounted: { care: 0.95, distrust: 0.5 },
  /** One in ten without callers is a library without frame pointers; a half is the program itself. */
  shallow: { care: 0.1, distrust: 0.5 },
} as const

export function assess(profile: Profile, facts: CaptureFacts, column = 0): Quality {
  const shares = measure(profile, facts, column)
  const samples = facts.samples ?? countSamples(profile)
  const lostSamples = [...profile.loss.values()].reduce((sum, count) => sum + count, 0)
  const lost = lostSamples === 0 ? 0 : lostSamples / (lostSamples + (facts.records ?? samples ?? 0))
  const { requestedHertz, cpuSeconds } = facts
  const expectedSamples =
    requestedHertz === undefined || cpuSeconds === undefined
      ? undefined
      : Math.round(requestedHertz * cpuSeconds)
  const achievedHertz =
    samples === undefined || !cpuSeconds ? undefined : Math.round((samples / cpuSeconds) * 10) / 10

  const distrust: string[] = []
  const care: string[] = []
  const judge = (bad: boolean | undefined, worse: boolean, sentence: string) => {
    if (worse) distrust.push(sentence)
    else if (bad) care.push(sentence)
  }
  const limit = qualityThresholds

  const { accounted } = facts
  if (accounted !== undefined) {
    // A single wait of 30 s is exact: how many there were says nothing about the shares.
    judge(
      accounted < limit.accounted.care,
      accounted < limit.accounted.distrust,
      `${roundPercent(accounted)} of the threads' time is accounted for: the rest was lost.`,
    )
  } else if (samples === undefined) {
    care.push('How many samples there are is not known: the weights do not say.')
  } else {
    judge(
      samples < limit.samples.care,
      samples < limit.samples.distrust,
      `${formatCount(samples)} samples: too few for shares of a few percent.`,
    )
  }
  // Beside timed waits the samples may be few, and their rate is chance.
  const leastExpected = accounted === undefined ? 1 : limit.samples.distrust
  if (samples !== undefined && (expectedSamples ?? 0) >= leastExpected) {
    const expected = expectedSamples!
    const achieved = samples / expected
    judge(
      achieved < limit.achieved.care,
      achieved < limit.achieved.distrust,
      `${formatCount(samples)} of ${formatCount(expected)} expected samples (${roundPercent(achieved)}): ` +
        `${achievedHertz} samples a CPU-second, ${requestedHertz} asked for.`,
    )
    judge(
      achieved > limit.excess.care,
      false,
      `${formatCount(samples)} samples, but the CPU time explains ${formatCount(expected)}: ` +
        'threads that waited for a CPU (its limit, a busy machine) count as running, or the rate is another.',
    )
  }
  judge(
    shares.unreadable >= limit.unknown.care,
    shares.unreadable >= limit.unknown.distrust,
    `${roundPercent(shares.unreadable)} of the weight cannot be read, for want of names: ` +
      `${listReasons(shares.unknownByReason)}.`,
  )
  judge(
    lost > limit.lost.care,
    lost > limit.lost.distrust,
    `${formatCount(lostSamples)} samples lost (${roundPercent(lost)}): ${listLosses(profile.loss)}.`,
  )
  judge(
    (facts.throttled ?? 0) > 0,
    false,
    `The kernel throttled the sampling ${formatCount(facts.throttled ?? 0)} times.`,
  )
  judge(
    (shares.truncated ?? 0) >= limit.truncated.care,
    false,
    facts.cutStacks === undefined
      ? `${roundPercent(shares.truncated ?? 0)} of the stacks reach the limit of ${facts.stackLimit} frames and are cut.`
      : `${roundPercent(facts.cutStacks)} of the stacks are deeper than the 8 KB that were copied, and are cut.`,
  )
  judge(
    (facts.lostStacks ?? 0) >= limit.shallow.care,
    (facts.lostStacks ?? 0) >= limit.shallow.distrust,
    `${roundPercent(facts.lostStacks ?? 0)} of the stacks end where no unwind table goes on, so callers are missing.`,
  )
  judge(
    (shares.shallow ?? 0) >= limit.shallow.care,
    (shares.shallow ?? 0) >= limit.shallow.distrust,
    `${roundPercent(shares.shallow ?? 0)} of the user stacks are one frame deep, so callers are missing: ` +
      (facts.hasStacks === false
        ? 'they were not recorded by frame pointers (`perf record --call-graph fp`).'
        : 'this is code without frame pointers (`--call-graph dwarf` finds its callers).'),
  )

  return {
    level: distrust.length > 0 ? 'do not trust' : care.length > 0 ? 'usable with care' : 'trusted',
    reasons: [...distrust, ...care],
    tool: facts.tool,
    event: facts.event,
    ...(requestedHertz !== undefined && { requestedHertz }),
    ...(achievedHertz !== undefined && { achievedHertz }),
    ...(samples !== undefined && { samples }),
    ...(expectedSamples !== undefined && { expectedSamples }),
    ...shares,
    lost,
    ...(facts.throttled !== undefined && { throttled: facts.throttled }),
    ...(accounted !== undefined && { accounted }),
  }
}

/** From the column that counts samples, whichever is the width; undefined if there is none. */
function countSamples(profile: Profile): number | undefined {
  const column = profile.columns.findIndex(
    ({ event, unit }) => unit === 'samples' || (unit === 'count' && event === 'samples'),
  )
  return column < 0 ? undefined : weightOf(profile, column)
}

type Shares = Pick<
  Quality,
  'unknownLeaf' | 'unknownAnywhere' | 'unreadable' | 'unknownByReason' | 'truncated' | 'shallow'
>

/** What the stacks themselves show, in one pass from callers to callees. */
function measure(profile: Profile, facts: CaptureFacts, column: number): Shares {
  const { frames, stacks } = profile
  const self = profile.columns[column]!.self
  // The frame without a name next to the leaf, plus one; and whether two in a row have been met.
  const nearest = new Int32Array(stacks.length)
  const lost = new Uint8Array(stacks.length)
  // Frames as the tool's unwinder counted them: a thread's name and an inlined call are none.
  const walked = new Int32Array(stacks.length)
  const user = new Int32Array(stacks.length)
  const byReason = new Map<UnknownReason, number>()
  const stackLimit = facts.stackLimit ?? Number.POSITIVE_INFINITY
  let total = 0
  let leaf = 0
  let anywhere = 0
  let unreadable = 0
  let truncated = 0
  let withUser = 0
  let shallow = 0
  for (let index = 0; index < stacks.length; index++) {
    const caller = stacks.caller[index]!
    const frame = stacks.frame[index]!
    const { kind } = frames[frame]!
    const isUnknown = kind === 'unknown'
    const isWalked = kind !== 'thread' && kind !== 'inlined'
    const above = caller === noCaller
    nearest[index] = isUnknown ? frame + 1 : above ? 0 : nearest[caller]!
    const isSecond = !above && isUnknown && frames[stacks.frame[caller]!]!.kind === 'unknown'
    lost[index] = (above ? 0 : lost[caller]!) | (isSecond ? 1 : 0)
    walked[index] = (above ? 0 : walked[caller]!) + (isWalked ? 1 : 0)
    user[index] = (above ? 0 : user[caller]!) + (isWalked && kind !== 'kernel' ? 1 : 0)
    const weight = self[index]!
    if (weight === 0) continue
    total += weight
    if (nearest[index] !== 0) anywhere += weight
    if (isUnknown) leaf += weight
    if (isUnknown || lost[index] === 1) {
      unreadable += weight
      const why = frames[nearest[index]! - 1]!.reason ?? 'unnamed by the tool'
      byReason.set(why, (byReason.get(why) ?? 0) + weight)
    }
    if (walked[index]! >= stackLimit) truncated += weight
    if (user[index]! > 0) withUser += weight
    if (user[index] === 1) shallow += weight
  }
  const share = (weight: number, of = total) => (of > 0 ? weight / of : 0)
  return {
    unknownLeaf: share(leaf),
    unknownAnywhere: share(anywhere),
    unreadable: share(unreadable),
    unknownByReason: [...byReason]
      .map(([reason, weight]) => ({ reason, share: share(weight) }))
      .sort((a, b) => b.share - a.share),
    ...(facts.stackLimit !== undefined && { truncated: share(truncated) }),
    ...(facts.cutStacks !== undefined && { truncated: facts.cutStacks }),
    ...(facts.framePointers === true && { shallow: share(shallow, withUser) }),
  }
}

/** By the words of the readers, the largest first; the picture has the rest. */
function listLosses(loss: Profile['loss']): string {
  return [...loss]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3)
    .map(([what, count]) => `${formatCount(count)} ${what}`)
    .join(', ')
}

function listReasons(reasons: Quality['unknownByReason']): string {
  // Three name nearly all of it; the summary has the rest.
  return reasons
    .slice(0, 3)
    .map(({ reason, share }) => `${roundPercent(share)} ${reason}`)
    .join(', ')
}
