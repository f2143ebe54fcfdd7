// perf as a strategy: the same obstacles for every runtime that it can sample.

import type { ProcessFacts } from '../target/facts.ts'
import type { CaptureAsk, Obstacle, PerfCapture, Privileges, Strategy } from './runtime.ts'

export const perfStrategy: Strategy = {
  name: 'perf',
  tool: 'perf',
  modes: ['cpu'],
  // cpu-clock gives 999 honestly (measured 3,997 of 4,000); more costs the target more than 4 %.
  maxHertz: 999,
  obstacles: perfObstacles,
  capture: perfCapture,
}

export function perfCapture(
  { pid }: ProcessFacts,
  { tools }: Privileges,
  ask: CaptureAsk,
): PerfCapture {
  const toolPath = tools.get('perf')!
  return { ...ask, tool: 'perf', toolPath, pid, event: 'cpu-clock', countsCpuTime: true }
}

export function perfObstacles(
  facts: ProcessFacts,
  privileges: Privileges,
  ask: CaptureAsk,
): Obstacle[] {
  const obstacles: Obstacle[] = []
  const isPrivileged = ['PERFMON', 'SYS_ADMIN'].some(name => privileges.capabilities.has(name))
  if (!privileges.tools.has('perf')) {
    obstacles.push({
      effect: 'blocks',
      what: 'perf is not installed here',
      grant: 'install linux-perf (Debian) or linux-tools (Ubuntu), or use the sp-profiler image',
    })
  }
  const isOtherUser = facts.uid !== privileges.uid
  if (isOtherUser && !isPrivileged && !privileges.capabilities.has('SYS_PTRACE')) {
    obstacles.push({
      effect: 'blocks',
      what: `the target runs as uid ${facts.uid}, we as ${privileges.uid}`,
      grant: `run as uid ${facts.uid}, or add the capability PERFMON (or SYS_PTRACE)`,
    })
  }
  const paranoid = privileges.perfEventParanoid
  if (paranoid === undefined) {
    obstacles.push({
      effect: 'blocks',
      what: 'this kernel has no perf events',
      grant: 'a node whose kernel has CONFIG_PERF_EVENTS (gVisor has none)',
    })
  } else if (paranoid > 1 && !isPrivileged) {
    obstacles.push({
      effect: 'degrades',
      what: `kernel frames are left out (perf_event_paranoid is ${paranoid})`,
      grant: 'add the capability PERFMON',
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
