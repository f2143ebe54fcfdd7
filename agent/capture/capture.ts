// The contract of a tool driver: it acts, it does not decide.
//
// A driver takes a description of what to run and two signals, and gives
// segments (bytes in a named format) and the facts of the end. Whatever happens,
// it leaves nothing behind: no process, no file.

import type { CaptureDescription } from '../runtimes/runtime.ts'
import type { ToolEnd } from './run.ts'

export interface Segment {
  /** As the reader of it is called: see `profile/readers.ts`. */
  readonly format: string
  /** It holds all that the segments before it held: they were a first look, and it takes their place. */
  readonly supersedes?: boolean
  readonly chunks: AsyncIterable<Uint8Array>
  /** What the tool gave, where the reader is given it within something of ours. */
  readonly raw?: { readonly format: string; readonly bytes: () => Uint8Array }
  /** When it was sampled, on the monotonic clock, of a segment that comes whole. */
  readonly startedMs?: number
  readonly endedMs?: number
}

export interface CaptureEnd extends ToolEnd {
  /** Nobody asked it to: its target ended, or it gave up. */
  readonly endedByItself: boolean
  /** On the monotonic clock (`process.hrtime`), in ms: when sampling began and ended. */
  readonly startedMs: number
  readonly endedMs: number
  /** What the tool said that it could not sample. */
  readonly loss: ReadonlyMap<string, number>
  readonly notes: readonly string[]
  /** Seconds that the samples stand for, of a tool that samples busy threads by the clock, not by CPU time. */
  readonly sampledSeconds?: number
  /** What answered, where the tool is a protocol that we speak: the version that the runtime says. */
  readonly toolVersion?: string
}

export interface Capture {
  readonly segments: AsyncIterable<Segment>
  readonly ended: Promise<CaptureEnd>
}

export interface CaptureSignals {
  /** Stop sampling and keep what was captured. */
  readonly stop: AbortSignal
  /** End everything at once; nothing will be kept. */
  readonly discard: AbortSignal
  /** Whether somebody looks while it samples: only then it pays to give early what there is. */
  readonly isWatched?: () => boolean
}

/** What a person may want to see while it runs. */
export interface Progress {
  state(name: string, words: string): void
}

export type Driver<Description extends CaptureDescription> = (
  description: Description,
  signals: CaptureSignals,
) => Promise<Capture>

/** Milliseconds on CLOCK_MONOTONIC, which perf is told to use too. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
