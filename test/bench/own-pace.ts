// The pace of a program that prints how many microseconds each piece of its work took, as the programs of
// test/apps do with PACE in their environment and loop.c always.
//
// The trap is a busy machine: while a program waits for a core it does not work, and that is nobody's doing who
// only samples it. The kernel says how long each thread waited: that is taken off. What is left is
// computing and being stopped, and of both a profiler adds some.

import type { ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import readline from 'node:readline'

/** From and to, on the clock of `performance.now()`. */
export type Window = readonly [fromMs: number, toMs: number]

interface Look {
  readonly atMs: number
  /** Of each thread, in ns. */
  readonly threads: ReadonlyMap<string, { readonly ran: number; readonly waited: number }>
}

/** @returns how long a piece took within these windows, in µs, when it did not wait for a core */
export function watchPace(child: ChildProcess): (windows: readonly Window[]) => number {
  const pieces: { readonly fromMs: number; readonly toMs: number }[] = []
  readline.createInterface({ input: child.stdout! }).on('line', text => {
    const toMs = performance.now()
    const us = Number(text)
    if (us > 0) pieces.push({ fromMs: toMs - us / 1000, toMs })
  })
  const looks: Look[] = []
  const timer = setInterval(() => looks.push(look(child.pid!)), lookMs)
  child.on('exit', () => clearInterval(timer))
  return windows => {
    let ms = 0
    let count = 0
    for (const [from, to] of windows) {
      const within = pieces.filter(({ fromMs, toMs }) => fromMs > from && toMs < to)
      if (within.length < 2) throw new Error('too few pieces to tell a pace')
      ms += within.at(-1)!.toMs - within[0]!.fromMs
      ms -= waitedMs(looks, within[0]!.fromMs, within.at(-1)!.toMs)
      count += within.length
    }
    return (ms / count) * 1000
  }
}

// A look costs 0.1 ms.
const lookMs = 20

function look(pid: number): Look {
  const threads = new Map<string, { ran: number; waited: number }>()
  try {
    for (const thread of fs.readdirSync(`/proc/${pid}/task`)) {
      const text = fs.readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')
      const [ran, waited] = text.split(' ').map(Number)
      threads.set(thread, { ran: ran!, waited: waited! })
    }
  } catch {
    // One has ended, or all have.
  }
  return { atMs: performance.now(), threads }
}

/**
 * Of the threads that did the work: what helps a runtime along waits beside it. Go hands the work from one
 * thread to another, so a small part of it is enough.
 */
function waitedMs(looks: readonly Look[], fromMs: number, toMs: number): number {
  const first = looks.findLast(({ atMs }) => atMs <= fromMs)
  const last = looks.find(({ atMs }) => atMs >= toMs)
  if (first === undefined || last === undefined) throw new Error('the program was not watched')
  let ran = 0
  const threads = [...last.threads].map(([thread, now]) => {
    const before = first.threads.get(thread) ?? { ran: 0, waited: 0 }
    ran += now.ran - before.ran
    return { ran: now.ran - before.ran, waited: now.waited - before.waited }
  })
  const waited = threads
    .filter(thread => thread.ran > 0.05 * ran)
    .reduce((sum, thread) => sum + thread.waited, 0)
  // The looks lie a little outside.
  return ((waited / 1e6) * (toMs - fromMs)) / (last.atMs - first.atMs)
}
