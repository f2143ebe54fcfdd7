// Whom a session captures, where no person can be asked: the process that was
// named, the worker that is busy below it, or the only busy one.

import type { Mode } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { readCandidates } from '../target/candidates.ts'
import { isBusy, onlyBusy, type Target, targetOf } from '../target/find.ts'
import { lookThrough } from '../target/workers.ts'

/**
 * @param pid undefined: the only busy one
 * @throws {ProfilerError} `SP_TARGET_GONE`, `SP_TARGET_AMBIGUOUS` with the busy ones in its facts
 */
export async function chooseUnasked(pid: number | undefined, mode: Mode): Promise<Target> {
  if (pid === undefined) {
    const candidates = await readCandidates('captures')
    const only = onlyBusy(candidates)
    if (only !== undefined) return targetOf(only.pid)
    throw ambiguous('the only busy process was asked for', candidates.filter(isBusy))
  }
  const named = targetOf(pid)
  const found = await lookThrough(named, mode)
  if (found === undefined) return named
  const { workers, areAlike } = found
  const [busiest] = workers
  if (workers.length > 1 && !areAlike) throw ambiguous(`process ${pid} is idle`, workers)
  const share = Math.round(busiest!.cpuShare * 100)
  const chosen = `Process ${pid} is idle: taking its busiest descendant ${busiest!.pid}, ${share} % of a core.`
  return { ...targetOf(busiest!.pid), chosen }
}

function ambiguous(
  what: string,
  busy: readonly { readonly pid: number; readonly cpuShare: number }[],
): ProfilerError {
  const shown = busy.slice(0, 8)
  return new ProfilerError('SP_TARGET_AMBIGUOUS', `${what}, and ${busy.length} are busy`, {
    facts: {
      busy: shown.map(({ pid, cpuShare }) => `${pid} (${Math.round(cpuShare * 100)} % of a core)`),
    },
  })
}
