// What every source of names answers, and the door to bytes that they share.

import type { FrameKind, UnknownReason } from '../profile/profile.ts'

/** One function at an address. `file` and `line` only where the symbols say so. */
export interface SymbolFrame {
  readonly name: string
  readonly kind: FrameKind
  readonly file?: string
  readonly line?: number
}

/** The names of one module: see `Address` for what `value` is. */
export interface ModuleSymbols {
  /** The functions at an address, outermost first (more than one when calls were inlined), or why none. */
  find(value: number): readonly SymbolFrame[] | UnknownReason
}

/**
 * Random access to a file, or to bytes in memory. Reading past the end gives
 * fewer bytes, never an error, so a parser of hostile files checks lengths.
 */
export interface Bytes {
  readonly size: number
  read(offset: number, length: number): Buffer
}
