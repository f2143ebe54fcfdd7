// /proc/PID/task: the threads of a process, and what they started.
//
// The trap: each may end between the list and the look at it.

import fs from 'node:fs'
import { attempt, readProc, withReason } from './proc.ts'

/** Processes that it started and that still run; empty where the kernel does not list them. */
export function readChildren(pid: number): number[] {
  const threads = attempt(() => fs.readdirSync(`/proc/${pid}/task`)) ?? []
  return threads.slice(0, maxThreads).flatMap(thread => {
    const text = attempt(() => readProc(pid, `task/${thread}/children`, 64 * 1024).toString())
    return (text ?? '').split(' ').filter(Boolean).map(Number)
  })
}

/** The CPU time of one of its threads, in ticks; undefined when that thread is gone. */
export function readThreadTicks(pid: number, thread: number): number | undefined {
  const text = attempt(() => readProc(pid, `task/${thread}/stat`, 4096).toString('latin1'))
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields && Number(fields[11]) + Number(fields[12])
}

/** The names of its threads: what a runtime calls its own is a hint that needs no permission. */
export function readThreadNames(pid: number): string[] {
  return withReason(pid, () => fs.readdirSync(`/proc/${pid}/task`))
    .slice(0, maxThreads)
    .flatMap(thread => {
      try {
        return [fs.readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trimEnd()]
      } catch {
        // It ended while we looked.
        return []
      }
    })
}

/** How often its threads have left a core since they began: of those that live now. */
export function readSwitches(pid: number): number {
  let switches = 0
  for (const thread of withReason(pid, () => fs.readdirSync(`/proc/${pid}/task`)).slice(
    0,
    maxThreads,
  )) {
    try {
      const text = fs.readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1')
      for (const [, count] of text.matchAll(/^(?:non)?voluntary_ctxt_switches:\t(\d+)$/gm)) {
        switches += Number(count)
      }
    } catch {
      // It ended while we looked.
    }
  }
  return switches
}

// A JVM of a large service has some thousand; names repeat long before that.
const maxThreads = 4096
