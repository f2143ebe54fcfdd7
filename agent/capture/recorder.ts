// The flight recorder: perf with a ring that it overwrites, so that the minutes
// before an ask can still be had when somebody asks.
//
// It writes nothing until it gets SIGUSR2; then one file with all that the ring
// holds, and goes on. Measured: 13 MB resident, no CPU of its own, 110 bytes a
// sample. What it holds is not redacted: the folder is ours alone, and a file is
// read and removed at once.
//
// The trap: perf announces nothing when its file is whole. It closes it; so the
// file is taken when its size has stopped growing and its name has been complete.

import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ProfilerError } from '../errors.ts'
import type { Target } from '../target/find.ts'
import { readStat } from '../target/procfs.ts'

export interface Recorder {
  readonly target: Target
  /** Of perf itself. */
  readonly perf: { readonly pid: number; readonly startTicks: number }
  readonly folder: string
  readonly hertz: number
  /** When it began, on the monotonic clock. */
  readonly sinceMs: number
}

// Half of what a capture samples: it runs for hours. Not 50, which timers tick at.
export const recorderHertz = 49
// 4 MB a core: 13 minutes of a busy one. Where memory may not be locked beyond what the kernel gives
// everybody (perf_event_mlock_kb: 516 KB a core), 256 KB: 47 seconds.
const manyPages = 1024
const fewPages = 64
const fileName = 'ring.data'

// A ring of 64 cores has 256 MB, and is written in a second.
const writtenMs = 10_000
const lookMs = 20
const maxFileBytes = 512 << 20

export function recorderArguments(pid: number, folder: string, canLockMemory: boolean): string[] {
  return [
    'record',
    '--no-bpf-event',
    '--no-buildid',
    '--no-buildid-cache',
    '--overwrite',
    '--switch-output=signal',
    '--event=cpu-clock',
    `--freq=${recorderHertz}`,
    '--call-graph=fp',
    '--clockid=CLOCK_MONOTONIC',
    `--mmap-pages=${canLockMemory ? manyPages : fewPages}`,
    `--pid=${pid}`,
    `--output=${path.join(folder, fileName)}`,
  ]
}

/**
 * What the ring holds, as a perf.data that is already removed from its folder.
 *
 * @throws {ProfilerError} `SP_TOOL_FAILED` if perf is gone, or gives nothing
 */
export async function askRecorder({ perf, folder }: Recorder): Promise<Buffer> {
  const before = new Set(fs.readdirSync(folder))
  if (readStat(perf.pid).startTicks !== perf.startTicks) throw silent('has ended')
  process.kill(perf.pid, 'SIGUSR2')
  const endMs = performance.now() + writtenMs
  let size = -1
  while (performance.now() < endMs) {
    await sleep(lookMs)
    const name = fs
      .readdirSync(folder)
      .find(each => each.startsWith(`${fileName}.`) && !before.has(each))
    if (name === undefined) continue
    const file = path.join(folder, name)
    const now = fs.statSync(file).size
    if (now > maxFileBytes) {
      fs.rmSync(file)
      throw silent(`gave ${now} bytes, more than ${maxFileBytes}`)
    }
    if (now > 0 && now === size) {
      const bytes = fs.readFileSync(file)
      fs.rmSync(file)
      return bytes
    }
    size = now
  }
  throw silent('wrote nothing when it was asked')
}

function silent(what: string): ProfilerError {
  return new ProfilerError('SP_TOOL_FAILED', `the flight recorder ${what}`)
}
