// Which process: the one that was named, the only busy one, or the one that a
// person chooses from a list. Where nobody can be asked, the list and exit code 2.

import { createInterface } from 'node:readline/promises'
import type { Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { redactionPolicy } from '../redact/policy.ts'
import { redactText } from '../redact/redact.ts'
import {
  type Candidate,
  notShared,
  readCandidates,
  seesOwnContainerOnly,
} from '../target/candidates.ts'
import { isBusy, onlyBusy, type Target, targetOf } from '../target/find.ts'
import { lookThrough } from '../target/workers.ts'
import { printChoice } from './overview.ts'
import type { Terminal } from './terminal.ts'

export async function chooseTarget(
  positionals: readonly string[],
  settings: Settings,
  terminal: Terminal,
): Promise<Target> {
  if (positionals.length > 1) {
    throw new ProfilerError('SP_USAGE', `one process at a time: ${positionals.join(' ')}`)
  }
  const [named] = positionals
  if (named !== undefined) return workerOf(targetOf(parsePid(named)), settings, terminal)

  const candidates = await readCandidates()
  const only = onlyBusy(candidates)
  if (only !== undefined) {
    const share = Math.round(only.cpuShare * 100)
    const policy = redactionPolicy({ customerIds: settings.customerIds })
    const { text: comm } = redactText(only.comm, policy)
    terminal.state(
      'target',
      `Taking process ${only.pid} (${comm}), the only busy one: ${share} % of a core`,
    )
    return targetOf(only.pid)
  }
  const busy = candidates.filter(isBusy)
  await printChoice(busy.length > 0 ? busy : candidates, settings, terminal)
  if (canAsk(settings)) return targetOf(await ask())
  if (busy.length > 0) {
    const what = `${busy.length} processes are busy, and none was named`
    throw new ProfilerError('SP_TARGET_AMBIGUOUS', what)
  }
  // What idles here may be our own daemon, and whom it is there for out of sight.
  const why = seesOwnContainerOnly() ? `; ${notShared}` : ''
  throw new ProfilerError('SP_TARGET_AMBIGUOUS', `no process is busy, and none was named${why}`)
}

/** The process that was named, or the one that works for it: `target/workers.ts` has the rule. */
async function workerOf(named: Target, settings: Settings, terminal: Terminal): Promise<Target> {
  const found = await lookThrough(named, settings.mode)
  if (found === undefined) return named
  const { supervisor, workers, areAlike } = found
  const policy = redactionPolicy({ customerIds: settings.customerIds })
  const nameOf = ({ pid, comm }: Candidate) => `${pid} (${redactText(comm, policy).text})`
  const busiest = workers[0]!
  const isOne = workers.length === 1
  if (isOne || (areAlike && !canAsk(settings))) {
    const chosen =
      `Process ${nameOf(supervisor)} is idle: taking its busiest descendant ${nameOf(busiest)}, ` +
      `${Math.round(busiest.cpuShare * 100)} % of a core` +
      (isOne ? '.' : `, one of ${workers.length} busy ones that are alike.`)
    terminal.state('target', chosen)
    return { ...targetOf(busiest.pid), chosen }
  }
  await printChoice(workers, settings, terminal)
  if (canAsk(settings)) return targetOf(await ask())
  throw new ProfilerError(
    'SP_TARGET_AMBIGUOUS',
    `process ${nameOf(supervisor)} is idle, and ${workers.length} different ones below it are busy`,
  )
}

function canAsk({ json }: Settings): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true && !json
}

/**
 * The highest pid that Linux gives out is 2^22: seven digits.
 *
 * @throws {ProfilerError} `SP_USAGE`
 */
export function parsePid(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new ProfilerError('SP_USAGE', `not a pid: ${text}`)
  const pid = Number(text)
  if (pid === process.pid) throw new ProfilerError('SP_USAGE', 'that is this very process')
  return pid
}

async function ask(): Promise<number> {
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = (await prompt.question('Which PID? ')).trim()
    if (answer === '') throw new ProfilerError('SP_TARGET_AMBIGUOUS', 'no process was chosen')
    return parsePid(answer)
  } finally {
    prompt.close()
  }
}
