// What a picture of waiting says, and what to type next.
//
// Every stack of a wait ends in the scheduler, so leaves tell nothing. What
// tells is what is waited for (waits.ts), and the place: the innermost function
// of the program, with its caller, since the innermost is nearly always the
// same few of libc.
//
// A service that waits is healthy: its workers wait for work. So the idle waits
// are said as they are, and the headline is about the others where there are any.

import { type NextStep, targetOf, type VerdictContext } from './next-steps.ts'
import { roundPercent } from './numbers.ts'
import { noCaller, type Profile } from './profile.ts'
import { type Leaf, type Seen, type Shape, shapeThresholds, short, type Verdict } from './shape.ts'
import { timeEvents } from './waiting.ts'
import { idleWaits, type Wait, waitsOf } from './waits.ts'

export const waitingThresholds = {
  /** Below it a wait is not worth a place in a sentence. */
  seen: 0.01,
  /** A twentieth of the threads' time is more than any healthy program spends on it. */
  cause: 0.05,
} as const

/** Of a column whose weight is time of threads (see `isThreadTime`), and most of which has names. */
export function classifyWaiting(
  profile: Profile,
  column: number,
  unknown: Verdict['unknown'],
  context: VerdictContext,
): Verdict {
  const { event } = profile.columns[column]!
  const waits = weighWaits(profile, column)
  const places = weighPlaces(profile, column)
  const [widest] = places
  const causes = waits.filter(
    ({ wait, share }) =>
      wait !== 'on-CPU' && !idleWaits.has(wait) && share >= waitingThresholds.cause,
  )
  const leaves = places
    .slice(0, shapeThresholds.topLeaves)
    .filter(({ self }) => self >= shapeThresholds.topLeafSelf)
  const seen = waits
    .filter(({ share }) => share >= waitingThresholds.seen)
    .map(({ wait, share }): Seen => ({ what: wait, share }))
  const subject = event === timeEvents.offCpu ? 'waiting' : "threads' time"
  return {
    shape: shapeOf(widest?.self ?? 0),
    headline: headlineOf(waits, causes, subject),
    evidence: [
      `Of the ${subject}: ${seen.map(({ what, share }) => `${what} ${roundPercent(share)}`).join(', ')}.`,
      ...(leaves.length === 0
        ? []
        : [
            `Widest places: ${leaves.map(({ name, self }) => `${name} ${roundPercent(self)}`).join(', ')}.`,
          ]),
    ],
    next: nextSteps(causes[0]?.wait, event, context),
    unknown,
    leaves,
    seen,
  }
}

function shapeOf(widest: number): Shape {
  if (widest >= shapeThresholds.wideLeafSelf) return 'wide leaf'
  return widest <= shapeThresholds.flatLeafSelf ? 'wide and flat' : 'mixed'
}

interface WaitShare {
  readonly wait: Wait
  readonly share: number
}

function weighWaits(profile: Profile, column: number): WaitShare[] {
  const { self } = profile.columns[column]!
  const onCpu = profile.columns.find(({ event }) => event === timeEvents.onCpu)?.self
  const weights = new Map<Wait, number>()
  const add = (wait: Wait, weight: number) => {
    if (weight > 0) weights.set(wait, (weights.get(wait) ?? 0) + weight)
  }
  let total = 0
  for (const [stack, wait] of waitsOf(profile).entries()) {
    const weight = self[stack]!
    const running = Math.min(onCpu?.[stack] ?? 0, weight)
    add('on-CPU', running)
    add(wait, weight - running)
    total += weight
  }
  return [...weights]
    .map(([wait, weight]) => ({ wait, share: weight / total }))
    .sort((a, b) => b.share - a.share)
}

/** The innermost functions of the program, each with its caller, heaviest first. */
function weighPlaces({ frames, stacks, columns }: Profile, column: number): Leaf[] {
  const { self } = columns[column]!
  // Of each stack the innermost stack whose frame is the program's.
  const inner = new Int32Array(stacks.length)
  const weights = new Map<string, { frame: number; weight: number }>()
  let total = 0
  for (let stack = 0; stack < stacks.length; stack++) {
    const caller = stacks.caller[stack]!
    const { kind } = frames[stacks.frame[stack]!]!
    const above = caller === noCaller ? -1 : inner[caller]!
    inner[stack] = kind === 'kernel' || kind === 'thread' ? above : stack
    const weight = self[stack]!
    if (weight === 0) continue
    total += weight
    const at = inner[stack]!
    if (at < 0) continue
    const name = placeName(frames[stacks.frame[at]!]!.name, callerOf(at))
    const known = weights.get(name)
    if (known === undefined) weights.set(name, { frame: stacks.frame[at]!, weight })
    else known.weight += weight
  }
  return [...weights]
    .map(([name, { frame, weight }]) => {
      return { name, kind: frames[frame]!.kind, self: weight / total, total: weight / total }
    })
    .sort((a, b) => b.self - a.self)

  function callerOf(stack: number): string | undefined {
    const caller = stacks.caller[stack]!
    const frame = caller === noCaller ? undefined : frames[stacks.frame[caller]!]
    return frame === undefined || frame.kind === 'thread' ? undefined : frame.name
  }
}

function placeName(name: string, caller: string | undefined): string {
  return caller === undefined ? short(name) : `${short(name)} from ${short(caller)}`
}

function headlineOf(
  waits: readonly WaitShare[],
  causes: readonly WaitShare[],
  subject: string,
): string {
  const [cause] = causes
  if (cause !== undefined) {
    const verb = subject === 'waiting' ? 'is for' : 'is waiting for'
    return `${roundPercent(cause.share)} of the ${subject} ${verb} ${cause.wait}. Start there.`
  }
  const idle = waits.filter(({ wait }) => idleWaits.has(wait))
  const share = idle.reduce((sum, each) => sum + each.share, 0)
  return `${roundPercent(share)} of the ${subject} is threads that wait for something to do: nothing holds them up.`
}

function nextSteps(cause: Wait | undefined, event: string, context: VerdictContext): NextStep[] {
  const target = targetOf(context)
  const cpu: NextStep = {
    why: 'What it does when it runs',
    command: `sp-flamegraph record ${target} --duration 30`,
  }
  const both: NextStep = {
    why: 'What the other threads do meanwhile',
    command: `sp-flamegraph record ${target} --mode both`,
  }
  const isAll = event !== timeEvents.offCpu
  const step = cause === undefined ? undefined : causeSteps.get(cause)?.(target)
  return [...(step === undefined ? [] : [step]), isAll ? cpu : cause === 'a lock' ? both : cpu]
}

const causeSteps = new Map<Wait, (target: string) => NextStep>([
  [
    'a core',
    target => ({
      why: 'Whether the machine is full, and which cgroup it is in: cpu.stat there says if it is throttled',
      command: `cat /proc/pressure/cpu /proc/${target}/cgroup`,
    }),
  ],
  [
    'network',
    target => ({
      why: 'Which peers it waits for, and what stands in the queues',
      command: `nsenter --target ${target} --net ss -tanp`,
    }),
  ],
  ['disk', target => ({ why: 'How much it reads and writes', command: `cat /proc/${target}/io` })],
  [
    'child processes',
    target => ({
      why: 'Which children it waits for',
      command: `ps --ppid ${target} -o pid,etime,stat,comm`,
    }),
  ],
])
