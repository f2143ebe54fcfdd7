// Which process: the one that was named, the only busy one, or the one that a
// person chooses from a list. Where nobody can be asked, the list and exit code 2.

import { createInterface } from 'node:readline/promises'
import type { Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { redactionPolicy } from '../redact/policy.ts'
import { redactText } from '../redact/redact.ts'
import { readCandidates } from '../target/candidates.ts'
import { busyShare, onlyBusy, type Target, targetOf } from '../target/find.ts'
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
  if (named !== undefined) return targetOf(parsePid(named))

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
  const busy = candidates.filter(({ cpuShare }) => cpuShare >= busyShare)
  await printChoice(busy.length > 0 ? busy : candidates, settings, terminal)
  const canAsk = process.stdin.isTTY && process.stderr.isTTY && !settings.json
  if (canAsk) return targetOf(await ask())
  throw new ProfilerError(
    'SP_TARGET_AMBIGUOUS',
    busy.length > 0
      ? `${busy.length} processes are busy, and none was named`
      : 'no process is busy, and none was named',
  )
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
