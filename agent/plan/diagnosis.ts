// What every strategy for a process would do in every mode: works, degraded, or
// blocked, with what to grant. What `doctor` shows.
//
// It is `weigh`, which the plan goes by too, for all modes at once: the first
// line of a mode that is not blocked is what `record` would run.

import { type Mode, modes } from '../config.ts'
import type { Fingerprint } from '../runtimes/index.ts'
import type { CaptureAsk, Obstacle, Privileges, Tool } from '../runtimes/runtime.ts'
import type { ProcessFacts } from '../target/facts.ts'
import { unknownRuntime, weigh } from './plan.ts'

export type Status = 'works' | 'degraded' | 'blocked'

export interface Finding {
  readonly status: Status
  readonly mode: Mode
  /** undefined where no runtime is known, so that no strategy is. */
  readonly strategy: string | undefined
  readonly tool: Tool | undefined
  readonly obstacles: readonly Obstacle[]
}

export function diagnose(
  facts: ProcessFacts,
  fingerprints: readonly Fingerprint[],
  privileges: Privileges,
  ask: Omit<CaptureAsk, 'mode'>,
): Finding[] {
  const [fingerprint] = fingerprints
  if (fingerprint === undefined) {
    const obstacles = [unknownRuntime(facts, privileges)]
    return [{ status: 'blocked', mode: 'cpu', strategy: undefined, tool: undefined, obstacles }]
  }
  return modes.flatMap(mode =>
    weigh(facts, fingerprint, privileges, { ...ask, mode }).map(({ strategy, obstacles }) => ({
      status: statusOf(obstacles),
      mode,
      strategy: strategy.name,
      tool: strategy.tool,
      obstacles,
    })),
  )
}

function statusOf(obstacles: readonly Obstacle[]): Status {
  if (obstacles.some(({ effect }) => effect === 'blocks')) return 'blocked'
  return obstacles.length > 0 ? 'degraded' : 'works'
}
