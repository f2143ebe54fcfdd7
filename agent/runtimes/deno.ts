// Deno: V8 in Rust, sampled by perf. https://docs.deno.com
//
// It is the engine of Node.js without its way in: nothing opens an inspector in a
// Deno that was started without one, and SIGUSR1 ends it. V8 keeps frame pointers,
// so perf's chain is whole; names are in the perf map that V8 writes when asked.

import type { ProcessFacts } from '../target/facts.ts'
import { degraded, perfStrategy } from './perf-strategy.ts'
import type { Runtime } from './runtime.ts'

const deno = /\/deno$/
// Of its user agent, with the commit: without it, others' names for old ones match too.
const release = /Deno\/(\d+\.\d+\.\d+)\+[0-9a-f]{7}/
const mapFlag = /--perf[-_]basic[-_]prof/

export const denoRuntime: Runtime = {
  name: 'deno',
  title: 'Deno',

  detect(facts) {
    const { executable } = facts
    if (executable === undefined || !deno.test(executable)) return undefined
    return {
      version: facts.search(executable, release)?.[1] ?? 'unknown',
      evidence: `runs ${executable}`,
    }
  },

  strategies: [
    degraded(
      perfStrategy,
      'JavaScript functions have no names (no perf map): only native code and the kernel have',
      'start Deno with `--v8-flags=--perf-basic-prof`',
      facts => !writesMap(facts),
    ),
  ],
}

/** `--v8-flags=--perf-basic-prof`, also with others beside it. */
function writesMap(facts: ProcessFacts): boolean {
  const flags = [...facts.argv, facts.environment('DENO_V8_FLAGS') ?? '']
  return flags.some(each => mapFlag.test(each))
}
