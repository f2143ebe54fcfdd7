// The manifest: what a capture is made of, so that it can be trusted later.
//
// It goes through redaction and the gate as every other artefact does, and it is
// the list of the others: a file that it does not name with its SHA-256 is not
// part of the capture.

import type { Counters } from '../profile/perf-stat.ts'
import type { Quality } from '../profile/quality.ts'
import type { Verdict } from '../profile/shape.ts'
import type { WindowOutcome } from '../profile/windows.ts'
import type { Passed } from '../redact/gate.ts'
import type { Tally } from '../redact/redact.ts'
import type { UsedSource } from '../symbolize/sources.ts'
import type { Difference } from './window-files.ts'

/** Everything that is known before the files are made. Plain data: it is redacted as it is. */
export interface CaptureRecord {
  readonly id: string
  readonly incident: string
  /** Who asked the daemon for it: `token`, or the SAN of a client certificate. */
  readonly requester?: string
  readonly tools: Readonly<Record<string, string>>
  readonly target?: {
    readonly pid: number
    readonly nspid: number
    readonly comm: string
    readonly uid: number
    readonly runtime: string
    readonly version: string
    readonly evidence: string
    /** `glibc`, `musl`, `static`, `unknown`. */
    readonly libc: string
    /** Other runtimes in the same process, with their versions. */
    readonly alsoRuns: readonly string[]
    readonly container?: string
  }
  /** Of a file that was drawn: its format. */
  readonly source?: readonly string[]
  readonly asked: {
    readonly mode: string
    readonly hertz?: number
    readonly durationMs?: number
    readonly tool?: string
    /** Of a series: when each window was to begin, counted from the ask; or how often, until it was stopped. */
    readonly windows?: { readonly offsetsMs?: readonly number[]; readonly everyMs?: number }
  }
  /** UTC. */
  readonly startedAt: string
  readonly durationMs?: number
  /** The target's CPU time while it was sampled. */
  readonly cpuSeconds?: number
  /** How the callers of native code were found. */
  readonly unwinding?: 'frame pointers' | 'DWARF'
  /** Of `perf stat` beside the capture. */
  readonly counters?: Counters
  readonly remarks: readonly string[]
  readonly symbols: readonly UsedSource[]
}

/** What is known of how the capture turned out. */
export interface CaptureOutcome {
  readonly quality: Quality
  readonly verdict: Verdict
  readonly tally: Tally
  /** Of a series, and of a comparison. */
  readonly windows?: readonly WindowOutcome[]
  readonly differences?: readonly Difference[]
}

export const manifestVersion = 1

export function printManifest(
  record: CaptureRecord,
  outcome: CaptureOutcome & { readonly place?: string },
  files: readonly Passed[],
): Buffer {
  const { quality, verdict, tally, windows, differences, place } = outcome
  const manifest = {
    version: manifestVersion,
    ...record,
    ...(place !== undefined && { place }),
    quality,
    verdict: { shape: verdict.shape, headline: verdict.headline },
    ...(windows !== undefined && { windows }),
    ...(differences !== undefined && { differences }),
    redaction: Object.fromEntries(tally),
    files: files.map(({ name, bytes, sha256 }) => ({ name, bytes: bytes.length, sha256 })),
  }
  return Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`)
}
