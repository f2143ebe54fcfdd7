// Node.js, sampled by V8's own profiler through the inspector, and by perf where
// that is blocked: https://nodejs.org/en/learn/diagnostics/flame-graphs
//
// perf sees what the inspector cannot (the kernel, native code, the helper
// threads of V8), and V8 keeps frame pointers, so its chain through JavaScript is
// whole; but the names of JavaScript are in a perf map that Node writes only when
// it was started for it.
//
// The trap: a process may change its title (PM2 does, for all that it starts),
// and its arguments are gone then.

import type { ProcessFacts } from '../target/facts.ts'
import { inspectorStrategy, optionsOf } from './inspector-strategy.ts'
import { degraded, perfStrategy } from './perf-strategy.ts'
import type { Detection, Runtime } from './runtime.ts'

const node = /(?:^|\/)(?:node|nsolid|nodejs)\d*$/
const libnode = /\/libnode\.so(?:\.\d+)*$/
// Of process.release.headersUrl, which every build of Node carries.
const release = /download\/release\/v(\d+\.\d+\.\d+)/
// Not --perf-prof: that writes code and names into a jitdump, which is another format.
const mapOptions = ['--perf-basic-prof', '--perf-basic-prof-only-functions']

export const nodeRuntime: Runtime = {
  name: 'node',
  title: 'Node.js',

  detect(facts) {
    const library = facts.mappedFiles.find(path => libnode.test(path))
    const path = library ?? (node.test(facts.executable ?? '') ? facts.executable! : undefined)
    if (path === undefined) return guess(facts)
    return {
      version: facts.search(path, release)?.[1] ?? 'unknown',
      evidence: library ? `maps ${library.slice(library.lastIndexOf('/') + 1)}` : `runs ${path}`,
    }
  },

  strategies: [
    inspectorStrategy,
    degraded(
      perfStrategy,
      'JavaScript functions have no names (no perf map): only native code and the kernel have',
      'start Node with `--perf-basic-prof`, or grant what the inspector needs',
      facts => !writesMap(facts),
    ),
  ],
}

/** Another user's process shows neither its executable nor its maps, but its threads and arguments. */
function guess({ executable, threadNames, argv }: ProcessFacts): Detection | undefined {
  if (executable !== undefined) return undefined
  if (threadNames.includes('SignalInspector')) {
    return { version: 'unknown', evidence: 'has a thread SignalInspector' }
  }
  return node.test(argv[0] ?? '')
    ? { version: 'unknown', evidence: 'its arguments begin with node (its files may not be read)' }
    : undefined
}

function writesMap(facts: ProcessFacts): boolean {
  const options = optionsOf(facts)
  return (
    mapOptions.some(option => options.has(option)) || facts.hasFile(`/tmp/perf-${facts.nspid}.map`)
  )
}
