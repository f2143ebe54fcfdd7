// Everything else that is machine code: C, C++, Rust and their like, by perf.

import { perfStrategy } from './perf-strategy.ts'
import type { Runtime } from './runtime.ts'

export const nativeRuntime: Runtime = {
  name: 'native',
  title: 'native code',

  detect({ elf, executable }) {
    if (elf === undefined) return undefined
    return { version: elf.machine, evidence: `runs ${executable ?? 'an ELF file'}` }
  },

  strategies: [perfStrategy],
}
