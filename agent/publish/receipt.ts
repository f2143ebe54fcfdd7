// The proof of publishing, and what a person wants to know first.

import { ProfilerError } from '../errors.ts'
import type { CaptureOutcome, CaptureRecord } from './manifest.ts'

export interface Receipt extends CaptureOutcome {
  readonly record: CaptureRecord
  /** A URL: `s3:`, `gs:`, `file:` and the folder or file, or `-` for standard output. */
  readonly place: string
  /** Whether that is where it was asked for, and not where the files are kept instead. */
  readonly isPublished: boolean
  /** Where `spool send` will take them, if they wait in the spool. */
  readonly waitsFor?: string
  readonly files: readonly {
    readonly name: string
    readonly bytes: number
    readonly sha256: string
  }[]
  /** From the end of sampling to the last byte published. */
  readonly afterMs: number
}

/** As JSON can hold it: a map of tallies becomes an object. */
export type PlainReceipt = Omit<Receipt, 'tally'> & {
  readonly tally: Readonly<Record<string, { readonly values: number; readonly frames: number }>>
}

export function plainReceipt(receipt: Receipt): PlainReceipt {
  return { ...receipt, tally: Object.fromEntries(receipt.tally) }
}

/** The other way, of a receipt that another process of ours has written. */
export function receiptOf(plain: PlainReceipt): Receipt {
  return { ...plain, tally: new Map(Object.entries(plain.tally)) as Receipt['tally'] }
}

/** The files are made and kept, but they are not where they should be. */
export class UnpublishedError extends ProfilerError {
  readonly receipt: Receipt

  constructor({ code, message, facts, cause }: ProfilerError, receipt: Receipt) {
    super(code, message, { facts, cause })
    this.receipt = receipt
  }
}
