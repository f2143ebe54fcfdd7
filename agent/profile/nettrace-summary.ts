// What a NetTrace stream held and what it lost: for the quality of a profile, and
// in words for the people who look at it.

import { walkLimit } from './nettrace-stacks.ts'
import type { ProfileBuilder } from './profile.ts'

export interface NettraceSummary {
  /** The pid as the target sees it itself. */
  readonly pid: number
  readonly processors: number
  /** Samples of threads in managed code, of threads outside of it, and of those that could not be walked. */
  readonly managedSamples: number
  readonly externalSamples: number
  readonly errorSamples: number
  readonly samplesWithoutStack: number
  /** Samples whose stack is as deep as the runtime walks: outermost frames are missing. */
  readonly cutStacks: number
  /** Threads that were sampled. */
  readonly threads: number
  /**
   * Measured: how often a second a thread was sampled, and the time between two samples.
   * Undefined where no thread was sampled twice.
   */
  readonly hertz: number | undefined
  readonly intervalNs: number | undefined
  /** The runtime's clock, which on Linux is CLOCK_MONOTONIC. */
  readonly firstSampleNs: number | undefined
  readonly lastSampleNs: number | undefined
  /** For which the runtime had no room: of the sample profiler, and of all others. */
  readonly lostSamples: number
  readonly lostEvents: number
  readonly methods: number
  /** Whether methods were named that had been compiled before the trace began. */
  readonly hasRundown: boolean
  /** What was more than we hold. */
  readonly refusedMethods: number
  readonly refusedStackBlocks: number
  /** Methods whose code was thrown away when we had no time left to see what of it was sampled. */
  readonly unfollowedMethods: number
  readonly damagedBlocks: number
  /** Objects of kinds that we do not know. */
  readonly unknownObjects: number
  /** The stream stops before its end. */
  readonly isTruncated: boolean
  /** Where in the stream it is framed wrongly, if it is: nothing behind that was read. */
  readonly brokenAt: number | undefined
}

type TimesSummary = Pick<
  NettraceSummary,
  'threads' | 'hertz' | 'intervalNs' | 'firstSampleNs' | 'lastSampleNs'
>

// More threads than Linux has pids by default.
const maxThreads = 1 << 20

/** The times of samples, thread by thread, since a tick samples them all. */
export class SampleTimes {
  readonly #threads = new Map<number, { first: number; last: number; count: number }>()

  add(thread: number, ticks: number): void {
    const times = this.#threads.get(thread)
    if (times === undefined) {
      if (this.#threads.size < maxThreads) {
        this.#threads.set(thread, { first: ticks, last: ticks, count: 1 })
      }
      return
    }
    times.first = Math.min(times.first, ticks)
    times.last = Math.max(times.last, ticks)
    times.count++
  }

  summary(nsPerTick: number): TimesSummary {
    let [first, last, between, intervals] = [Infinity, -Infinity, 0, 0]
    for (const times of this.#threads.values()) {
      first = Math.min(first, times.first)
      last = Math.max(last, times.last)
      between += times.last - times.first
      intervals += times.count - 1
    }
    const intervalNs = between > 0 ? (between / intervals) * nsPerTick : undefined
    const isEmpty = this.#threads.size === 0
    return {
      threads: this.#threads.size,
      hertz: intervalNs === undefined ? undefined : 1e9 / intervalNs,
      intervalNs,
      firstSampleNs: isEmpty ? undefined : first * nsPerTick,
      lastSampleNs: isEmpty ? undefined : last * nsPerTick,
    }
  }
}

/** Tells the profile what is missing from it, and a person what to know about it. */
export function reportNettrace(
  builder: ProfileBuilder,
  summary: NettraceSummary,
  mode: 'cpu' | 'wall',
): void {
  const losses: [string, number][] = [
    ['whose stack the runtime could not walk', summary.errorSamples],
    ['without a stack', summary.samplesWithoutStack],
    ['for which the runtime had no room', summary.lostSamples],
  ]
  for (const [what, count] of losses) if (count > 0) builder.lose(what, count)
  const samples = summary.managedSamples + summary.externalSamples
  const notes: [boolean, string][] = [
    [
      mode === 'cpu' && summary.externalSamples > 0,
      `${summary.externalSamples} of ${samples} samples are of threads that waited or ran native code, which the runtime does not tell apart: they are left out.`,
    ],
    [
      summary.cutStacks > 0,
      `${summary.cutStacks} stacks are as deep as the runtime walks (${walkLimit} frames): their outermost frames are missing.`,
    ],
    [
      summary.brokenAt !== undefined,
      `The trace is damaged at byte ${summary.brokenAt}: what came after is missing.`,
    ],
    [
      summary.isTruncated && summary.brokenAt === undefined,
      'The trace is cut off: what came after is missing.',
    ],
    [
      !summary.hasRundown && samples > 0,
      'The trace has no rundown: methods that were compiled before it began have no names.',
    ],
    [
      summary.lostEvents > 0,
      `The runtime had no room for ${summary.lostEvents} events: methods that were compiled meanwhile may have no names.`,
    ],
    [
      summary.refusedMethods > 0,
      `${summary.refusedMethods} methods were more than one profile can hold: they have no names.`,
    ],
    [
      summary.refusedStackBlocks > 0,
      `${summary.refusedStackBlocks} blocks of stacks were more than one profile can hold.`,
    ],
    [
      summary.unfollowedMethods > 0,
      `${summary.unfollowedMethods} methods were thrown away that could not be followed: samples in them may have the names of what got their memory.`,
    ],
    [
      summary.damagedBlocks > 0,
      `${summary.damagedBlocks} blocks of the trace are damaged, and read up to there.`,
    ],
  ]
  for (const [applies, sentence] of notes) if (applies) builder.note(sentence)
}
