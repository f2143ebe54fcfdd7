// SWITCH records: a thread leaves its core, or comes back to one.
//
// There are as many as samples, or more, so each waits for its time as an entry of
// numbers and not as a function. It weighs nothing: where a sample has its period, it has its time.

import type { SampleFormat } from './perf-attr.ts'
import { entryWords, type TimeOrder } from './perf-order.ts'
import { entry } from './perf-sample.ts'

// Bits of the header's misc.
const switchOut = 1 << 13
const switchPreempt = 1 << 14

export type SwitchKind = 'in' | 'out' | 'preempted'

/** Entries of switches: far below the numbers of what else waits for its time. */
const least = -0x8000_0000
const kinds: readonly SwitchKind[] = ['in', 'out', 'preempted']

/** Whether the thread leaves, by the second word of its record. */
export function isSwitchOut(misc: number): boolean {
  return (misc & switchOut) !== 0
}

/** Whether an entry with this number for its event is of a switch. */
export function isSwitchEntry(event: number): boolean {
  return event < least + kinds.length
}

/** Lets the switch in the record at `at` wait for its time. `format` is that of its event. */
export function writeSwitch(
  order: TimeOrder,
  format: SampleFormat,
  words: Int32Array,
  at: number,
  size: number,
  time: number,
): void {
  const misc = words[(at >> 2) + 1]!
  const kind = !isSwitchOut(misc) ? 'in' : (misc & switchPreempt) === 0 ? 'out' : 'preempted'
  const into = order.room(entryWords)
  const out = order.words
  const task = ((at + size) >> 2) - format.trailerTid
  out[into + entry.event] = least + kinds.indexOf(kind)
  out[into + entry.pid] = format.trailerTid === 0 ? -1 : words[task]!
  out[into + entry.tid] = format.trailerTid === 0 ? -1 : words[task + 1]!
  number[0] = time
  out[into + entry.period] = numberWords[0]!
  out[into + entry.period + 1] = numberWords[1]!
  out[into + entry.chainWords] = 0
  order.add(time)
}

export function switchKind(words: Int32Array, at: number): SwitchKind {
  return kinds[words[at + entry.event]! - least]!
}

export function switchTime(words: Int32Array, at: number): number {
  numberWords[0] = words[at + entry.period]!
  numberWords[1] = words[at + entry.period + 1]!
  return number[0]!
}

// A number as the two words of an entry.
const number = new Float64Array(1)
const numberWords = new Int32Array(number.buffer)
