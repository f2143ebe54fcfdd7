// PHP, sampled from outside with phpspy where it is there:
// https://github.com/adsr/phpspy
//
// A process is PHP if its executable is a php, or if it maps libphp (mod_php,
// an embedded interpreter). php-fpm's master only starts workers: those are what
// to look at, and `target/workers.ts` finds them.
//
// The trap: perf sees the interpreter's loop alone (98 % in `execute_ex`), with
// every PHP function inside it.

import type { ProcessFacts } from '../target/facts.ts'
import { type MemoryReader, memoryReaderObstacles } from './memory-reader.ts'
import { degraded, perfStrategy } from './perf-strategy.ts'
import type { CaptureAsk, Obstacle, Privileges, Runtime } from './runtime.ts'

const binary = /\/php(?:-cgi|-fpm|dbg)?(?<version>\d\.\d+)?$/
const library = /\/libphp(?<version>\d(?:\.\d+)?)?\.so/
/** Of the header that it sends unless `expose_php` is off: every build carries it. */
const exact = /X-Powered-By: PHP\/(\d+\.\d+\.\d+[\w-]*)/

// phpspy 0.7: 7.0 to 8.4, and no build with threads (ZTS).
const oldest = 700
const newest = 804

export const phpRuntime: Runtime = {
  name: 'php',
  title: 'PHP',

  detect(facts) {
    const found = interpreterOf(facts)
    return found && { version: versionOf(facts), evidence: found.evidence }
  },

  strategies: [
    {
      name: 'phpspy',
      tool: 'phpspy',
      modes: ['cpu', 'wall'],
      // More is asked in vain: 615 a second were measured at 999.
      maxHertz: 499,
      obstacles: phpspyObstacles,
      capture: ({ pid }, { tools }, ask) => ({
        ...ask,
        tool: 'phpspy',
        toolPath: tools.get('phpspy')!,
        pid,
        event: 'running requests',
        // A request that waits for its database is sampled like one that computes.
        countsCpuTime: false,
      }),
    },
    degraded(
      perfStrategy,
      'perf sees the interpreter (execute_ex), not the PHP functions',
      'put phpspy on PATH, and the capability SYS_PTRACE',
    ),
  ],
}

function interpreterOf({ mappedFiles, executable }: ProcessFacts) {
  const path = mappedFiles.find(each => library.test(each))
  if (path !== undefined) return { path, evidence: `maps ${path.slice(path.lastIndexOf('/') + 1)}` }
  if (!binary.test(executable ?? '')) return undefined
  return { path: executable!, evidence: `runs ${executable}` }
}

function versionOf(facts: ProcessFacts): string {
  const path = interpreterOf(facts)?.path
  if (path === undefined) return 'unknown'
  const named = [binary, library].map(each => each.exec(path)?.groups?.version).find(Boolean)
  return facts.search(path, exact)?.[1] ?? named ?? 'unknown'
}

const phpspy: MemoryReader = {
  tool: 'phpspy',
  install: 'build it from https://github.com/adsr/phpspy, and put it on PATH',
}

function phpspyObstacles(facts: ProcessFacts, privileges: Privileges, ask: CaptureAsk): Obstacle[] {
  const obstacles = memoryReaderObstacles(phpspy, facts, privileges, ask)
  const [major = 0, minor = 0] = versionOf(facts).split('.').map(Number)
  if (major > 0 && (100 * major + minor < oldest || 100 * major + minor > newest)) {
    obstacles.push({
      effect: 'blocks',
      what: `phpspy does not know PHP ${major}.${minor}`,
      grant: 'a newer phpspy',
    })
  }
  if (!/^[\w./+-]*$/.test(interpreterOf(facts)?.path ?? '')) {
    obstacles.push({
      effect: 'blocks',
      what: "the path of the target's PHP holds what a shell may take for more, and phpspy gives it to one",
      grant: 'a PHP at a path of letters, digits, `.`, `-`, `_` and `+`',
    })
  }
  if (ask.mode === 'cpu') {
    obstacles.push({
      effect: 'degrades',
      what: 'phpspy samples a request while it waits, too',
      grant: 'nothing: read what waits as waiting, or ask for `--mode wall`',
    })
  }
  return obstacles
}
