// `sp-flamegraph doctor [PID]`: what would work here, and what to grant where it
// would not.
//
// It exits with 0 if something works for one of the targets, and with 4 if
// everything is blocked.

import { askKernel } from '../capture/probe.ts'
import type { Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { notesOnUs } from '../plan/notes.ts'
import { readPrivileges } from '../plan/privileges.ts'
import { redactionPolicy } from '../redact/policy.ts'
import { examine, type Patient, printable } from '../session/examine.ts'
import { readCandidates, seesOwnContainerOnly } from '../target/candidates.ts'
import { busyShare, targetOf } from '../target/find.ts'
import { readLimits } from '../target/limits.ts'
import { parsePid } from './choose.ts'
import { printDiagnosis, printUs } from './doctor-table.ts'
import type { PatchKind } from './patch.ts'
import type { Terminal } from './terminal.ts'

// As many as a person reads under stress; `--json` has them all.
const maxShown = 8

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
