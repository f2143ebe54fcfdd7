// `sp-flamegraph doctor [PID]`: what would work here, and what to grant where it
// would not.
//
// It exits with 0 if something works for one of the targets, and with 4 if
// everything is blocked.

import type { Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { examineAll, type Patient, printable } from '../session/examine.ts'
import { notShared, readCandidates, seesOwnContainerOnly } from '../target/candidates.ts'
import { busyShare, targetOf } from '../target/find.ts'
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
  const whom = named === undefined ? await readCandidates() : [targetOf(parsePid(named))]
  const { us, notes, patients } = await examineAll(whom, settings)
  if (!patients.some(isTreatable)) process.exitCode = 4
  if (patch !== undefined) {
    const { printPatch } = await import('./patch.ts')
    printPatch(patch, patients[0]!, terminal)
    return
  }
  const isAlone = named === undefined && seesOwnContainerOnly()
  const said = isAlone ? [...notes, notShared] : notes
  const busy = patients.filter(({ cpuShare = 1 }) => cpuShare >= busyShare)
  const shown = (busy.length > 0 ? busy : patients).slice(0, maxShown)
  printUs(us, said, terminal)
  for (const patient of shown) printDiagnosis(patient, terminal)
  if (patients.length > shown.length) {
    const more = patients.length - shown.length
    terminal.print(`and ${more} more that use less (--json lists them all)`)
  }
  terminal.emit({ us: printable(us), notes: said, targets: patients })
}

function isTreatable({ findings }: Patient): boolean {
  return findings.some(({ status }) => status !== 'blocked')
}
