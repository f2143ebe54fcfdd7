// What a tree of processes uses while it runs.

import fs from 'node:fs'

export interface Usage {
  readonly atMs: number
  readonly cpuSeconds: number
  /** Shared pages count in each process, so the sum is rather too high. */
  readonly megabytes: number
}

const ticksPerSecond = 100
const pageBytes = 4096

/** The process and its children's children, as of now. A process that ends in between counts no more. */
export function usageOf(pid: number): Usage {
  let cpuTicks = 0
  let pages = 0
  const waiting = [pid]
  for (let each = waiting.pop(); each !== undefined; each = waiting.pop()) {
    try {
      // The name in brackets may hold anything; behind it stand numbers only.
      const stat = fs
        .readFileSync(`/proc/${each}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
      cpuTicks += Number(stat[11]) + Number(stat[12])
      pages += Number(stat[21])
      const children = fs.readFileSync(`/proc/${each}/task/${each}/children`, 'utf8')
      waiting.push(...children.split(' ').filter(Boolean).map(Number))
    } catch {
      // It has ended.
    }
  }
  return {
    atMs: performance.now(),
    cpuSeconds: cpuTicks / ticksPerSecond,
    megabytes: (pages * pageBytes) / 1e6,
  }
}

/** Looks often until it is told to stop, and then gives all that it saw. */
export function watch(pid: number): () => readonly Usage[] {
  const seen: Usage[] = []
  // A look is 0.1 ms; what is allocated for less than this is missed.
  const timer = setInterval(() => seen.push(usageOf(pid)), 20)
  return () => {
    clearInterval(timer)
    return seen
  }
}
