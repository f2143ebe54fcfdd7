// From what a person said to one process: the pid that was named, or the only
// busy one.

import { ProfilerError } from '../errors.ts'
import type { Candidate } from './candidates.ts'
import { readStat } from './procfs.ts'

// Below this a process is not what an on-caller looks for: 5 % of one core.
export const busyShare = 0.05

/** On a machine that is overloaded, which an incident may be, what is busy gets little of it. */
export function isBusy({ cpuShare, isRunnable }: Candidate): boolean {
  return cpuShare >= busyShare || isRunnable
}

export interface Target {
  readonly pid: number
  readonly startTicks: number
  /** How it was come to, in a sentence, where it is not the process that was named. */
  readonly chosen?: string
}

/** @throws {ProfilerError} `SP_TARGET_GONE`, `SP_USAGE` for a thread of the kernel */
export function targetOf(pid: number): Target {
  const { startTicks, state, isKernelThread } = readStat(pid)
  if (isKernelThread) {
    throw new ProfilerError('SP_USAGE', `${pid} is a thread of the kernel, not a program`)
  }
  if (state === 'Z' || state === 'X') {
    throw new ProfilerError('SP_TARGET_GONE', `process ${pid} has ended already`)
  }
  return { pid, startTicks }
}

/** @throws {ProfilerError} `SP_TARGET_REUSED`, `SP_TARGET_GONE` */
export function checkSame({ pid, startTicks }: Target): void {
  if (readStat(pid).startTicks !== startTicks) {
    throw new ProfilerError(
      'SP_TARGET_REUSED',
      `process ${pid} ended, and another one has its pid now`,
    )
  }
}

/** Whether it has not ended yet, its pid gone, a zombie's or another's. */
export function isRunning(target: Target): boolean {
  try {
    checkSame(target)
    return !/[ZX]/.test(readStat(target.pid).state)
  } catch {
    return false
  }
}

/** The only busy candidate, or undefined if a person has to choose. */
export function onlyBusy(candidates: readonly Candidate[]): Candidate | undefined {
  const busy = candidates.filter(isBusy)
  if (busy.length === 1) return busy[0]
  return candidates.length === 1 ? candidates[0] : undefined
}
