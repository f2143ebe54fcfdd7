// Looking through what only starts and waits: from the process that was named to
// the one that does the work.
//
// On-callers name pid 1, or the pid in a unit's status, and that is tini, a shell,
// or the master of gunicorn, puma, php-fpm, nginx, PostgreSQL, PM2: it sleeps while
// its workers burn. The rule:
//
// - A process without children is taken as it is, and so is one that is busy itself.
// - One that is idle is looked through to its descendants, if any of them is busy.
// - A pure supervisor (tini, a shell) with one idle descendant is looked through, too.
// - In any mode but `cpu` waiting is what may be asked about. So only a pure supervisor
//   is looked through then, and a master whose workers run its own executable.
// - Of several busy ones a person at a terminal chooses. Where nobody can be asked, the
//   busiest is taken if all are one program: forked from one start, or started alike.
//
// It is always said. The trap: what a master's processes are called says nothing, for
// each may rewrite its name; but a stack begins where the kernel put it at exec, at
// random, and a fork leaves it there.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Mode } from '../config.ts'
import { attempted, type Candidate, lookMs, readStats, withShares } from './candidates.ts'
import { busyShare, isBusy, type Target } from './find.ts'
import { readArguments, readExecutable, readStat, ticksPerSecond } from './procfs.ts'

export interface LookedThrough {
  /** What was named: idle. */
  readonly supervisor: Candidate
  /** What it was looked through to, busiest first; at least one. */
  readonly workers: readonly Candidate[]
  /** All workers are one program: any of them shows what they do. */
  readonly areAlike: boolean
}

// A process that is busy is found so in less than the whole look.
const stepMs = 50

/** Looks for `lookMs`, where there is something below; undefined if the process is to be taken as it is. */
export async function lookThrough({ pid }: Target, mode: Mode): Promise<LookedThrough | undefined> {
  const before = readStats()
  if (!before.some(({ parentPid }) => parentPid === pid)) return undefined
  const beganMs = performance.now()
  const ticks = readStat(pid).cpuTicks
  const enough = (busyShare * lookMs * ticksPerSecond) / 1000
  while (performance.now() - beganMs < lookMs) {
    await sleep(stepMs)
    if (readStat(pid).cpuTicks - ticks >= enough) return undefined
  }
  const all = withShares(before, performance.now() - beganMs)
  const supervisor = all.find(candidate => candidate.pid === pid)
  return supervisor && workersOf(supervisor, all, mode)
}

/** What an idle process is looked through to, of all that were seen at one look. */
export function workersOf(
  supervisor: Candidate,
  all: readonly Candidate[],
  mode: Mode,
): LookedThrough | undefined {
  if (isBusy(supervisor)) return undefined
  const below = descendantsOf(supervisor.pid, all)
  const isPure = isPureSupervisor(supervisor.pid)
  const busy = below.filter(isBusy)
  const working = below.filter(({ pid }) => !isPureSupervisor(pid))
  const workers = busy.length === 0 && isPure && working.length === 1 ? working : busy
  const [busiest] = workers
  if (busiest === undefined) return undefined
  const own = executableOf(supervisor.pid)
  const isMaster = own !== undefined && own === executableOf(busiest.pid)
  if (mode !== 'cpu' && !isPure && !isMaster) return undefined
  return { supervisor, workers, areAlike: areOneProgram(workers) }
}

function descendantsOf(pid: number, all: readonly Candidate[]): Candidate[] {
  const children = Map.groupBy(all, ({ parentPid }) => parentPid)
  const found = new Set<Candidate>()
  const open = [pid]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const child of children.get(at) ?? []) {
      // Twice only if /proc changed while it was read.
      if (!found.has(child)) open.push(child.pid)
      found.add(child)
    }
  }
  return all.filter(candidate => found.has(candidate))
}

// Programs that run others, and do nothing themselves.
const supervisors =
  /\/(?:tini(?:-static)?|docker-init|dumb-init|catatonit|s6-[a-z-]+|runsv(?:dir)?|pause|sudo|su|(?:ba|da|a|z|k)?sh|busybox)$/

function isPureSupervisor(pid: number): boolean {
  return supervisors.test(executableOf(pid) ?? '')
}

function executableOf(pid: number): string | undefined {
  return attempted(() => readExecutable(pid))
}

function areOneProgram(workers: readonly Candidate[]): boolean {
  const areEqual = (of: (worker: Candidate) => string) => new Set(workers.map(of)).size === 1
  const forked = areEqual(({ pid, stackStart }) => `${stackStart} ${executableOf(pid)}`)
  if (forked && workers.every(({ stackStart }) => stackStart > 0)) return true
  return areEqual(({ pid, comm }) =>
    [comm, ...(attempted(() => readArguments(pid)) ?? [])].join('\0'),
  )
}
