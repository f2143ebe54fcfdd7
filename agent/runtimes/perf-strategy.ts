// perf as a strategy: the same obstacles for every runtime that it can sample.
//
// What is not `cpu` needs the switches of threads: the modes differ in what is
// drawn of one and the same capture (profile/waiting.ts).

import type { ProcessFacts } from '../target/facts.ts'
import { filesObstacles } from './attach.ts'
import { permissionObstacles } from './perf-permission.ts'
import type { CaptureAsk, Obstacle, PerfCapture, Privileges, Strategy } from './runtime.ts'

export const perfStrategy: Strategy = {
  name: 'perf',
  tool: 'perf',
  modes: ['cpu', 'off-cpu', 'both', 'wall'],
  // cpu-clock gives 999 honestly (measured 3,997 of 4,000); more costs the target more than 4 %.
  maxHertz: 999,
  seesNative: true,
  obstacles: perfObstacles,
  capture: perfCapture,
}

/** The same strategy, where something is missing: always, or of the targets that `when` says. */
export function degraded(
  strategy: Strategy,
  what: string,
  grant: string,
  when: (facts: ProcessFacts) => boolean = () => true,
): Strategy {
  return {
    ...strategy,
    obstacles: (facts, privileges, ask) => {
      const found = strategy.obstacles(facts, privileges, ask)
      return when(facts) ? [...found, { effect: 'degrades', what, grant }] : found
    },
  }
}

export function perfCapture(
  facts: ProcessFacts,
  { tools, capabilities }: Privileges,
  ask: CaptureAsk,
): PerfCapture {
  const toolPath = tools.get('perf')!
  const callGraph = ask.callGraph === 'dwarf' ? 'dwarf' : 'fp'
  const hertz = callGraph === 'dwarf' ? Math.min(ask.hertz, maxCopyingHertz) : ask.hertz
  const { pid } = facts
  const mostBufferPages = capabilities.has('IPC_LOCK') ? 512 : unprivilegedPages
  const common = { tool: 'perf', toolPath, pid, callGraph, mostBufferPages } as const
  const capture = { ...ask, ...common, hertz }
  if (ask.mode === 'cpu') return { ...capture, event: 'cpu-clock', countsCpuTime: true }
  const switchesPerSecond = facts.switchesPerSecond()
  const copyingPeriod = switchPeriod(switchesPerSecond / mostCopiesPerSecond)
  const walkingPeriod = switchPeriod(switchesPerSecond / mostStacksPerSecond)
  const period = callGraph === 'dwarf' ? copyingPeriod : walkingPeriod
  return {
    ...capture,
    event: 'context-switches',
    countsCpuTime: true,
    switches: { period, copyingPeriod, maxBytes: maxSwitchBytes },
  }
}

// Within the 516 KiB a CPU that anyone may lock (kernel.perf_event_mlock_kb). Four times as much bridges a
// machine so full that perf itself waits for a core.
const unprivilegedPages = 128

/** A copied stack is 8 KB: 0.8 MB a second from each busy core at this rate, 8 at ten times it. */
export const maxCopyingHertz = 99

// Measured on a VM: the two records of a switch take 1.5 µs, its stack as much again.
const switchCostSeconds = 2e-6
// 4 % of a core, as much as 999 Hz may take.
const mostSwitchesUnfelt = 20_000
// Of stacks alone this many are 2 % of a core.
const mostStacksPerSecond = 10_000
// A copied one is 8 KB, so this many are 8 MB.
const mostCopiesPerSecond = 1000
// Two million switches with their stacks: some ten seconds of our own CPU time to read.
const maxSwitchBytes = 512 << 20

/** Of how many switches one is looked at. Odd numbers with no small factor, so that no alternation is in step. */
function switchPeriod(needed: number): number {
  return [1, 7, 31, 101].find(period => period >= needed) ?? 1009
}

export function perfObstacles(
  facts: ProcessFacts,
  privileges: Privileges,
  ask: CaptureAsk,
): Obstacle[] {
  const obstacles: Obstacle[] = []
  if (!privileges.tools.has('perf')) {
    obstacles.push({
      effect: 'blocks',
      what: 'perf is not installed here',
      grant: 'install linux-perf (Debian) or linux-tools (Ubuntu), or use the sp-profiler image',
    })
  }
  obstacles.push(...permissionObstacles(facts, privileges, ask))
  obstacles.push(...filesObstacles(facts, privileges, 'degrades'))
  const switchesPerSecond = ask.mode === 'cpu' ? 0 : facts.switchesPerSecond()
  if (switchesPerSecond > mostSwitchesUnfelt) {
    obstacles.push({
      effect: 'degrades',
      what:
        `the target switches ${Math.round(switchesPerSecond / 1000)},000 times a second: ` +
        `timing them slows it by some ${Math.round(switchesPerSecond * switchCostSeconds * 100)} % of a core`,
      grant: '`--mode cpu`, which does not time them',
    })
  }
  if (ask.callGraph === 'dwarf' && ask.hertz > maxCopyingHertz) {
    obstacles.push({
      effect: 'degrades',
      what: `stacks are copied, 8 KB each: at ${maxCopyingHertz} Hz, not ${ask.hertz}`,
      grant: '`--call-graph fp`, for code with frame pointers',
    })
  }
  if (ask.hertz > privileges.perfMaxHertz) {
    obstacles.push({
      effect: 'degrades',
      what: `the kernel clamps perf to ${privileges.perfMaxHertz} Hz`,
      grant: `sysctl kernel.perf_event_max_sample_rate=${ask.hertz} on the node`,
    })
  }
  return obstacles
}
