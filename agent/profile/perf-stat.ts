// What `perf stat -x,` prints: one line a counter.
//
//     208.20,msec,task-clock,208195215,100.00,0.210,CPUs utilized
//     <not supported>,,cycles,0,100.00,,
//
// Value, unit, event, nanoseconds that the counter ran, percent of the time that
// is, then a figure of perf's own: https://man7.org/linux/man-pages/man1/perf-stat.1.html
// (CSV FORMAT).
//
// The traps. A machine without hardware counters, as most VMs are, is no
// machine with 0 cache misses. A percent below 100 means that counters took turns
// and that perf has scaled the value up. And an event of the kernel that we may
// only count in user mode (`context-switches:u`) is always 0.

import { formatCount, roundPercent } from './numbers.ts'

export type CounterAbsence = 'not available in this VM' | 'not counted' | 'not permitted'

/** Plain data throughout, so that it goes into JSON, and through redaction, as it is. */
export interface Counter {
  readonly event: string
  /** A count; milliseconds of task-clock. Missing where it is not known, and `absence` says why. */
  readonly value?: number
  readonly absence?: CounterAbsence
  /** Share of the time in which it was counted: below 1 the value is scaled up from that. */
  readonly counted?: number
}

export interface Counters {
  readonly durationMs: number
  readonly counters: readonly Counter[]
  /** Undefined where one of the two is not known. */
  readonly instructionsPerCycle?: number
  /** Shares of 1: of the references that missed, of the branches that were mispredicted. */
  readonly cacheMisses?: number
  readonly branchMisses?: number
  /** Cores in use on average. */
  readonly cpus?: number
}

/** The events that we ask for, in perf's words. */
export const counterEvents = [
  'task-clock',
  'context-switches',
  'cpu-migrations',
  'page-faults',
  'major-faults',
  'cycles',
  'instructions',
  'cache-references',
  'cache-misses',
  'branches',
  'branch-misses',
] as const

type CounterEvent = (typeof counterEvents)[number]

// Eleven lines of 60 characters; anything else is a complaint of perf's.
const maxLength = 64 << 10

/** Lines that are no counter are skipped: perf mixes its complaints in. */
export function readPerfStat(text: string, durationMs: number): Counters {
  const known = new Map<string, Counter>()
  for (const line of text.slice(0, maxLength).split('\n')) {
    const counter = readLine(line)
    if (counter !== undefined) known.set(counter.event, counter)
  }
  const countOf = (event: CounterEvent) => known.get(event)?.value
  const ratio = (part: CounterEvent, whole: CounterEvent) => {
    const [a, b] = [countOf(part), countOf(whole)]
    return a === undefined || !b ? undefined : a / b
  }
  const instructionsPerCycle = ratio('instructions', 'cycles')
  const cacheMisses = ratio('cache-misses', 'cache-references')
  const branchMisses = ratio('branch-misses', 'branches')
  const clock = countOf('task-clock')
  return {
    durationMs,
    counters: [...known.values()],
    ...(instructionsPerCycle !== undefined && { instructionsPerCycle }),
    ...(cacheMisses !== undefined && { cacheMisses }),
    ...(branchMisses !== undefined && { branchMisses }),
    ...(clock !== undefined && durationMs > 0 && { cpus: clock / durationMs }),
  }
}

// Software events that happen within the kernel: counted in user mode, they are 0 and mean nothing.
const kernelEvents = new Set<string>(['context-switches', 'cpu-migrations'])

function readLine(line: string): Counter | undefined {
  const [value = '', , named = '', , percent = ''] = line.split(',')
  const [event = '', modifier = ''] = named.split(':')
  if (!(counterEvents as readonly string[]).includes(event)) return undefined
  if (value === '<not supported>') return { event, absence: 'not available in this VM' }
  if (value === '<not counted>') return { event, absence: 'not counted' }
  if (modifier.includes('u') && kernelEvents.has(event)) return { event, absence: 'not permitted' }
  const number = Number(value)
  if (value === '' || !(number >= 0)) return undefined
  const counted = Number(percent) / 100
  return { event, value: number, ...(counted > 0 && counted <= 1 && { counted }) }
}

/** The counters in a line, for people; what is not known is said to be so. */
export function describeCounters(counters: Counters): string {
  const of = new Map(counters.counters.map(counter => [counter.event, counter]))
  const parts: string[] = []
  const missing = new Map<CounterAbsence, string[]>()
  const say = (what: string, words: string | undefined, ...events: CounterEvent[]) => {
    if (words !== undefined) {
      parts.push(words)
      return
    }
    const absence = events.map(event => of.get(event)?.absence).find(each => each !== undefined)
    const why = absence ?? 'not counted'
    missing.set(why, [...(missing.get(why) ?? []), what])
  }
  const { instructionsPerCycle: ipc, cacheMisses, branchMisses, cpus } = counters
  const count = (event: CounterEvent, one: string, many: string) => {
    const value = of.get(event)?.value
    return value === undefined ? undefined : `${formatCount(value)} ${value === 1 ? one : many}`
  }
  say('CPU use', cpus === undefined ? undefined : `${cpus.toFixed(2)} cores in use`, 'task-clock')
  say(
    'IPC',
    ipc === undefined ? undefined : `${ipc.toFixed(2)} instructions a cycle`,
    'cycles',
    'instructions',
  )
  say(
    'cache misses',
    cacheMisses === undefined ? undefined : `${roundPercent(cacheMisses)} cache misses`,
    'cache-references',
    'cache-misses',
  )
  say(
    'branch misses',
    branchMisses === undefined ? undefined : `${roundPercent(branchMisses)} branch misses`,
    'branches',
    'branch-misses',
  )
  say('page faults', faults(of), 'page-faults')
  say(
    'context switches',
    count('context-switches', 'context switch', 'context switches'),
    'context-switches',
  )
  say('migrations', count('cpu-migrations', 'migration', 'migrations'), 'cpu-migrations')
  for (const [why, what] of missing) parts.push(`${what.join(', ')} ${why}`)
  const least = Math.min(...counters.counters.map(({ counted }) => counted ?? 1), 1)
  if (least < 0.995) parts.push(`counted ${roundPercent(least)} of the time and scaled up`)
  return parts.join(' · ')
}

function faults(of: ReadonlyMap<string, Counter>): string | undefined {
  const all = of.get('page-faults')?.value
  if (all === undefined) return undefined
  const major = of.get('major-faults')?.value
  const words = `${formatCount(all)} page ${all === 1 ? 'fault' : 'faults'}`
  return major ? `${words} (${formatCount(major)} from disk)` : words
}
