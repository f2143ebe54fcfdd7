// The picture of a capture that knows where threads waited: which of the times
// are in it, and what stands at its root.
//
// The reader (perf-waiting.ts) keeps times apart, a column each over plain
// stacks. What a person reads is one width in nanoseconds of threads' time:
//
//     off-cpu   [off-CPU], [preempted], [blocked before the start]
//     both      these and [on-CPU]: all the time that the threads lived, in one picture
//     wall      the same time without the split: a function's width is how long it took,
//               whether it computed or waited
//
// `both` is split at the root and not by colour, because the two halves are
// measured differently: on-CPU is sampled, off-CPU is timed to the nanosecond.

import {
  type Column,
  type Frame,
  noCaller,
  type Profile,
  ProfileBuilder,
  type Stacks,
} from './profile.ts'

/** How the times of one recording are put together. */
export type WaitingMode = 'off-cpu' | 'both' | 'wall'

/** The columns that the reader makes. No other format has events of these names. */
export const waitingEvents = {
  onCpu: '[on-CPU]',
  blocked: '[off-CPU]',
  /** Able to run, and without a core. */
  preempted: '[preempted]',
  /** The thread waits since before the recording began: where is not known. */
  before: '[blocked before the start]',
} as const

/** The columns of what is made of them, all in nanoseconds. The first is the width. */
export const timeEvents = { wall: 'wall', onCpu: 'on-cpu', offCpu: 'off-cpu' } as const

/** Whether a column's weight is time of threads, waiting or not. */
export function isThreadTime(event: string): boolean {
  return event === timeEvents.offCpu || event === timeEvents.wall
}

/**
 * Makes one picture of the times that a perf reader kept apart. Any other profile stays as it is.
 *
 * @param mode by default all that was recorded: `both` where the CPU was sampled too
 */
export function arrangeWaiting(profile: Profile, mode?: WaitingMode): Profile {
  const kinds = Object.values(waitingEvents).flatMap(event => {
    const column = profile.columns.find(each => each.event === event)
    return column === undefined ? [] : [column]
  })
  const hasOff = kinds.some(({ event }) => event !== waitingEvents.onCpu)
  if (!hasOff) return profile
  const hasOn = kinds.some(({ event }) => event === waitingEvents.onCpu)
  return arrange(profile, kinds, mode ?? (hasOn ? 'both' : 'off-cpu'))
}

function arrange(profile: Profile, kinds: readonly Column[], mode: WaitingMode): Profile {
  const builder = new ProfileBuilder()
  const frames = profile.frames.map(frame => builder.frame(frame))
  const all = mode === 'off-cpu' ? -1 : builder.column(timeEvents.wall, 'nanoseconds')
  const on = mode === 'off-cpu' ? -1 : builder.column(timeEvents.onCpu, 'nanoseconds')
  const off = builder.column(timeEvents.offCpu, 'nanoseconds')
  for (const { event, self } of kinds) {
    const isOn = event === waitingEvents.onCpu
    if (isOn && mode === 'off-cpu') continue
    const kind = builder.frame({ name: event, kind: 'thread' })
    const root = mode === 'wall' ? noCaller : builder.stack(noCaller, kind)
    const moved = moveStacks(builder, profile.stacks, frames, self, root)
    for (let stack = 0; stack < self.length; stack++) {
      if (self[stack] === 0) continue
      let at = moved[stack]!
      // Without its root nothing else says that this is time of which nothing is known.
      if (mode === 'wall' && event === waitingEvents.before) at = builder.stack(at, kind)
      if (all >= 0) builder.add(at, all, self[stack]!)
      builder.add(at, isOn ? on : off, self[stack]!)
    }
  }
  addOthers(builder, profile, frames)
  for (const [what, count] of profile.loss) builder.lose(what, count)
  for (const note of profile.notes) builder.note(note)
  return builder.build()
}

/** Events that have nothing to do with it stay as they are, beside. */
function addOthers(builder: ProfileBuilder, profile: Profile, frames: readonly number[]): void {
  const names = new Set<string>(Object.values(waitingEvents))
  for (const { event, unit, self } of profile.columns) {
    if (names.has(event)) continue
    const column = builder.column(event, unit)
    const moved = moveStacks(builder, profile.stacks, frames, self, noCaller)
    for (let stack = 0; stack < self.length; stack++) {
      if (self[stack] !== 0) builder.add(moved[stack]!, column, self[stack]!)
    }
  }
}

/** The stacks that a column has weight in, and their callers, under another root. */
function moveStacks(
  builder: ProfileBuilder,
  { length, caller, frame }: Stacks,
  frames: readonly number[],
  self: Float64Array,
  root: number,
): Int32Array {
  const isNeeded = new Uint8Array(length)
  for (let stack = length - 1; stack >= 0; stack--) {
    if (self[stack] !== 0) isNeeded[stack] = 1
    if (isNeeded[stack] === 1 && caller[stack] !== noCaller) isNeeded[caller[stack]!] = 1
  }
  const moved = new Int32Array(length)
  for (let stack = 0; stack < length; stack++) {
    if (isNeeded[stack] === 0) continue
    const above = caller[stack] === noCaller ? root : moved[caller[stack]!]!
    moved[stack] = builder.stack(above, frames[frame[stack]!]!)
  }
  return moved
}

/** A frame for time whose stack was not taken. */
export const untaken: Frame = {
  name: '[stack not taken]',
  kind: 'unknown',
  reason: 'unnamed by the tool',
}
