// Where the threads of a recording waited, and for how long, without BPF:
//
//     perf record -e context-switches -c 1 -g --switch-events
//
// A sample of the software event is the stack at the moment when a thread leaves
// its core; the SWITCH records say when it left and when it came back. What is
// in between is the thread's time off the CPU, exact to the nanosecond.
//
//     sample (stack)   SWITCH OUT [preempt]   …off…   SWITCH IN
//
// OUT with `preempt` means that the thread could have run on: it waits for a
// core, not for an event. The traps. What ends a wait is a wake-up, of which
// nothing is recorded, so the time from there until a core is free is in the
// wait. A thread that has no record was blocked all the time, or ran all the
// time: a thread alone on a core is never switched, so only samples of the CPU
// clock can tell the two apart. And a lost record breaks a pair: that time is
// given to nobody and counted.

import { formatCount } from './numbers.ts'
import type { PerfEvent } from './perf-events.ts'
import type { Thread } from './perf-tasks.ts'
import { noCaller, type ProfileBuilder } from './profile.ts'
import { untaken, waitingEvents } from './waiting.ts'

/** In nanoseconds of threads' time. */
export interface WaitingSummary {
  /** From the start of the recording to its end. */
  readonly windowNs: number
  /** Those that lived in the window, and how long all of them did. */
  readonly threads: number
  readonly livedNs: number
  readonly onNs: number
  readonly blockedNs: number
  readonly preemptedNs: number
  /** Without a stack, because the wait began before the recording. */
  readonly beforeNs: number
  /** Threads that never left a wait that had begun before. */
  readonly neverRan: number
  /** Threads whose wait had not ended when the recording did: counted up to there. */
  readonly stillBlocked: number
  /** How often a thread left its core, and of how many of those the stack was asked for: one in so many. */
  readonly switches: number
  readonly period: number
  /** Switches whose other half was lost. */
  readonly unpaired: number
}

export interface Window {
  readonly startNs: number
  readonly endNs: number
}

type Kind = 'blocked' | 'preempted'

/** What is known of a thread. Times are relative, as in the session. */
interface Life {
  /** Undefined until a switch says on which side it is. */
  isOn: boolean | undefined
  since: number
  /** Where it was when it left its core; -1 when no sample said so. */
  stack: number
  kind: Kind
  /** It was sampled on a core. */
  hasRun: boolean
  /** When it began, if that was seen. */
  readonly born: number | undefined
  /** Time whose stack was not taken, because only every so many are. */
  readonly owed: Record<Kind, number>
}

export class Waiting {
  /** Switches of all CPUs were recorded: threads that never ran are none of the target's. */
  isMachineWide = false
  readonly #builder: ProfileBuilder
  readonly #period: number
  readonly #rootOf: (thread: Thread) => number
  readonly #lives = new Map<Thread, Life>()
  #ended = new WeakSet<Thread>()
  #onCpu = new Sums()
  #off = { blocked: new Sums(), preempted: new Sums() }
  #before = new Sums()
  /** Of threads that were there before, when their first switch was: what lies before it began with the window. */
  #runUntil: number[] = []
  #blockedUntil: { readonly root: number; readonly time: number }[] = []
  #onNs = 0
  /** Sums of ends and of births, and how many threads were there before: their births are the window's start. */
  #ends = 0
  #births = 0
  #olderThreads = 0
  #threads = 0
  #neverRan = 0
  #stillBlocked = 0
  #switches = 0
  #unpaired = 0
  #first = Number.POSITIVE_INFINITY
  #last = Number.NEGATIVE_INFINITY

  /** @param rootOf the stack of a thread's own frame, `noCaller` where it has none */
  constructor(builder: ProfileBuilder, period: number, rootOf: (thread: Thread) => number) {
    this.#builder = builder
    this.#period = Math.max(1, period)
    this.#rootOf = rootOf
  }

  /** A sample of one of the events that `waitingOf` took. */
  sample({ attr, weights }: PerfEvent, thread: Thread, stack: number, period: number): void {
    weights.samples++
    const life = this.#lifeOf(thread)
    if (attr.unit === 'nanoseconds') {
      this.#onCpu.add(stack, period)
      if (life !== undefined) life.hasRun = true
      // Where the thread is, just before it leaves its core.
    } else if (life !== undefined) life.stack = stack
  }

  out(thread: Thread, time: number, isPreempted: boolean): void {
    const life = this.#lifeOf(thread)
    if (life === undefined) return
    this.#see(time)
    this.#switches++
    if (life.isOn === true) this.#onNs += time - life.since
    else if (life.isOn === false) this.#unpaired++
    else if (life.born === undefined) this.#runUntil.push(time)
    life.isOn = false
    life.since = time
    life.kind = isPreempted ? 'preempted' : 'blocked'
  }

