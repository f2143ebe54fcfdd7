// V8's inspector as a strategy: the debugging port that Node.js opens when it
// gets SIGUSR1, without a flag and without a restart.
// https://nodejs.org/en/learn/getting-started/debugging
//
// The signal is the dangerous part. To a process that does not catch it, it is
// deadly; a handler of the program's own takes it away from Node; a cluster's
// primary hands it on to all its workers; and all Node processes of a pod want
// the same port, 9229, so that the second of them opens nothing and who connects
// meets the first. Everything here is looked at before a signal is sent.

import type { ProcessFacts } from '../target/facts.ts'
import { signalObstacles } from './attach.ts'
import { perfCapture, perfObstacles } from './perf-strategy.ts'
import type {
  CaptureAsk,
  Endpoint,
  InspectorCapture,
  Obstacle,
  Privileges,
  Strategy,
} from './runtime.ts'

export const inspectorStrategy: Strategy = {
  name: 'inspector',
  tool: 'inspector',
  modes: ['cpu', 'wall'],
  maxHertz: 999,
  seesNative: true,
  // A second one in the same network finds it taken.
  exclusive: 'the inspector port',
  obstacles,
  capture: inspectorCapture,
}

function inspectorCapture(
  facts: ProcessFacts,
  privileges: Privileges,
  ask: CaptureAsk,
): InspectorCapture {
  const withPerf = perfObstaclesOf(facts, privileges, ask)?.length === 0
  return {
    ...ask,
    tool: 'inspector',
    pid: facts.pid,
    nspid: facts.nspid,
    startTicks: facts.startTicks,
    event: ask.mode === 'wall' ? 'all time of JavaScript threads' : 'busy JavaScript threads',
    countsCpuTime: ask.mode === 'cpu',
    openAt: openInspector(facts),
    port: portOf(facts),
    perf: withPerf ? perfCapture(facts, privileges, ask) : undefined,
    seesSockets: privileges.canReadFiles,
  }
}

// Of 999 asked for, 890 to 930 came on a busy thread of Node 20, 22 and 24; of 99, all.
const honestHertz = 900
// Bit 9 of the mask, for signal 10.
const sigusr1 = 1n << 9n
const defaultPort = 9229
// What V8 calls the thread of its sampler. A continuous profiler in the process has one all the time.
const profilerThread = 'v8:ProfEvntProc'
const reachable = new Set(['127.0.0.1', '0.0.0.0', '::', '::1'])

function obstacles(facts: ProcessFacts, privileges: Privileges, ask: CaptureAsk): Obstacle[] {
  const found: Obstacle[] = [...(perfObstaclesOf(facts, privileges, ask) ?? [])]
  const block = (what: string, grant: string) => found.push({ effect: 'blocks', what, grant })
  const { pid } = facts
  if (privileges.canReadFiles && !facts.sharesNetwork) {
    block(
      `process ${pid} is in another network namespace`,
      'run in its pod (an ephemeral container shares the network), or with `nsenter --net`',
    )
  }
  const uids = optionsOf(facts).get('--inspect-publish-uid')
  if (uids !== undefined && !uids.split(',').includes('http')) {
    block(
      'the process was told not to publish the address of its inspector (--inspect-publish-uid)',
      'add `http` to that option',
    )
  }
  if (ask.hertz > honestHertz) {
    found.push({
      effect: 'degrades',
      what: `V8 is late at this rate: it gives about ${honestHertz} samples a second, not ${ask.hertz}`,
      grant: `ask for ${honestHertz} Hz`,
    })
  }
  if (facts.threadNames.includes(profilerThread)) found.push(otherProfile(ask))
  const openAt = openInspector(facts)
  if (openAt !== undefined) return [...found, ...obstaclesOfOpen(facts, openAt)]

  found.push(...signalObstacles(facts, privileges))
  if (facts.tracerPid !== 0) {
    block(
      `process ${pid} is traced by process ${facts.tracerPid}: a signal stops it until that one lets it go on`,
      'end that debugger',
    )
  }
  if (optionsOf(facts).has('--disable-sigusr1')) {
    block('the process was started with --disable-sigusr1', 'start it without that option')
  } else if ((facts.caughtSignals & sigusr1) === 0n) {
    block('the process does not catch SIGUSR1, which would end it', 'start it with `--inspect`')
  }
  const primary = primaryObstacle(facts, privileges)
  if (primary !== undefined) found.push(primary)
  const port = portOf(facts)
  const holder = holderOf(port, facts)
  if (holder !== undefined) {
    block(
      `port ${port}, which its inspector would open, is taken by another process of its network`,
      privileges.canReadFiles
        ? 'end what listens there (an inspector left open: `process._debugEnd()` in it)'
        : 'end what listens there; if it is the inspector of this very process, add the capability SYS_PTRACE',
    )
  }
  return found
}

/** V8 takes two profiles at once, each at its cost: only who asks for that in so many words gets it. */
function otherProfile({ tool }: CaptureAsk): Obstacle {
  const what = 'another CPU profile of this process is at work'
  return tool === 'inspector'
    ? {
        effect: 'degrades',
        what: `${what}: V8 takes both, and its sampler is seen in neither`,
        grant: 'let the other one end first, if the two together cost too much',
      }
    : {
        effect: 'blocks',
        what: `${what}, and is left alone (\`--tool inspector\` samples beside it)`,
        grant: '`--tool inspector`: V8 takes both, and the process pays for both',
      }
}

