// `sp-flamegraph doctor [PID]`: what would work here, and what to grant where it
// would not.
//
// It exits with 0 if something works for one of the targets, and with 4 if
// everything is blocked.

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
import { readCandidates, seesOwnContainerOnly } from '../target/candidates.ts'
import { type ProcessFacts, withFacts } from '../target/facts.ts'
import { busyShare, targetOf } from '../target/find.ts'
import { readLimits } from '../target/limits.ts'
import { parsePid } from './choose.ts'
import { printDiagnosis, printUs } from './doctor-table.ts'
import type { PatchKind } from './patch.ts'
import type { Terminal } from './terminal.ts'

// As many as a person reads under stress; `--json` has them all.
const maxShown = 8

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

export async function doctor(
  positionals: readonly string[],
  settings: Settings,
  patch: PatchKind | undefined,
  terminal: Terminal,
): Promise<void> {
  if (positionals.length > 1) {
    throw new ProfilerError('SP_USAGE', `one process at a time: ${positionals.join(' ')}`)
  }
  const [named] = positionals
  if (named === undefined && patch !== undefined) {
    throw new ProfilerError('SP_USAGE', '--print-patch needs the PID of a process to be profiled')
  }
  const whom: { readonly pid: number; readonly cpuShare?: number }[] =
    named === undefined ? await readCandidates() : [targetOf(parsePid(named))]
  const answersOf = await askKernel(whom.map(({ pid }) => pid))

  const policy = redactionPolicy({ customerIds: settings.customerIds })
  const patients = whom.flatMap(({ pid, cpuShare }) =>
    examine(pid, cpuShare, answersOf(pid), settings, policy),
  )
  const [first] = patients
  if (first === undefined) {
    throw new ProfilerError('SP_TARGET_GONE', 'every process ended while it was looked at')
  }
  if (!patients.some(isTreatable)) process.exitCode = 4
  if (patch !== undefined) {
    const { printPatch } = await import('./patch.ts')
    printPatch(patch, first, terminal)
    return
  }
  const us = readPrivileges(first.pid, answersOf(first.pid))
  const notes = notesOnUs(us, readLimits())
  if (named === undefined && seesOwnContainerOnly()) notes.push(...notShared)
  const busy = patients.filter(({ cpuShare = 1 }) => cpuShare >= busyShare)
  const shown = (busy.length > 0 ? busy : patients).slice(0, maxShown)
  printUs(us, notes, terminal)
  for (const patient of shown) printDiagnosis(patient, terminal)
  if (patients.length > shown.length) {
    const more = patients.length - shown.length
    terminal.print(`and ${more} more that use less (--json lists them all)`)
  }
  terminal.emit({ us: printable(us), notes, targets: patients })
}

const notShared = [
  'only processes of this container can be seen: share the PID namespace of the pod ' +
    '(`shareProcessNamespace: true`, or `kubectl debug --target=CONTAINER`)',
]

function isTreatable({ findings }: Patient): boolean {
  return findings.some(({ status }) => status !== 'blocked')
}

function examine(
  pid: number,
  cpuShare: number | undefined,
  answers: Answers,
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
        notes: notesOnTarget(facts),
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

function printable({ tools, ...us }: Privileges) {
  return {
    ...us,
    capabilities: [...us.capabilities],
    boundingCapabilities: [...us.boundingCapabilities],
    tools: Object.fromEntries(tools),
  }
}
