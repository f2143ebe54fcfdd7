// Targets and doctor, for those who ask the daemon: loaded when the first one does.

import { askKernel } from '../capture/probe.ts'
import type { Settings } from '../config.ts'
import { notesOnUs } from '../plan/notes.ts'
import { readPrivileges } from '../plan/privileges.ts'
import { redactionPolicy } from '../redact/policy.ts'
import { examine, printable } from '../session/examine.ts'
import { rowsOf } from '../session/targets.ts'
import { readCandidates } from '../target/candidates.ts'
import { targetOf } from '../target/find.ts'
import { readLimits } from '../target/limits.ts'

// A node has thousands of processes; a pod some ten.
const maxTargets = 200

/** @throws {ProfilerError} `SP_NOT_SHARED` */
export async function lookAtTargets(settings: Settings): Promise<unknown> {
  const policy = redactionPolicy({ customerIds: settings.customerIds })
  const candidates = (await readCandidates()).slice(0, maxTargets)
  return { targets: await rowsOf(candidates, settings, policy), to: settings.to }
}

/** @throws {ProfilerError} `SP_NOT_SHARED`, `SP_TARGET_GONE`, `SP_USAGE` */
export async function lookAsDoctor(
  { pid, mode }: { readonly pid?: number; readonly mode?: Settings['mode'] },
  given: Settings,
): Promise<unknown> {
  const settings = { ...given, mode: mode ?? given.mode }
  const policy = redactionPolicy({ customerIds: settings.customerIds })
  const whom: { readonly pid: number; readonly cpuShare?: number }[] =
    pid === undefined ? (await readCandidates()).slice(0, maxTargets) : [targetOf(pid)]
  const answersOf = await askKernel(whom.map(each => each.pid))
  const targets = whom.flatMap(each =>
    examine(each.pid, each.cpuShare, answersOf(each.pid), settings, policy),
  )
  const us = readPrivileges(process.pid, answersOf(whom[0]!.pid))
  return { us: printable(us), notes: notesOnUs(us, readLimits()), targets }
}
