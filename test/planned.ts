// The capture that a plan would make of a living process: what the drivers are tested with.

import { plan } from '../agent/plan/plan.ts'
import { readPrivileges } from '../agent/plan/privileges.ts'
import { fingerprint } from '../agent/runtimes/index.ts'
import type { CaptureAsk, CaptureDescription } from '../agent/runtimes/runtime.ts'
import { withFacts } from '../agent/target/facts.ts'

export function planned(pid: number, ask: Partial<CaptureAsk> = {}): CaptureDescription {
  return plannedAll(pid, ask)[0]!
}

/** With those that are there to fall back on. */
export function plannedAll(
  pid: number,
  ask: Partial<CaptureAsk> = {},
): readonly CaptureDescription[] {
  const whole = { mode: 'cpu', hertz: 99, durationMs: 1000, ...ask } as const
  return withFacts(pid, facts => {
    return plan(facts, fingerprint(facts), readPrivileges(pid), whole).captures
  })
}
