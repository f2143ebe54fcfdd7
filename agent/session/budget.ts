// What one capture may cost: a profiler that eats what the application needs is
// worse than none.
//
// Its process and all that it started are looked at each second. Memory is
// counted as it is resident; CPU over ten seconds, for naming and drawing take a
// core for a moment.

import { ProfilerError } from '../errors.ts'
import { attempted } from '../target/candidates.ts'
import { readChildren, readStat, ticksPerSecond } from '../target/procfs.ts'

export interface Budget {
  readonly maxBytes: number
  /** Of one core. */
  readonly maxCpuShare: number
}

export interface Usage {
  readonly bytes: number
  readonly cpuSeconds: number
}

const lookMs = 1000
const cpuWindow = 10
// A tool, what confines it, and what that starts.
const maxProcesses = 64

/** @param exceeded called once, with what was over which limit */
export function watchBudget(
  pid: number,
  { maxBytes, maxCpuShare }: Budget,
  exceeded: (problem: ProfilerError) => void,
): () => void {
  const seen: number[] = []
  const look = setInterval(() => {
    const { bytes, cpuSeconds } = usageOf(pid)
    seen.push(cpuSeconds)
    const share = seen.length > cpuWindow ? (cpuSeconds - seen.shift()!) / cpuWindow : 0
    const problem =
      bytes > maxBytes
        ? `${megabytes(bytes)} MB of memory, of ${megabytes(maxBytes)} allowed (--max-memory)`
        : share > maxCpuShare
          ? `${percent(share)} % of a core for ${cpuWindow} s, of ${percent(maxCpuShare)} allowed (--max-cpu)`
          : undefined
    if (problem === undefined) return
    clearInterval(look)
    exceeded(new ProfilerError('SP_BUDGET', `the capture took ${problem}`))
  }, lookMs)
  return () => clearInterval(look)
}

/** Of a process and everything below it. */
export function usageOf(pid: number): Usage {
  let bytes = 0
  let cpuSeconds = 0
  const pids = [pid]
  for (let at = 0; at < pids.length && at < maxProcesses; at++) {
    const each = pids[at]!
    const stat = attempted(() => readStat(each))
    bytes += stat?.residentBytes ?? 0
    cpuSeconds += (stat?.cpuTicks ?? 0) / ticksPerSecond
    pids.push(...(attempted(() => readChildren(each)) ?? []))
  }
  return { bytes, cpuSeconds }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6)
}

function percent(share: number): number {
  return Math.round(share * 100)
}
