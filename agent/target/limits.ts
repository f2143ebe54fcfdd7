// How much memory and how many processes our own cgroup still allows: a profiler
// that is killed for want of memory, or cannot start its tool, has said nothing.
//
// https://docs.kernel.org/admin-guide/cgroup-v2.html
//
// The trap: in a container both versions show the container's own cgroup at the
// root of the mount, and nothing of the pod's. Version 1 says the smallest limit of
// all above it, in memory.stat; and writes "no limit" as a number near 2^63.

import fs from 'node:fs'

export interface Limits {
  /** Infinity where nothing limits it. */
  readonly freeMemoryBytes: number
  readonly freeProcesses: number
  readonly memory: Memory
}

/** Of one cgroup, as it is seen from inside. */
export interface Memory {
  /** Of its own; Infinity where it has none. */
  readonly limitBytes: number
  /** The smallest of it and all above it, as far as that is said. */
  readonly smallestLimitBytes: number
  /** Without the cache of files: that is given back before anybody is killed. */
  readonly usedBytes: number
}

// What one more capture takes: 35 MB with its perf where the target is small (measured: 1, 2 and 4 at once),
// and what naming a large one takes beside it.
export const captureBytes = 128 << 20
export const leastCaptureBytes = 40 << 20
// The tool, setpriv, and the threads of Node (eleven).
export const captureProcesses = 16

export const cgroupRoot = '/sys/fs/cgroup'

const noMemory: Memory = {
  limitBytes: Number.POSITIVE_INFINITY,
  smallestLimitBytes: Number.POSITIVE_INFINITY,
  usedBytes: 0,
}

export function readLimits(): Limits {
  const memory = readMemory(readText) ?? noMemory
  return {
    memory,
    freeMemoryBytes: Math.max(0, memory.smallestLimitBytes - memory.usedBytes),
    freeProcesses: Math.min(
      left('pids.max', 'pids.current'),
      left('pids/pids.max', 'pids/pids.current'),
    ),
  }
}

/**
 * @param read gives a file beneath the root of the cgroups
 * @returns undefined where neither version tells
 */
export function readMemory(read: (name: string) => string | undefined): Memory | undefined {
  const [folder, limit, used] =
    read('memory.current') === undefined
      ? ['memory/', 'limit_in_bytes', 'usage_in_bytes']
      : ['', 'max', 'current']
  const usedBytes = numberIn(read(`${folder}memory.${used}`))
  if (usedBytes === undefined) return undefined
  const stat = read(`${folder}memory.stat`) ?? ''
  const cacheBytes = cached(stat, 'inactive') + cached(stat, 'active')
  const limitBytes = limitOf(numberIn(read(`${folder}memory.${limit}`)))
  const above = numberIn(/^hierarchical_memory_limit (\d+)$/m.exec(stat)?.[1])
  return {
    limitBytes,
    smallestLimitBytes: Math.min(limitBytes, limitOf(above)),
    usedBytes: Math.max(0, usedBytes - cacheBytes),
  }
}

/** Of version 1 with what is below it, as its usage is. */
function cached(stat: string, which: 'inactive' | 'active'): number {
  const [total, own] = [`total_${which}_file`, `${which}_file`].map(
    name => new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1],
  )
  return Number(total ?? own ?? 0)
}

function limitOf(bytes: number | undefined): number {
  return bytes === undefined || bytes >= 2 ** 60 ? Number.POSITIVE_INFINITY : bytes
}

function left(limit: string, used: string): number {
  const [most, now] = [numberIn(readText(limit)), numberIn(readText(used))]
  return most === undefined || now === undefined
    ? Number.POSITIVE_INFINITY
    : Math.max(0, most - now)
}

/** undefined where there is no such file, or it says `max`. */
function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,20}\n?$/.test(text) ? Number(text) : undefined
}

function readText(name: string): string | undefined {
  try {
    return fs.readFileSync(`${cgroupRoot}/${name}`, 'latin1')
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
