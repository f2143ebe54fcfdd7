// The obstacles of every tool that reads the target's memory from outside, as
// py-spy and its kin do.

import type { ProcessFacts } from '../target/facts.ts'
import { isRefused } from './answers.ts'
import { attachObstacles } from './attach.ts'
import type { CaptureAsk, Obstacle, Privileges, Tool } from './runtime.ts'

export interface MemoryReader {
  readonly tool: Tool
  /** How to get it, as an imperative. */
  readonly install: string
  /**
   * The refusals of process_vm_readv after which it opens /proc/PID/mem instead: py-spy 0.4.3 does
   * so after EPERM and ENOSYS (seen under filters that answer each of them).
   */
  readonly opensMemoryAfter?: readonly string[]
}

export function memoryReaderObstacles(
  { tool, install, opensMemoryAfter = [] }: MemoryReader,
  facts: ProcessFacts,
  privileges: Privileges,
  { pause }: CaptureAsk,
): Obstacle[] {
  const obstacles: Obstacle[] = []
  const block = (what: string, grant: string) => obstacles.push({ effect: 'blocks', what, grant })
  if (!privileges.tools.has(tool)) block(`${tool} is not installed here`, install)
  obstacles.push(...attachObstacles(facts, privileges))
  const { readMemory, ptrace } = privileges.answers
  const hasOtherWay = opensMemoryAfter.includes(readMemory) && privileges.canOpenMemory
  if (isRefused(readMemory) && !hasOtherWay) {
    block(
      'seccomp blocks process_vm_readv',
      'seccomp `RuntimeDefault`, or `Unconfined` on kernels before 4.8',
    )
  }
  // To stop its target it attaches to every thread, which one tracer at a time may do.
  if (pause && (isRefused(ptrace) || facts.tracerPid !== 0)) {
    const why = facts.tracerPid === 0 ? 'seccomp blocks ptrace' : `${facts.tracerPid} traces it`
    block(`${tool} may not stop process ${facts.pid}: ${why}`, 'leave out --pause')
  }
  return obstacles
}
