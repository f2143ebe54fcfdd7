// Bun: JavaScriptCore in Zig, sampled by perf. https://bun.sh
//
// Not V8: nothing that is known of Node.js holds for it. JavaScriptCore writes no
// perf map, so perf names its native code and the kernel, and no JavaScript. A
// program that `bun build --compile` made is a Bun by another name: both have a
// section .bun.

import { sectionNamed } from '../symbolize/elf.ts'
import { degraded, perfStrategy } from './perf-strategy.ts'
import type { Runtime } from './runtime.ts'

const bun = /\/bun$/
const release = /Bun v(\d+\.\d+\.\d+)/

export const bunRuntime: Runtime = {
  name: 'bun',
  title: 'Bun',

  detect(facts) {
    const { executable, elf } = facts
    if (executable === undefined) return undefined
    const hasSection = elf !== undefined && sectionNamed(elf, '.bun') !== undefined
    if (!hasSection && !bun.test(executable)) return undefined
    return {
      version: facts.search(executable, release)?.[1] ?? 'unknown',
      evidence: hasSection ? 'has the section .bun' : `runs ${executable}`,
    }
  },

  strategies: [
    degraded(
      perfStrategy,
      'JavaScript functions have no names: JavaScriptCore writes no perf map',
      'start it with `bun --cpu-prof`, which profiles until it exits',
    ),
  ],
}
