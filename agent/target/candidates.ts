// Which processes could be meant: everything that we can see but ourselves, by
// the share of a core that it used while we looked.

import { setTimeout as sleep } from 'node:timers/promises'
import { ProfilerError } from '../errors.ts'
import { isBusy } from './find.ts'
import {
  hidesOtherUsers,
  listPids,
  readMountNamespace,
  readStat,
  type Stat,
  ticksPerSecond,
} from './procfs.ts'

export interface Candidate extends Stat {
  /** Share of one core: 2.0 is two cores busy. */
  readonly cpuShare: number
  /** Had something to run at both looks: it may have waited for a core all the time. */
  readonly isRunnable: boolean
}

// Whoever asks waits for it. What is busy at all (5 %) has two ticks of 10 ms in it, and a CPU limit four periods.
export const lookMs = 400

/**
 * Every process but this one and the chain that started it, busiest first.
 *
 * @param hasStarted the house has started captures: they are no targets either
 * @throws {ProfilerError} `SP_NOT_SHARED` where there is none
 */
export async function readCandidates(hasStarted: 'others' | 'captures' = 'others') {
  const before = readStats()
  const startedMs = performance.now()
  await sleep(lookMs)
  const all = withShares(before, performance.now() - startedMs)
  const ours = hasStarted === 'captures' ? descendants(process.pid, readStats()) : new Set()
  const candidates = all.filter(({ pid }) => !ours.has(pid))
  if (candidates.some(each => !isOwnShell(each))) return candidates
  const why = hidesOtherUsers() ? ': /proc hides those of other users (hidepid)' : ''
  const whom = candidates.length === 0 ? 'this one' : 'this one and its shell'
  throw new ProfilerError('SP_NOT_SHARED', `no process but ${whom} can be seen${why}`)
}

/** The first process of our own container, if it started us and idles: in a pod that shares nothing, all there is. */
function isOwnShell(candidate: Candidate): boolean {
  if (candidate.pid !== 1 || isBusy(candidate)) return false
  let pid = process.ppid
  while (pid > 1) pid = attempted(() => readStat(pid))?.parentPid ?? 0
  return pid === 1
}

/** What runs now, with the share of a core that each used since, busiest first; without ourselves. */
export function withShares(before: readonly Stat[], elapsedMs: number): Candidate[] {
  const earlier = new Map(before.map(stat => [stat.pid, stat]))
  const own = ancestors(process.pid, earlier)
  return readStats()
    .flatMap(stat => {
      const then = earlier.get(stat.pid)
      const isSame = then?.startTicks === stat.startTicks
      if (!isSame || own.has(stat.pid) || stat.isKernelThread || stat.state === 'Z') return []
      const ticks = stat.cpuTicks - then.cpuTicks
      const isRunnable = stat.state === 'R' && then.state === 'R'
      return [{ ...stat, isRunnable, cpuShare: ticks / ticksPerSecond / (elapsedMs / 1000) }]
    })
    .sort((a, b) => b.cpuShare - a.cpuShare || a.pid - b.pid)
}

/** What is said where `seesOwnContainerOnly`. */
export const notShared =
  'only processes of this container can be seen: share the PID namespace of the pod ' +
  '(`shareProcessNamespace: true`, or `kubectl debug --target=CONTAINER`)'

/**
 * Whether everything that can be seen lives in our own container. A node shows threads of its kernel, and a
 * pod whose PID namespace is shared shows processes with other files than ours.
 */
export function seesOwnContainerOnly(): boolean {
  const own = readMountNamespace('self')
  return readStats().every(stat => !stat.isKernelThread && readMountNamespace(stat.pid) === own)
}

export function readStats(): Stat[] {
  return listPids().flatMap(pid => attempted(() => readStat(pid)) ?? [])
}

/** Undefined where a process has ended, or does not let itself be read. */
export function attempted<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof ProfilerError) return undefined
    throw error
  }
}

/** With itself. */
function descendants(pid: number, stats: readonly Stat[]): Set<number> {
  const found = new Set([pid])
  // What is added on the way is gone through too.
  for (const each of found) {
    for (const stat of stats) if (stat.parentPid === each) found.add(stat.pid)
  }
  return found
}

function ancestors(pid: number, stats: ReadonlyMap<number, Stat>): Set<number> {
  const parentOf = (child: number) => stats.get(child)?.parentPid ?? 0
  // We may be the first process of a container ourselves; what else is first there is one that may be meant.
  const chain = new Set([pid])
  // A pid can stand only once in a chain, so this ends even if /proc changed in between.
  for (let at = parentOf(pid); at > 1 && !chain.has(at); at = parentOf(at)) chain.add(at)
  return chain
}
