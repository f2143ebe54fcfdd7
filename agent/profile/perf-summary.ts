// What a recording held and what it lost: for the quality of a profile, and in
// words for the people who look at it.

import { type UnwindCounts, unwindNotes } from './perf-unwinding.ts'
import { type WaitingSummary, waitingNotes } from './perf-waiting.ts'
import type { ProfileBuilder } from './profile.ts'

export interface PerfEventSummary {
  readonly name: string
  /** `software`, `hardware`, `tracepoint`… */
  readonly type: string
  /** What was asked for: a rate, or a sample every so many; neither where that cannot be. */
  readonly hertz: number | undefined
  readonly period: number | undefined
  readonly isUserOnly: boolean
  readonly samples: number
}

/** Everything that is counted while records are read. */
export interface PerfCounts {
  /** Samples that could not be read, and samples of an event that no attribute describes. */
  malformedSamples: number
  strangeSamples: number
  malformedRecords: number
  /** The kernel sampled more slowly for a while, and went on. */
  throttles: number
  unthrottles: number
  switchesOut: number
  switchesIn: number
  /** Stacks as deep as the kernel would go: their outermost frames are missing. */
  truncatedStacks: number
  /** Samples with a user stack, and those where it is one frame: no frame pointers, if they are many. */
  userStacks: number
  oneFrameUserStacks: number
  /** Frames of all user stacks together. */
  userFrames: number
  /** User stacks that the kernel sent later, in a record that we cannot read. */
  deferredStacks: number
}

export interface PerfDataSummary extends Readonly<PerfCounts> {
  readonly form: 'file' | 'pipe'
  readonly events: readonly PerfEventSummary[]
  /** Samples that are in the profile, of all events. */
  readonly samples: number
  /** Whether the kernel was asked for call stacks, and walked them itself. */
  readonly hasStacks: boolean
  /**
   * perf's clock, which usually counts from the boot; undefined where samples
   * have no time. Rounded to 2 ns when the machine has been up for 104 days.
   */
  readonly firstSampleNs: number | undefined
  readonly lastSampleNs: number | undefined
  readonly cpus: number | undefined
  readonly perfVersion: string | undefined
  readonly kernelRelease: string | undefined
  readonly architecture: string | undefined
  /** What the kernel had no room for. */
  readonly lost: number
  /** Those that were sampled, in order of the first sample. */
  readonly processes: readonly ProcessSummary[]
  /** Records that came after a newer one had been used. */
  readonly outOfOrder: number
  /** Records of kinds that we do not know. */
  readonly unknownRecords: number
  /** Mappings that were one too many to keep. */
  readonly refusedMappings: number
  /** Tasks and addresses likewise. */
  readonly droppedTasks: number
  readonly overflowingFrames: number
  /** The recording stops before its end. */
  readonly isTruncated: boolean
  /** Where user stacks were copied and walked here: how each walk ended. */
  readonly unwound?: UnwindCounts
  /** Where switches of threads were recorded. */
  readonly waiting?: WaitingSummary
}

export interface ProcessSummary {
  readonly pid: number
  readonly comm: string
  readonly samples: number
}

export function noCounts(): PerfCounts {
  return {
    malformedSamples: 0,
    strangeSamples: 0,
    malformedRecords: 0,
    throttles: 0,
    unthrottles: 0,
    switchesOut: 0,
    switchesIn: 0,
    truncatedStacks: 0,
    userStacks: 0,
    oneFrameUserStacks: 0,
    userFrames: 0,
    deferredStacks: 0,
  }
}

/** Tells the profile what is missing from it, and a person what to know about it. */
export function reportSummary(
  builder: ProfileBuilder,
  summary: PerfDataSummary,
  copiesUserStacks: boolean,
): void {
  const losses: [string, number][] = [
    ['lost by the kernel', summary.lost],
    ['malformed samples', summary.malformedSamples],
    ['samples of an unknown event', summary.strangeSamples],
  ]
  for (const [what, count] of losses) if (count > 0) builder.lose(what, count)
  const notes: [boolean, string][] = [
    [
      copiesUserStacks,
      'User stacks were copied for DWARF unwinding (--call-graph dwarf), which is not done here: they show one frame. Record with frame pointers (--call-graph fp).',
    ],
    [
      summary.deferredStacks > 0,
      `${summary.deferredStacks} user stacks were recorded apart from their samples (--call-graph fp,defer), which is not read: they are missing.`,
    ],
    [
      summary.events.some(({ hertz, period }) => hertz === undefined && period === undefined),
      'The recording says a sampling rate that no kernel gives: how many samples there should be is not known.',
    ],
    [
      summary.throttles > 0,
      `The kernel throttled the sampling ${summary.throttles} times: the rate was lower than asked for.`,
    ],
    [
      summary.outOfOrder > 0,
      `${summary.outOfOrder} records came out of order: frames close to them in time may be named after what was mapped there before.`,
    ],
    [
      summary.malformedRecords > 0,
      `${summary.malformedRecords} records about mappings and tasks were malformed and left out.`,
    ],
    [
      summary.refusedMappings > 0,
      `${summary.refusedMappings} mappings were more than one profile can hold: addresses in them count as not mapped.`,
    ],
    [
      summary.droppedTasks > 0,
      `${summary.droppedTasks} processes and threads were more than one profile can hold: their names and mappings may be missing.`,
    ],
    [
      summary.overflowingFrames > 0,
      `${summary.overflowingFrames} frames have more different addresses than one profile can hold: they stand together as one.`,
    ],
    [
      summary.unknownRecords > 0,
      `${summary.unknownRecords} records are of kinds that this reader does not know, and were skipped.`,
    ],
  ]
  for (const [applies, sentence] of notes) if (applies) builder.note(sentence)
  if (summary.unwound !== undefined) {
    for (const sentence of unwindNotes(summary.unwound)) builder.note(sentence)
  }
  if (summary.waiting !== undefined) {
    for (const sentence of waitingNotes(summary.waiting)) builder.note(sentence)
  }
}
