// The proof of publishing, and what a person wants to know first.

import type { CaptureOutcome, CaptureRecord } from './manifest.ts'

export interface Receipt extends CaptureOutcome {
  readonly record: CaptureRecord
  /** A URL: `file:` and the folder or file, or `-` for standard output. */
  readonly place: string
  readonly files: readonly {
    readonly name: string
    readonly bytes: number
    readonly sha256: string
  }[]
  /** From the end of sampling to the last byte published. */
  readonly afterMs: number
}
