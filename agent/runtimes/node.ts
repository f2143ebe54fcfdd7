// Node.js, sampled by perf: https://nodejs.org/api/cli.html#--perf-basic-prof
//
// V8 keeps frame pointers, so the chain through JavaScript is whole; the names
// are in a perf map that Node writes only when it was started for it.

import type { ProcessFacts } from '../target/facts.ts'
import { perfObstacles, perfStrategy } from './perf-strategy.ts'
import type { CaptureAsk, Obstacle, Privileges, Runtime } from './runtime.ts'

const node = /\/(?:node|nsolid|nodejs)\d*$/
const libnode = /\/libnode\.so(?:\.\d+)*$/
// Of process.release.headersUrl, which every build of Node carries.
const release = /download\/release\/v(\d+\.\d+\.\d+)/
const mapFlag = /--(?:perf-basic-prof|perf_basic_prof|perf-prof)/

export const nodeRuntime: Runtime = {
  name: 'node',
  title: 'Node.js',

  detect(facts) {
    const library = facts.mappedFiles.find(path => libnode.test(path))
    const path = library ?? (node.test(facts.executable ?? '') ? facts.executable! : undefined)
    if (path === undefined) return undefined
    return {
      version: facts.search(path, release)?.[1] ?? 'unknown',
      evidence: library ? `maps ${library.slice(library.lastIndexOf('/') + 1)}` : `runs ${path}`,
    }
  },

  strategies: [{ ...perfStrategy, obstacles }],
}

function obstacles(facts: ProcessFacts, privileges: Privileges, ask: CaptureAsk): Obstacle[] {
  const found = perfObstacles(facts, privileges, ask)
  const writesMap =
    facts.argv.some(argument => mapFlag.test(argument)) ||
    mapFlag.test(facts.environment('NODE_OPTIONS') ?? '')
  if (!writesMap) {
    found.push({
      effect: 'degrades',
      what: 'JavaScript functions have no names (no perf map)',
      grant: 'start Node with `--perf-basic-prof`',
    })
  }
  return found
}