  in(thread: Thread, time: number): void {
    const life = this.#lifeOf(thread)
    if (life === undefined) return
    this.#see(time)
    if (life.isOn === true) this.#unpaired++
    else if (life.isOn === false) this.#give(thread, life, time - life.since)
    else if (life.born !== undefined) this.#give(thread, life, time - life.born)
    else this.#blockedUntil.push({ root: this.#placeOf(thread), time })
    life.isOn = true
    life.since = time
    life.stack = -1
  }

  fork(thread: Thread, time: number): void {
    if (isIdleTask(thread)) return
    this.#see(time)
    // Until it runs for the first time it waits for a core.
    this.#lives.set(thread, newLife(time))
  }

  exit(thread: Thread, time: number): void {
    const life = this.#lifeOf(thread)
    if (life === undefined) return
    this.#see(time)
    // Who ends without ever having been switched ran all the time.
    if (life.isOn === undefined && life.born === undefined) this.#runUntil.push(time)
    this.#close(thread, life, time)
    this.#lives.delete(thread)
    this.#ended.add(thread)
  }

  /**
   * As it is now: `end` may be called on it, and this goes on.
   *
   * @param copyBuilder asked for a copy of our builder, when every thread has its place in it
   */
  copy(copyBuilder: () => ProfileBuilder, known: Iterable<Thread>): Waiting {
    for (const thread of known) this.#rootOf(thread)
    for (const thread of this.#lives.keys()) this.#rootOf(thread)
    const copy = new Waiting(copyBuilder(), this.#period, this.#rootOf)
    copy.isMachineWide = this.isMachineWide
    for (const [thread, life] of this.#lives) {
      copy.#lives.set(thread, { ...life, owed: { ...life.owed } })
    }
    copy.#ended = this.#ended
    copy.#onCpu = this.#onCpu.copy()
    const { blocked, preempted } = this.#off
    copy.#off = { blocked: blocked.copy(), preempted: preempted.copy() }
    copy.#before = this.#before.copy()
    copy.#runUntil = [...this.#runUntil]
    copy.#blockedUntil = [...this.#blockedUntil]
    copy.#onNs = this.#onNs
    copy.#ends = this.#ends
    copy.#births = this.#births
    copy.#olderThreads = this.#olderThreads
    copy.#threads = this.#threads
    copy.#neverRan = this.#neverRan
    copy.#stillBlocked = this.#stillBlocked
    copy.#switches = this.#switches
    copy.#unpaired = this.#unpaired
    copy.#first = this.#first
    copy.#last = this.#last
    return copy
  }

  /** Hands everything to the builder. `known` are the threads that live at the end; times are relative. */
  end(known: Iterable<Thread>, window?: Window): WaitingSummary {
    const first = Math.min(window?.startNs ?? this.#first, this.#first)
    const hasTimes = Number.isFinite(first)
    const start = hasTimes ? first : 0
    const end = hasTimes ? Math.max(window?.endNs ?? this.#last, this.#last) : 0
    for (const thread of known) {
      // What perf starts itself has this name until it is something else.
      if (!this.isMachineWide && thread.comm !== 'perf-exec') this.#lifeOf(thread)
    }
    for (const [thread, life] of this.#lives) {
      if (life.isOn === undefined && life.born === undefined) {
        if (life.hasRun) this.#runUntil.push(end)
        else {
          this.#neverRan++
          this.#blockedUntil.push({ root: this.#placeOf(thread), time: end })
        }
      }
      if (life.isOn === false) this.#stillBlocked++
      this.#close(thread, life, end)
    }
    for (const time of this.#runUntil) this.#onNs += time - start
    for (const { root, time } of this.#blockedUntil) this.#before.add(root, time - start)
    this.#onCpu.putInto(this.#builder, waitingEvents.onCpu)
    this.#off.blocked.putInto(this.#builder, waitingEvents.blocked)
    this.#off.preempted.putInto(this.#builder, waitingEvents.preempted)
    this.#before.putInto(this.#builder, waitingEvents.before)
    return {
      windowNs: end - start,
      threads: this.#threads,
      livedNs: this.#ends - this.#births - this.#olderThreads * start,
      onNs: this.#onNs,
      blockedNs: this.#off.blocked.total,
      preemptedNs: this.#off.preempted.total,
      beforeNs: this.#before.total,
      neverRan: this.#neverRan,
      stillBlocked: this.#stillBlocked,
      switches: this.#switches,
      period: this.#period,
      unpaired: this.#unpaired,
    }
  }

  /** Undefined for what is no thread of anybody, and for one that has ended. */
  #lifeOf(thread: Thread): Life | undefined {
    const known = this.#lives.get(thread)
    if (known !== undefined) return known
    if (isIdleTask(thread) || this.#ended.has(thread)) return undefined
    const life = newLife(undefined)
    this.#lives.set(thread, life)
    return life
  }

  #see(time: number): void {
    if (time < this.#first) this.#first = time
    if (time > this.#last) this.#last = time
  }

  /** Gives a wait to the place where the thread was. */
  #give(thread: Thread, { stack, kind, owed }: Life, nanoseconds: number): void {
    const sums = this.#off[kind]
    if (stack >= 0) {
      // What was not looked at is taken to be like what was: each kind and thread for itself.
      sums.add(stack, nanoseconds + owed[kind])
      owed[kind] = 0
    } else if (this.#period > 1) owed[kind] += nanoseconds
    else sums.add(this.#untaken(thread), nanoseconds)
  }

  /** The thread has ended, or the recording has. */
  #close(thread: Thread, life: Life, time: number): void {
    this.#threads++
    this.#ends += time
    if (life.born === undefined) this.#olderThreads++
    else this.#births += life.born
    if (life.isOn === true) this.#onNs += time - life.since
    else if (life.isOn === false) this.#give(thread, life, time - life.since)
    else if (life.born !== undefined) this.#give(thread, life, time - life.born)
    for (const kind of ['blocked', 'preempted'] as const) {
      if (life.owed[kind] > 0) this.#off[kind].add(this.#untaken(thread), life.owed[kind])
    }
  }

  #untaken(thread: Thread): number {
    return this.#builder.stack(this.#rootOf(thread), this.#builder.frame(untaken))
  }

  /** Where a thread's time goes of which no stack is known: its own frame. */
  #placeOf(thread: Thread): number {
    const root = this.#rootOf(thread)
    return root === noCaller ? this.#untaken(thread) : root
  }
}

function newLife(born: number | undefined): Life {
  const owed = { blocked: 0, preempted: 0 }
  return { isOn: undefined, since: 0, stack: -1, kind: 'preempted', hasRun: false, born, owed }
}

/** The kernel's own task for a CPU without work: nobody waits there. */
function isIdleTask({ process, tid }: Thread): boolean {
  return process.pid <= 0 && tid <= 0
}

/** Nanoseconds for each stack. */
class Sums {
  total = 0
  #sums = new Float64Array(1024)

  add(stack: number, nanoseconds: number): void {
    if (stack >= this.#sums.length) {
      const grown = new Float64Array(Math.max(stack + 1, this.#sums.length * 2))
      grown.set(this.#sums)
      this.#sums = grown
    }
    this.#sums[stack]! += nanoseconds
    this.total += nanoseconds
  }

  copy(): Sums {
    const copy = new Sums()
    copy.total = this.total
    copy.#sums = this.#sums.slice()
    return copy
  }

  putInto(builder: ProfileBuilder, event: string): void {
    if (this.total === 0) return
    const column = builder.column(event, 'nanoseconds')
    for (const [stack, sum] of this.#sums.entries()) if (sum > 0) builder.add(stack, column, sum)
  }
}

/**
 * Keeps account of waits if these events record them: the stack at each switch, and SWITCH records.
 * The weights of those events are then kept here.
 */
export function waitingOf(
  events: readonly PerfEvent[],
  before: Waiting | undefined,
  builder: ProfileBuilder,
  rootOf: (thread: Thread) => number,
): Waiting | undefined {
  const switches = events.find(({ attr }) => attr.name === 'context-switches')
  if (switches?.attr.period === undefined) return undefined
  if (!events.some(({ attr }) => attr.hasSwitches)) return undefined
  for (const { attr, weights } of events) {
    if (attr === switches.attr || attr.unit === 'nanoseconds') weights.isCountOnly = true
  }
  return before ?? new Waiting(builder, switches.attr.period, rootOf)
}

/** What a person has to know of these times, in sentences. */
export function waitingNotes(summary: WaitingSummary): string[] {
  const { neverRan, stillBlocked, period, unpaired, switches } = summary
  const threads = (count: number) => (count === 1 ? '1 thread' : `${formatCount(count)} threads`)
  const notes: [boolean, string][] = [
    [
      true,
      'A wait ends when the thread runs again: the time from its wake-up until a core was free is in it.',
    ],
    [
      neverRan > 0,
      `${threads(neverRan)} did not run at all: blocked since before the start, so without a stack.`,
    ],
    [
      stillBlocked > 0,
      `${threads(stillBlocked)} had not come back at the end: that wait is counted up to there.`,
    ],
    [
      period > 1,
      `Threads switched ${formatCount(switches)} times. Of ${period} stacks one was taken; the times of the ` +
        'others are given to the next one of the same thread.',
    ],
    [
      unpaired > 0,
      `Of ${formatCount(unpaired)} switches the other half is lost: that time is in no stack.`,
    ],
  ]
  return notes.filter(([applies]) => applies).map(([, sentence]) => sentence)
}

/** Of the time that the threads lived, how much is known to be on a core, or off it. */
export function accountedShare(summary: WaitingSummary): number {
  const { livedNs, onNs, blockedNs, preemptedNs, beforeNs } = summary
  return livedNs > 0 ? Math.min(1, (onNs + blockedNs + preemptedNs + beforeNs) / livedNs) : 0
}
