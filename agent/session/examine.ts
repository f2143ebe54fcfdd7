// One process and what may be done with it: every strategy's finding, and the
// least to grant. Redacted: what doctor says is pasted into a chat.

import { askKernel } from '../capture/probe.ts'
import { type Mode, modes, type Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { diagnose, type Finding } from '../plan/diagnosis.ts'
import { type Least, leastGrant } from '../plan/grants.ts'
import { notesOnTarget, notesOnUs } from '../plan/notes.ts'
import { readPrivileges } from '../plan/privileges.ts'
import { type RedactionPolicy, redactionPolicy } from '../redact/policy.ts'
import { redactTexts } from '../redact/redact.ts'
import type { Answers } from '../runtimes/answers.ts'
import { fingerprint } from '../runtimes/index.ts'
import type { Privileges } from '../runtimes/runtime.ts'
import { type ProcessFacts, withFacts } from '../target/facts.ts'
import { type Limits, readLimits } from '../target/limits.ts'

export interface Patient {
  readonly pid: number
  readonly comm: string
  readonly uid: number
  readonly gid: number
  readonly runtime: string
  readonly version: string
  /** Share of one core; undefined where the process was named, and so was not watched. */
  readonly cpuShare?: number
  readonly findings: readonly Finding[]
  readonly notes: readonly string[]
  /** What would make the best strategy of the mode that is set work as well as it can; undefined if nothing would. */
  readonly least?: Least & { readonly mode: Mode }
}

export interface Examination {
  readonly us: Privileges
  /** What is to be known of us, in sentences. */
  readonly notes: readonly string[]
  readonly patients: readonly Patient[]
}

/** @throws {ProfilerError} `SP_TARGET_GONE` if all of them ended while we looked */
export async function examineAll(
  whom: readonly { readonly pid: number; readonly cpuShare?: number }[],
  settings: Settings,
): Promise<Examination> {
  const answersOf = await askKernel(whom.map(({ pid }) => pid))
  const policy = redactionPolicy({ customerIds: settings.customerIds })
  const limits = readLimits()
  const patients = whom.flatMap(({ pid, cpuShare }) => {
    return examine(pid, cpuShare, answersOf(pid), limits, settings, policy)
  })
  const [first] = patients
  if (first === undefined) {
    throw new ProfilerError('SP_TARGET_GONE', 'every process ended while it was looked at')
  }
  const us = readPrivileges(first.pid, answersOf(first.pid))
  return { us, notes: notesOnUs(us, limits), patients }
}

/** Empty if it ended while we looked. */
function examine(
  pid: number,
  cpuShare: number | undefined,
  answers: Answers,
  limits: Limits,
  settings: Settings,
  policy: RedactionPolicy,
): Patient[] {
  try {
    return withFacts(pid, facts => {
      const { privileges, fingerprints, refusal } = look(facts, answers)
      const ask = { ...settings, durationMs: settings.duration }
      const findings = refusal ?? diagnose(facts, fingerprints, privileges, ask)
      const { mode } = settings
      const least = leastGrant(facts, fingerprints[0], privileges, { ...ask, mode })
      const patient: Patient = {
        pid,
        comm: facts.comm,
        uid: facts.uid,
        gid: facts.gid,
        runtime: fingerprints[0]?.runtime.title ?? 'unknown',
        version: fingerprints[0]?.version ?? '',
        ...(cpuShare !== undefined && { cpuShare }),
        findings,
        notes: notesOnTarget(facts, limits),
        ...(least !== undefined && { least: { mode, ...least } }),
      }
      // What doctor says is pasted into a chat, and a process may be named after a customer.
      return [redactTexts(patient, policy)]
    })
  } catch (error) {
    // It ended while we looked: it is no longer here.
    if (error instanceof ProfilerError && error.code === 'SP_TARGET_GONE') return []
    throw error
  }
}

/** A runtime may say that a process is its own and cannot be profiled: then that is what blocks. */
function look(facts: ProcessFacts, answers: Answers) {
  const privileges = readPrivileges(facts.pid, answers)
  try {
    return { privileges, fingerprints: fingerprint(facts) }
  } catch (error) {
    if (!(error instanceof ProfilerError)) throw error
    const obstacles = [{ effect: 'blocks', what: error.message, grant: error.hint } as const]
    const none = { strategy: undefined, tool: undefined }
    const refusal = modes.slice(0, 1).map(mode => {
      return { status: 'blocked', mode, ...none, obstacles } as const satisfies Finding
    })
    return { privileges, fingerprints: [], refusal }
  }
}

/** What we may do, as JSON can say it. */
export function printable({ tools, ...us }: Privileges) {
  return {
    ...us,
    capabilities: [...us.capabilities],
    boundingCapabilities: [...us.boundingCapabilities],
    tools: Object.fromEntries(tools),
  }
}
