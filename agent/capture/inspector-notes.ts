// What samples by the clock cannot show by themselves: how long the threads had
// nothing to do, how long they waited for a core, and how much CPU time was used by
// threads that run no JavaScript.

import type { Mode } from '../runtimes/runtime.ts'
import { readStat, readThreadTicks, ticksPerSecond } from '../target/procfs.ts'
import type { ThreadProfile } from './inspector-threads.ts'

export interface Tally {
  samples: number
  /** Of the samples, those in which the thread had nothing to do. */
  idle: number
  /** How long the others stand for, by the clock. */
  busyUs: number
  /** CPU time of the threads, as far as it is known. */
  cpuUs: number
}

/** Adds up the samples of a profile. */
export function count({ profile, cpuUs }: ThreadProfile, tally: Tally): void {
  const { nodes, samples, timeDeltas } = profile
  if (!Array.isArray(nodes) || !Array.isArray(samples) || !Array.isArray(timeDeltas)) return
  const idle = nodes.find(node => node?.callFrame?.functionName === '(idle)')?.id
  tally.samples += samples.length
  let busyUs = 0
  for (const [index, id] of samples.entries()) {
    // A sample stands for the time until the next one.
    if (id === idle) tally.idle++
    else busyUs += Math.max(0, Number(timeDeltas[index + 1] ?? 0))
  }
  tally.busyUs += busyUs
  tally.cpuUs += cpuUs ?? busyUs
}

/**
 * The seconds that the samples are to be held against. That is the CPU time; but a thread that waits for a core
 * is sampled as well, so that there may be more of them than the CPU time explains, and that is no fault.
 */
export function sampledSeconds(hertz: number, { samples, idle, busyUs, cpuUs }: Tally): number {
  return Math.min(busyUs / 1e6, Math.max(cpuUs / 1e6, (samples - idle) / hertz))
}

export function idleNote(mode: Mode, tally: Tally): string[] {
  const percent = Math.round((100 * tally.idle) / tally.samples)
  return mode === 'cpu' && percent > 0
    ? [`The JavaScript threads were idle in ${percent} % of the time, which is left out.`]
    : []
}

// The share of CPU time outside the main thread, and the share of busy time without a core, from
// which they matter to who reads the picture.
const muchElsewhere = 0.1
const muchWaiting = 0.2
const meterMs = 500

/** Reads the CPU time from now on. */
export function cpuNotes(pid: number): { sentences(hadWorkers: boolean, tally: Tally): string[] } {
  const read = () => {
    try {
      const main = readThreadTicks(pid, pid)
      return main === undefined ? undefined : { main, all: readStat(pid).cpuTicks }
    } catch {
      // It has ended: what was read last has to do.
      return undefined
    }
  }
  const before = read()
  let after = before
  const timer = setInterval(() => {
    after = read() ?? after
  }, meterMs).unref()
  return {
    sentences(hadWorkers, { busyUs }) {
      clearInterval(timer)
      after = read() ?? after
      if (before === undefined || after === undefined) return []
      const [all, main] = [after.all - before.all, after.main - before.main]
      const notes: string[] = []
      const elsewhere = 1 - main / all
      if (!hadWorkers && elsewhere >= muchElsewhere) {
        notes.push(
          `${Math.round(100 * elsewhere)} % of the CPU time was used by threads that run no JavaScript ` +
            '(garbage collector, compiler, thread pool): the inspector does not see them.',
        )
      }
      const busySeconds = busyUs / 1e6
      const cpuSeconds = (hadWorkers ? all : main) / ticksPerSecond
      if (busySeconds > 1 && cpuSeconds < (1 - muchWaiting) * busySeconds) {
        notes.push(
          `The JavaScript threads were busy for ${busySeconds.toFixed(1)} s by the clock and had a core for ` +
            `${cpuSeconds.toFixed(1)} s of it: the machine is busy, the container is at its CPU limit, or ` +
            'they waited in native code.',
        )
      }
      return notes
    },
  }
}
