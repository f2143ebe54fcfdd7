// Asking a BEAM for the stacks of its processes over the distribution, the protocol
// by which the nodes of a cluster run things in each other.
// https://www.erlang.org/doc/system/distributed.html
//
// No other way gives Erlang functions names where the JIT writes no map. But the
// cookie that opens it is the right to run anything in the node: so it is used only
// where that was allowed in so many words, and then for functions of OTP alone.
//
// Two traps. What is sampled are processes, not CPU time: one that is ready waits for
// a scheduler and counts as much as one that runs. And a stack has eight frames (the
// flag backtrace_depth, which is not ours to change), so its outermost callers may be missing.

import type { ProcessFacts } from '../target/facts.ts'
import { either, filesObstacles, identityGrant } from './attach.ts'
import { reachable } from './endpoints.ts'
import { optionOf } from './erlang-arguments.ts'
import { findCookie } from './erlang-cookie.ts'
import type { CaptureAsk, ErlDistCapture, Obstacle, Privileges, Strategy } from './runtime.ts'

export const distributionStrategy: Strategy = {
  name: 'the Erlang distribution',
  tool: 'erl-dist',
  modes: ['cpu', 'wall'],
  // A tick is three calls, some ms with a scheduler that is busy. Not 50: out of step with timers.
  maxHertz: 49,
  seesNative: false,
  obstacles,
  capture: (facts, _, ask): ErlDistCapture => ({
    ...ask,
    tool: 'erl-dist',
    pid: facts.pid,
    event: ask.mode === 'wall' ? 'all processes of the node' : 'processes that run or are ready to',
    countsCpuTime: false,
    stackLimit: backtraceDepth,
    endpoints: facts.listeners.flatMap(reachable),
    epmdPort: portOf(facts.environment('ERL_EPMD_PORT')) ?? defaultEpmdPort,
    toldPort: portOf(optionOf(facts.argv, '-erl_epmd_port')),
  }),
}

const defaultEpmdPort = 4369
// The runtime system's own, unless the program has changed it: what comes tells.
const backtraceDepth = 8
// ERTS 11 is OTP 23, the first with version 6 of the handshake.
const oldestErts = 11

function obstacles(facts: ProcessFacts, privileges: Privileges, ask: CaptureAsk): Obstacle[] {
  const found: Obstacle[] = []
  const block = (what: string, grant: string) => found.push({ effect: 'blocks', what, grant })
  if (ask.allowRemoteEval !== true) {
    block(
      'the cookie of a node is the right to run anything in it, and is not used unasked',
      '`--allow-remote-eval`: then functions of OTP that are there are called (processes/0, process_info/2)',
    )
  }
  const major = Number(/\/erts-(\d+)/.exec(facts.executable ?? '')?.[1])
  if (major < oldestErts) block('the node is older than OTP 23', 'OTP 23 or newer')
  const protocol = optionOf(facts.argv, '-proto_dist') ?? 'inet_tcp'
  if (!/^inet6?_tcp$/.test(protocol)) {
    block(
      protocol.includes('tls')
        ? `the distribution of the node is over TLS (-proto_dist ${protocol}), which is not spoken here`
        : 'the distribution of the node is over a carrier of its own (-proto_dist)',
      '`+JPperf true` and perf',
    )
  }
  if (!privileges.canReadFiles) return [...found, ...filesObstacles(facts, privileges, 'blocks')]
  if (!facts.sharesNetwork) {
    block(
      'the network namespace of the node is not ours',
      'run in the pod of the target, which shares its network',
    )
  } else if (facts.listeners.length === 0) {
    block(
      'the node listens on no TCP port, so its distribution is off',
      'start it with `-sname` or `-name`',
    )
  } else {
    const cookie = findCookie(facts)
    if (typeof cookie === 'string') {
      const grant = cookie.endsWith('cannot be read')
        ? either(identityGrant(facts, privileges), 'add the capability DAC_READ_SEARCH')
        : 'start the node with its cookie in `-setcookie`, or in a file of its home folder'
      block(cookie, grant)
    }
  }
  if (ask.mode === 'cpu') {
    found.push({
      effect: 'degrades',
      what: 'samples are of processes that run or are ready to, not of CPU time: who waits for a scheduler counts as much',
      grant: 'start with `+JPperf true` (OTP 25 or newer), and let perf sample',
    })
  }
  return found
}

function portOf(text: string | undefined): number | undefined {
  const port = Number(text)
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined
}
