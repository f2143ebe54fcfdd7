// Everything else that is machine code: C, C++, Rust and their like, by perf.
//
// Compilers leave out frame pointers unless they are told to keep them, and then
// a stack is one frame. Whether they did shows only in the samples, so the way of
// unwinding is settled while it is sampled (symbolize/named-capture.ts).

import { debugFilePath, type ProcessFacts } from '../target/facts.ts'
import { perfObstacles, perfStrategy } from './perf-strategy.ts'
import type { CaptureAsk, Obstacle, Privileges, Runtime } from './runtime.ts'

export const nativeRuntime: Runtime = {
  name: 'native',
  title: 'native code',

  detect({ elf, executable }) {
    if (elf === undefined) return undefined
    return { version: elf.machine, evidence: `runs ${executable ?? 'an ELF file'}` }
  },

  strategies: [
    {
      ...perfStrategy,
      obstacles,
      capture(facts, privileges, ask) {
        const { callGraph = 'auto' } = ask
        return { ...perfStrategy.capture(facts, privileges, ask), callGraph }
      },
    },
  ],
}

function obstacles(facts: ProcessFacts, privileges: Privileges, ask: CaptureAsk): Obstacle[] {
  return [...perfObstacles(facts, privileges, ask), ...nameObstacles(facts)]
}

function nameObstacles({ symbols, elf }: ProcessFacts): Obstacle[] {
  if (symbols === 'packed') {
    const what = 'it is packed: its code lies in memory that belongs to no file, without names'
    return [{ effect: 'degrades', what, grant: 'ship it unpacked (`upx -d`)' }]
  }
  if (symbols !== 'stripped') return []
  const file = elf && debugFilePath(elf)
  return [
    {
      effect: 'degrades',
      what: 'it is stripped: only what it exports has a name',
      grant:
        file === undefined
          ? 'a build with symbols'
          : `${file} in its root, or a build with symbols`,
    },
  ]
}