/** What keeps perf from running beside it, where that is asked for; undefined where it is not. */
function perfObstaclesOf(
  facts: ProcessFacts,
  privileges: Privileges,
  ask: CaptureAsk,
): Obstacle[] | undefined {
  if (ask.native !== true) return undefined
  if (ask.mode !== 'cpu') {
    const what = `native code is sampled in mode cpu only, not in mode ${ask.mode}`
    return [{ effect: 'degrades', what, grant: 'leave out --mode or --native' }]
  }
  return perfObstacles(facts, privileges, ask)
    .filter(({ effect }) => effect === 'blocks')
    .map(({ what, grant }) => ({
      effect: 'degrades',
      what: `native code is left out: ${what}`,
      grant,
    }))
}

/** Used as it is, and left open. */
function obstaclesOfOpen(facts: ProcessFacts, { address, port }: Endpoint): Obstacle[] {
  if (!reachable.has(address)) {
    return [
      {
        effect: 'blocks',
        what: `its inspector listens on ${address}, not on the loopback address`,
        grant: 'start it with `--inspect` and no address, or with 127.0.0.1',
      },
    ]
  }
  const isUsed = facts.sockets.some(each => each.state === 'connected' && each.port === port)
  return isUsed
    ? [
        {
          effect: 'blocks',
          what: `somebody is connected to its inspector on port ${port} already`,
          grant: 'wait until that debugger or profiler has gone',
        },
      ]
    : []
}

/** Its own port, if it has been opened before we came. */
function openInspector(facts: ProcessFacts): Endpoint | undefined {
  const port = portOf(facts)
  return facts.listeners.find(each => each.port === port)
}

/** Another's socket that would be in the way. */
function holderOf(port: number, { sockets, listeners }: ProcessFacts): Endpoint | undefined {
  if (port === 0 || listeners.some(each => each.port === port)) return undefined
  return sockets.find(each => {
    return each.state === 'listening' && each.port === port && reachable.has(each.address)
  })
}

/**
 * A signal to the primary of a cluster opens the inspectors of all its workers too, on one port. PM2 in
 * cluster mode is the same. https://nodejs.org/api/cluster.html
 */
function primaryObstacle(
  { pid, children }: ProcessFacts,
  { canReadFiles }: Privileges,
): Obstacle | undefined {
  const workers = children
    .filter(child => child.environment('NODE_UNIQUE_ID') !== undefined)
    .sort((a, b) => b.cpuTicks - a.cpuTicks)
  if (workers.length > 0) {
    return {
      effect: 'blocks',
      what:
        `process ${pid} is the primary of a cluster of ${workers.length}: a signal to it goes to all; ` +
        `the busiest of its workers is process ${workers[0]!.pid}`,
      grant: `name the worker: \`sp-flamegraph record ${workers[0]!.pid}\``,
    }
  }
  if (canReadFiles || children.length === 0) return undefined
  return {
    effect: 'blocks',
    what: `process ${pid} may be the primary of a cluster: what its ${children.length} children are cannot be read`,
    grant: 'name one of its children, or add the capability SYS_PTRACE',
  }
}

/** `--inspect-port=9300`, `--inspect=0.0.0.0:9300`, `--debug-port 9300`; the later one counts. */
function portOf(facts: ProcessFacts): number {
  const options = optionsOf(facts)
  let port = defaultPort
  for (const name of portOptions) {
    const value = options.get(name)
    const match = /(?:^|:)(\d{1,5})$/.exec(value ?? '')
    if (match !== null) port = Number(match[1])
  }
  return port
}

const portOptions = [
  '--inspect',
  '--inspect-brk',
  '--inspect-wait',
  '--inspect-port',
  '--debug-port',
]
// Options that take the next argument for their value when they have no `=`.
const separate = new Set([
  ...['--inspect-port', '--debug-port', '--inspect-publish-uid'],
  ...['-r', '--require', '--import', '--loader', '--experimental-loader', '-C', '--conditions'],
  ...['-e', '--eval', '-p', '--print', '-pe'],
])

/**
 * Node's own options, of the environment and before the script. A process that changed its title
 * (PM2 and its like) shows no arguments: then only the environment is known.
 */
export function optionsOf(facts: ProcessFacts): ReadonlyMap<string, string> {
  const words = (facts.environment('NODE_OPTIONS') ?? '').split(/\s+/)
  const options = new Map<string, string>()
  const read = (list: readonly string[], untilScript: boolean) => {
    for (let at = 0; at < list.length; at++) {
      const word = list[at]!
      if (untilScript && !word.startsWith('-')) return
      // V8 and Node take `_` for `-`.
      const [name, ...value] = word.split('=') as [string, ...string[]]
      const key = name.replaceAll('_', '-')
      const isSeparate = value.length === 0 && separate.has(key)
      options.set(key, isSeparate ? (list[++at] ?? '') : value.join('='))
    }
  }
  read(words, false)
  read(facts.argv.slice(1), true)
  return options
}
