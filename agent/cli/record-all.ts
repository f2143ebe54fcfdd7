// `sp-flamegraph record --all`: every busy process of the pod, side by side.
//
// Each has its own receipt or its own error, all under one incident, and the
// command ends with the worst of them. One Ctrl-C is for all: what was captured
// is kept, and what has not begun is not begun.

import os from 'node:os'
import type { Format, Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { planCapture, type RecordAsk, record as runPipeline } from '../pipeline.ts'
import { checkOutput } from '../publish/output.ts'
import { defaultIncident } from '../publish/place.ts'
import type { Receipt } from '../publish/receipt.ts'
import { dispatch, type Job } from '../session/dispatch.ts'
import { readCandidates } from '../target/candidates.ts'
import { busyShare, targetOf } from '../target/find.ts'
import { captureSlots, readLimits } from '../target/limits.ts'
import { version } from '../version.ts'
import { showLive } from './live.ts'
import { printingReceipt } from './receipt.ts'
import { onInterrupt } from './signals.ts'
import { asProfilerError, type Terminal } from './terminal.ts'

export async function recordAll(
  positionals: readonly string[],
  given: Settings,
  formats: readonly Format[],
  terminal: Terminal,
): Promise<void> {
  if (positionals.length > 0) {
    throw new ProfilerError('SP_USAGE', `--all takes every busy process, and no PID`)
  }
  if (given.output !== undefined) {
    throw new ProfilerError('SP_USAGE', '--output is one file, --all is several captures: use --to')
  }
  if (given.live !== undefined || given.keepRaw !== undefined) {
    throw new ProfilerError(
      'SP_USAGE',
      '--live and --keep-raw are of one capture, --all is several',
    )
  }
  await checkOutput(given)
  const busy = (await readCandidates()).filter(({ cpuShare }) => cpuShare >= busyShare)
  if (busy.length === 0) throw new ProfilerError('SP_TARGET_AMBIGUOUS', 'no process is busy')
  // One name for all of them, even if some begin in the next minute.
  const settings = { ...given, incident: given.incident ?? defaultIncident(new Date()) }
  const slots = captureSlots(readLimits(), os.availableParallelism())
  const words = busy.length <= slots ? 'at once' : `${slots} at a time`
  terminal.state('targets', `Capturing ${busy.length} processes, ${words}`)

  const { signals, release } = onInterrupt(said => terminal.state('stopping', said))
  try {
    const jobs = await Promise.all(
      busy.map(({ pid }) =>
        jobFor(pid, { settings, formats, signals, version: version() }, terminal),
      ),
    )
    const results = await dispatch(jobs, slots, signals.stop)
    process.exitCode = worst(results.map(result => exitOf(result)))
    const kept = results.filter(result => result?.status === 'fulfilled').length
    terminal.state('done', `${kept} of ${busy.length} captures are published`)
  } finally {
    release()
  }
}

async function jobFor(
  pid: number,
  ask: Omit<RecordAsk, 'target'>,
  terminal: Terminal,
): Promise<Job<Receipt>> {
  const progress = {
    state: (name: string, words: string) => terminal.state(name, `${pid}: ${words}`),
  }
  const run = async () => {
    // A line that updates can be of one capture only; of JSON each line says whose it is.
    const show = ask.settings.json ? showLive(ask.settings, terminal) : undefined
    const seen = { ...ask, ...(show?.onLive && { onLive: show.onLive }) }
    try {
      const receipt = runPipeline({ ...seen, target: targetOf(pid) }, progress)
      return await printingReceipt(receipt, ask.settings, terminal)
    } catch (error) {
      terminal.error(error)
      throw error
    } finally {
      show?.stop()
    }
  }
  // What cannot be planned says so itself, when it has its turn.
  const planned = await planCapture({ ...ask, target: targetOf(pid) }).catch(() => undefined)
  return { exclusive: planned?.exclusive ?? [], run }
}

/** The most alarming first: what was refused, what failed, what is not there; the rest a person did. */
const severity = [3, 1, 6, 4, 5, 7, 2, 0]

function worst(exits: readonly number[]): number {
  return severity.find(exit => exits.includes(exit)) ?? 0
}

function exitOf(result: PromiseSettledResult<Receipt> | undefined): number {
  if (result === undefined) return new ProfilerError('SP_CANCELLED', 'never began').exit
  return result.status === 'fulfilled' ? 0 : asProfilerError(result.reason).exit
}
