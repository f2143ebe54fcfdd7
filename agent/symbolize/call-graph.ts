// Whether frame pointers are enough, told while perf samples.
//
// `--call-graph auto` starts with frame pointers, which cost least. When the
// first stacks show that callers are missing, the capture is begun again with
// copied stacks: that is simpler and more honest than a picture of two halves
// that were unwound in two ways.

import { monotonicMs } from '../capture/capture.ts'
import type { PerfCounts } from '../profile/perf-summary.ts'

// A share of a quarter stands on 12 of 50, which chance does not make of 5 %.
const enoughStacks = 50
// Later there would be too much to throw away; quality says it then.
const longestLookMs = 3000
/** One in four without callers; a thread's first functions alone are three frames. */
const shallowShare = 0.25
const shallowDepth = 3

export interface CallGraphLook {
  see(counts: Readonly<PerfCounts>): void
  /** What comes is still looked at. */
  isOver(): boolean
  /** Aborted as soon as it is clear that callers are missing. */
  readonly missing: AbortSignal
}

/** @param durationMs of the whole capture: at most a third of it is looked at */
export function lookForCallers(durationMs: number): CallGraphLook {
  const until = monotonicMs() + startMs + Math.min(longestLookMs, durationMs / 3)
  const missing = new AbortController()
  let isOver = false
  return {
    see({ userStacks, oneFrameUserStacks, userFrames }) {
      if (isOver || userStacks === 0) return
      const isLate = monotonicMs() > until
      if (userStacks < enoughStacks && !isLate) return
      isOver = true
      if (hasNoCallers(userStacks, oneFrameUserStacks, userFrames)) missing.abort()
    },
    isOver: () => isOver || monotonicMs() > until + startMs,
    missing: missing.signal,
  }
}

// perf is at work 0.3 s after it was started; on a busy machine later.
const startMs = 500

function hasNoCallers(stacks: number, oneFrame: number, frames: number): boolean {
  return stacks >= 10 && (oneFrame / stacks >= shallowShare || frames / stacks < shallowDepth)
}
