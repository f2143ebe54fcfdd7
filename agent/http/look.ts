// Targets and doctor, for those who ask the daemon: loaded when the first one does.

import type { Settings } from '../config.ts'
import { redactionPolicy } from '../redact/policy.ts'
import { examineAll, printable } from '../session/examine.ts'
import { rowsOf } from '../session/targets.ts'
import { readCandidates } from '../target/candidates.ts'
import { targetOf } from '../target/find.ts'

// A node has thousands of processes; a pod some ten.
const maxTargets = 200

/** @throws {ProfilerError} `SP_NOT_SHARED` */
export async function lookAtTargets(settings: Settings): Promise<unknown> {
  const policy = redactionPolicy({ customerIds: settings.customerIds })
  const candidates = (await readCandidates('captures')).slice(0, maxTargets)
  return { targets: await rowsOf(candidates, settings, policy), to: settings.to }
}

/** @throws {ProfilerError} `SP_NOT_SHARED`, `SP_TARGET_GONE`, `SP_USAGE` */
export async function lookAsDoctor(
  { pid, mode }: { readonly pid?: number; readonly mode?: Settings['mode'] },
  given: Settings,
): Promise<unknown> {
  const whom =
    pid === undefined ? (await readCandidates('captures')).slice(0, maxTargets) : [targetOf(pid)]
  const { us, notes, patients } = await examineAll(whom, { ...given, mode: mode ?? given.mode })
  return { us: printable(us), notes, targets: patients }
}
