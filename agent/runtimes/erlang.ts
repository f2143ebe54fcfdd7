// The BEAM (Erlang, Elixir, Gleam), sampled by perf and named by the map that its
// JIT writes: https://www.erlang.org/doc/apps/erts/beamasm.html
//
// A process is one if its executable is beam.smp. The version of OTP stands in a
// file below the root that its command line names; where that is not to be read,
// the version of the runtime system (ERTS) tells the major one.
//
// The trap: without `+JPperf true` JIT code has neither names nor frame pointers,
// so its stacks are one frame deep, and what is left is the runtime system itself:
// schedulers, garbage collection, native functions. There the node can be asked for
// the stacks of its processes, by who is allowed to: see erlang-distribution.ts.

import type { ProcessFacts } from '../target/facts.ts'
import { optionOf } from './erlang-arguments.ts'
import { distributionStrategy } from './erlang-distribution.ts'
import { degraded, perfStrategy } from './perf-strategy.ts'
import type { Runtime } from './runtime.ts'

const beam = /\/beam(?:\.smp|\.debug\.smp)?$/
const erts = /\/erts-(?<major>\d+)(?<rest>[\d.]*)\//

// ERTS 12 came with OTP 24, and both have counted on together since.
const oldestPaired = 11
const pairedOffset = 12

export const erlangRuntime: Runtime = {
  name: 'erlang',
  title: 'Erlang/OTP',

  detect(facts) {
    const { executable } = facts
    if (executable === undefined || !beam.test(executable)) return undefined
    return { version: versionOf(facts), evidence: `runs ${executable}` }
  },

  strategies: [
    { ...perfStrategy, suits: writesMap },
    distributionStrategy,
    {
      ...degraded(
        perfStrategy,
        'Erlang functions have no names (no perf map), what is seen is the runtime system',
        'start with `+JPperf true` (OTP 25 or newer), in ERL_FLAGS for a release',
      ),
      suits: facts => !writesMap(facts),
    },
  ],
}

function versionOf(facts: ProcessFacts): string {
  const { major, rest } = erts.exec(facts.executable!)?.groups ?? {}
  const release = Number(major) >= oldestPaired ? `${Number(major) + pairedOffset}` : undefined
  const root = optionOf(facts.argv, '-root')
  if (root !== undefined && release !== undefined) {
    // `25.2.3`, and two stars behind it for what was patched since.
    const text = facts.readFile(`${root}/releases/${release}/OTP_VERSION`, 32)?.toString('latin1')
    const exact = /^(\d+(?:\.\d+)*)\**\s*$/.exec(text ?? '')?.[1]
    if (exact !== undefined) return exact
  }
  if (major === undefined) return 'unknown'
  return `${release === undefined ? '' : `${release} `}(erts ${major}${rest})`
}

function writesMap({ argv }: ProcessFacts): boolean {
  // The last one wins. `dump` writes a file of another kind, which we do not read.
  const setting = argv[argv.lastIndexOf('-JPperf') + 1]
  return argv.includes('-JPperf') && /^(?:true|map)$/.test(setting ?? '')
}
