// The obstacles of every tool that reads the target's memory from outside.

import type { ProcessFacts } from '../target/facts.ts'
import type { Obstacle, Privileges, Tool } from './runtime.ts'

/** @param install how to get the tool, as an imperative */
export function attachObstacles(
  { pid, uid }: ProcessFacts,
  privileges: Privileges,
  tool: Tool,
  install: string,
): Obstacle[] {
  const obstacles: Obstacle[] = []
  if (!privileges.tools.has(tool)) {
    obstacles.push({ effect: 'blocks', what: `${tool} is not installed here`, grant: install })
  }
  if (!privileges.canAttach) {
    obstacles.push({
      effect: 'blocks',
      what: `the memory of process ${pid} may not be read`,
      grant: `run as uid ${uid}, or add the capability SYS_PTRACE`,
    })
  }
  return obstacles
}
