// A look at a capture while it runs: what was sampled so far, with names.
//
// It is pulled, never pushed: nothing of it is made unless somebody looks. A look is
// a copy, named from the same sources as the final profile and without a trace in
// them, so the capture ends as if nobody had looked.

import { type CaptureEnd, monotonicMs } from '../capture/capture.ts'
import type { CaptureDescription } from '../runtimes/runtime.ts'
import type { NamedCapture } from './named-capture.ts'

/** A capture that has ended, as far as it can be known before. */
export interface Glance extends Omit<NamedCapture, 'end'> {
  readonly end: Pick<CaptureEnd, 'startedMs' | 'endedMs' | 'endedByItself' | 'sampledSeconds'>
}

export interface Sampling {
  readonly description: CaptureDescription
  /** When it began, on the monotonic clock. */
  readonly beganMs: number
  /** Undefined before anything was sampled. */
  look(): Glance | undefined
}

export interface Watch {
  /** The sampling that goes on; undefined before it begins, between two tools, and when it has ended. */
  readonly sampling: Sampling | undefined
  /** Somebody looks: for the next seconds the tool gives early what it has. */
  attend(): void
  isWatched(): boolean
  /** For the capture: what is to be looked at from now on. */
  show(sampling: Sampling | undefined): void
}

// Who looks comes again every second or two, or has gone.
const attentionMs = 3000

export function openWatch(): Watch {
  let sampling: Sampling | undefined
  let attendedMs = Number.NEGATIVE_INFINITY
  return {
    get sampling() {
      return sampling
    },
    attend() {
      attendedMs = monotonicMs()
    },
    isWatched: () => monotonicMs() - attendedMs < attentionMs,
    show(next) {
      sampling = next
    },
  }
}
