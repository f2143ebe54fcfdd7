// How much CPU time the target used between two moments.
//
// The number of samples means something only beside this: rates degrade
// silently, and samples against CPU-seconds × rate is how it is noticed. The
// kernel counts in ticks of 10 ms, so the meter reads often and interpolates.

import { ProfilerError } from '../errors.ts'
import { readStat, ticksPerSecond } from './procfs.ts'

export interface CpuMeter {
  /** CPU-seconds used between two moments on the monotonic clock, in ms. */
  between(startMs: number, endMs: number): number
  /** Whether the process was seen to have ended, its pid gone or another's. */
  hasEnded(): boolean
  stop(): void
}

// One read is 20 µs; ten a second are 0.02 % of a core.
const periodMs = 100

export function startCpuMeter(pid: number, startTicks: number): CpuMeter {
  const readings: { atMs: number; cpuSeconds: number }[] = []
  let isOver = false
  const read = () => {
    if (isOver) return
    try {
      const stat = readStat(pid)
      isOver = stat.startTicks !== startTicks || stat.state === 'Z' || stat.state === 'X'
      if (stat.startTicks === startTicks) {
        const cpuSeconds = stat.cpuTicks / ticksPerSecond
        readings.push({ atMs: Number(process.hrtime.bigint()) / 1e6, cpuSeconds })
      }
    } catch (error) {
      if (!(error instanceof ProfilerError)) throw error
      isOver = true
    }
  }
  read()
  const timer = setInterval(read, periodMs)
  return {
    between(startMs, endMs) {
      return Math.max(0, valueAt(readings, endMs) - valueAt(readings, startMs))
    },
    hasEnded: () => isOver,
    stop() {
      clearInterval(timer)
      read()
    },
  }
}

function valueAt(readings: readonly { atMs: number; cpuSeconds: number }[], atMs: number): number {
  const next = readings.findIndex(reading => reading.atMs >= atMs)
  if (next < 0) return readings.at(-1)?.cpuSeconds ?? 0
  const [before, after] = [readings[next - 1], readings[next]!]
  if (before === undefined) return after.cpuSeconds
  const share = (atMs - before.atMs) / (after.atMs - before.atMs)
  return before.cpuSeconds + share * (after.cpuSeconds - before.cpuSeconds)
}
