// Processes and threads, as COMM, FORK and EXIT records tell of them in the
// order of time.
//
// A fork of a process starts with its parent's mappings, an exec with none. But
// what is sampled within exec still shows where it was called from, so the old
// mappings stay until the new program runs. A thread starts with its parent's
// name. What has exited is kept for a while,
// because a task can still be sampled on its way out; a pid that is used again
// is a new process.

import { AddressSpace, copyBudget } from './address-space.ts'
import { AddressTable } from './perf-addresses.ts'
import { LastChain } from './perf-chain.ts'
import type { CommRecord, TaskRecord } from './perf-records.ts'

/** What is said of a process in the end. */
export interface Tally {
  readonly pid: number
  /** The name of its first thread, once known. */
  comm: string | undefined
  samples: number
}

export interface Process {
  readonly pid: number
  readonly tally: Tally
  space: AddressSpace
  /** Of the program that called exec, until the new one is seen to run. */
  before: AddressSpace | undefined
  /** What the user addresses of this process resolve to, until a mapping changes. */
  readonly frames: AddressTable
  /** How often they did. */
  changes: number
}

export interface Thread {
  readonly tid: number
  readonly process: Process
  comm: string | undefined
  readonly last: LastChain
  /** The stack of its root frame, -1 until it is first sampled under this name. */
  root: number
}

// Tasks that have exited and are still known: more than can be on their way out at once.
const mostExited = 1024
// Processes, and threads, known at once: few machines have 10,000.
const mostTasks = 65_536

export class Tasks {
  readonly #processes = new Map<number, Process>()
  readonly #threads = new Map<number, Thread>()
  readonly #exited: { pid: number; tid: number; thread: Thread }[] = []
  readonly #sampled: Tally[] = []
  readonly #budget = copyBudget()
  /** Tasks that were one too many, and are known no more although they may live. */
  dropped = 0

  /** Every process that was sampled, in order of its first sample. */
  get sampled(): readonly Tally[] {
    return this.#sampled
  }

  get threads(): Iterable<Thread> {
    return this.#threads.values()
  }

  process(pid: number): Process {
    return this.#processes.get(pid) ?? this.#newProcess(pid, new AddressSpace(this.#budget))
  }

  thread(pid: number, tid: number): Thread {
    const thread = this.#threads.get(tid)
    if (thread !== undefined && thread.process.pid === pid) return thread
    // Named by no record: the kernel's idle task, one for each CPU, is the one that is never named.
    const comm = pid === 0 && tid === 0 ? 'swapper' : undefined
    return this.#newThread(tid, this.process(pid), comm)
  }

  /** Counts a sample of this process. */
  sample({ tally }: Process): void {
    if (tally.samples++ === 0) this.#sampled.push(tally)
  }

  comm({ pid, tid, comm, isExec }: CommRecord): void {
    const thread = this.thread(pid, tid)
    thread.comm = comm
    thread.root = -1
    thread.last.depth = 0
    if (pid === tid) thread.process.tally.comm = comm
    if (!isExec) return
    thread.process.before = thread.process.space
    thread.process.space = new AddressSpace(this.#budget)
    thread.process.frames.clear()
    thread.process.changes++
  }

  fork({ pid, parentPid, tid, parentTid, isExec }: TaskRecord): void {
    const parent = isExec ? undefined : this.#processes.get(parentPid)
    const comm = this.#threads.get(parentTid)?.comm
    if (pid === parentPid) {
      this.#newThread(tid, this.process(pid), comm)
      return
    }
    const child = this.#newProcess(pid, parent?.space.fork() ?? new AddressSpace(this.#budget))
    child.tally.comm = comm
    this.#newThread(tid, child, comm)
  }

  exit({ pid, tid }: TaskRecord): void {
    const thread = this.#threads.get(tid)
    if (thread === undefined || thread.process.pid !== pid) return
    this.#exited.push({ pid, tid, thread })
    if (this.#exited.length > mostExited) this.#forgetExited()
  }

  /** Half at a time, so that an exit costs little. */
  #forgetExited(): void {
    for (const { pid, tid, thread } of this.#exited.splice(0, mostExited / 2)) {
      if (this.#threads.get(tid) === thread) this.#threads.delete(tid)
      if (pid !== tid || this.#processes.get(pid) !== thread.process) continue
      this.#processes.delete(pid)
      thread.process.frames.clear()
    }
  }

  #newProcess(pid: number, space: AddressSpace): Process {
    this.#dropOldest(this.#processes)
    const process: Process = {
      pid,
      tally: { pid, comm: undefined, samples: 0 },
      space,
      before: undefined,
      frames: new AddressTable(),
      changes: 0,
    }
    this.#processes.delete(pid)
    this.#processes.set(pid, process)
    return process
  }

  #newThread(tid: number, process: Process, comm: string | undefined): Thread {
    this.#dropOldest(this.#threads)
    const thread = { tid, process, comm, last: new LastChain(), root: -1 }
    this.#threads.delete(tid)
    this.#threads.set(tid, thread)
    return thread
  }

  /** A quarter at a time: one by one, a Map looks for its oldest among all that were deleted. */
  #dropOldest<Task>(tasks: Map<number, Task>): void {
    if (tasks.size >= mostTasks) this.dropped += dropOldest(tasks, mostTasks / 4)
  }
}

/** Deletes so many entries, those first that were put in first. */
export function dropOldest<Value>(map: Map<number, Value>, count: number): number {
  let left = Math.min(count, map.size)
  const dropped = left
  for (const key of map.keys()) {
    if (left-- === 0) break
    map.delete(key)
  }
  return dropped
}
