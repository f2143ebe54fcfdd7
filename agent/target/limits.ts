// How much memory and how many processes our own cgroup still allows: a profiler
// that is killed for want of memory, or cannot start its tool, has said nothing.
//
// https://docs.kernel.org/admin-guide/cgroup-v2.html
//
// The trap: in a container both versions show the container's own cgroup at the
// root of the mount, and version 1 writes "no limit" as a number near 2^63.

import fs from 'node:fs'

export interface Limits {
  /** Infinity where nothing limits it. */
  readonly freeMemoryBytes: number
  readonly freeProcesses: number
}

// What one more capture takes: 35 MB with its perf where the target is small (measured: 1, 2 and 4 at once),
// and what naming a large one takes beside it.
export const captureBytes = 128 << 20
// The tool, setpriv, and the threads of Node (eleven).
export const captureProcesses = 16

const root = '/sys/fs/cgroup'

export function readLimits(): Limits {
  return {
    freeMemoryBytes: Math.min(
      left('memory.max', 'memory.current') + reclaimable('memory.stat'),
      left('memory/memory.limit_in_bytes', 'memory/memory.usage_in_bytes') +
        reclaimable('memory/memory.stat'),
    ),
    freeProcesses: Math.min(
      left('pids.max', 'pids.current'),
      left('pids/pids.max', 'pids/pids.current'),
    ),
  }
}

function left(limit: string, used: string): number {
  const [most, now] = [readNumber(limit), readNumber(used)]
  if (most === undefined || now === undefined || most >= 2 ** 60) return Number.POSITIVE_INFINITY
  return Math.max(0, most - now)
}

/** The cache of files counts as used, but is given back before anybody is killed. */
function reclaimable(name: string): number {
  return Number(/^(?:total_)?inactive_file (\d+)$/m.exec(readText(name) ?? '')?.[1] ?? 0)
}

/** undefined where there is no such file, or it says `max`. */
function readNumber(name: string): number | undefined {
  const text = readText(name)?.trim() ?? ''
  return /^\d+$/.test(text) ? Number(text) : undefined
}

function readText(name: string): string | undefined {
  try {
    return fs.readFileSync(`${root}/${name}`, 'latin1')
  } catch {
    // The other version of cgroups, or none.
    return undefined
  }
}

/** How many captures may run at once: one for each CPU, for as many as there is memory. */
export function captureSlots({ freeMemoryBytes, freeProcesses }: Limits, cpus: number): number {
  const most = Math.min(cpus, freeMemoryBytes / captureBytes, freeProcesses / captureProcesses)
  return Math.max(1, Math.floor(most))
}
