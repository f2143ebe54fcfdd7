// What every source of names answers.

export type { Bytes } from '../target/bytes.ts'

import type { FrameKind, UnknownReason } from '../profile/profile.ts'

/** One function at an address. `file` and `line` only where the symbols say so. */
export interface SymbolFrame {
  readonly name: string
  readonly kind: FrameKind
  /** Where it is not the module that was asked: a module of the kernel, such as `[nf_tables]`. */
  readonly module?: string
  readonly file?: string
  readonly line?: number
}

/** The names of one module: see `Address` for what `value` is. */
export interface ModuleSymbols {
  /** The functions at an address, outermost first (more than one when calls were inlined), or why none. */
  find(value: number): readonly SymbolFrame[] | UnknownReason
}
