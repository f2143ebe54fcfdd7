// perf as a strategy: the same obstacles for every runtime that it can sample.

import type { ProcessFacts } from '../target/facts.ts'
import { filesObstacles } from './attach.ts'
import { permissionObstacles } from './perf-permission.ts'
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
  if (!privileges.tools.has('perf')) {
    obstacles.push({
      effect: 'blocks',
      what: 'perf is not installed here',
      grant: 'install linux-perf (Debian) or linux-tools (Ubuntu), or use the sp-profiler image',
    })
  }
  obstacles.push(...permissionObstacles(facts, privileges, ask))
  obstacles.push(...filesObstacles(facts, privileges, 'degrades'))
  if (ask.hertz > privileges.perfMaxHertz) {
    obstacles.push({
      effect: 'degrades',
      what: `the kernel clamps perf to ${privileges.perfMaxHertz} Hz`,
      grant: `sysctl kernel.perf_event_max_sample_rate=${ask.hertz} on the node`,
    })
  }
  return obstacles
}
