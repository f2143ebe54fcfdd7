// Which column a profile is drawn by, when it has several events.
//
// A flame graph is read as CPU time, so an event that counts it goes first,
// wherever the recording has it: `-e context-switches,cpu-clock` drawn by its
// switches would show the scheduler and nothing else. The others stay as columns.

import type { Profile } from './profile.ts'
import { timeEvents } from './waiting.ts'

// As perf names them, modifiers (`:u`, `:ppp`) and hybrid PMUs included; `cpu` is pprof's.
const cpuEvent = /^(?:cpu_(?:core|atom)\/)?(?:cpu-clock|task-clock|cycles|cpu-cycles|cpu)\b/

/** Whether an event's weight is CPU time, so that a wide function is one that computes. */
export function isCpuTime(event: string): boolean {
  return cpuEvent.test(event)
}

// Tracepoints (`sched:sched_switch`) and the software and cache events of perf.
const occurrence =
  /^(?:[\w-]+:[a-z]\w{2,}|context-switches|cs|cpu-migrations|migrations|(?:page-|minor-|major-)?faults|.*-misses|.*-loads|.*-stores)\b/

/** Whether an event is something that happens, so that its leaf says what and its callers say why. */
export function isOccurrence(event: string): boolean {
  return !isCpuTime(event) && occurrence.test(event)
}

/** The same profile, with the columns of CPU time before the others. */
export function widthFirst(profile: Profile): Profile {
  const isFirst = profile.columns.map(({ event }) => isCpuTime(event))
  const columns = [
    ...profile.columns.filter((_, index) => isFirst[index]),
    ...profile.columns.filter((_, index) => !isFirst[index]),
  ]
  return { ...profile, columns }
}

/** The same profile with the columns of these events only, in this order; with all, where it has none of them. */
export function withColumns(profile: Profile, events: readonly string[]): Profile {
  const columns = events.flatMap(event => profile.columns.filter(each => each.event === event))
  return columns.length === 0 ? profile : { ...profile, columns }
}

/** The events that the first column does not show, in their order. */
export function otherEvents(profile: Profile, column = 0): string[] {
  const drawn = profile.columns[column]!.event
  // Of all the time of threads the two halves are parts, and in the picture.
  const parts = drawn === timeEvents.wall ? Object.values<string>(timeEvents) : [drawn]
  return [...new Set(profile.columns.map(({ event }) => event))].filter(
    event => !parts.includes(event),
  )
}
