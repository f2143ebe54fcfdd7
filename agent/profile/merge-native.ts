// Two profiles of one window in one picture: JavaScript as V8 sees it, and what
// ran outside of it as perf sees it.
//
// V8 names every JavaScript function and calls all else `(program)` and
// `(garbage collector)`. perf sees native code, the kernel and the helper threads,
// but JavaScript without names. So each of perf's stacks that holds JavaScript is
// left out, as V8's profile has it with names; all others stay, in place of V8's
// two words. What perf saw beneath a garbage collection stands under that word,
// whoever allocated.
//
// Both are CPU time, but not measured alike: V8's stacks are made as wide, together,
// as perf says that JavaScript was. Nothing else is scaled, and nothing is counted
// twice. The limits: native code that JavaScript calls stands as the function that
// called it, as V8 has it; and in a Node without symbols, interpreted code cannot be
// told from native code, which a note says.

import { workOf } from './marks.ts'
import { roundPercent } from './numbers.ts'
import { type Frame, noCaller, type Profile, ProfileBuilder } from './profile.ts'

/** @param hertz what a sample of perf stands for, where its columns count samples */
export function mergeNative(profile: Profile, hertz: number): Profile {
  const ours = profile.columns.findIndex(
    ({ event, unit }) => event === v8 && unit === 'nanoseconds',
  )
  const theirs = profile.columns.findIndex(({ event }) => event !== v8)
  // One of the two gave nothing: the other is all there is.
  if (ours < 0 || theirs < 0) return profile
  const native = profile.columns[theirs]!
  const perSample = native.unit === 'nanoseconds' ? 1 : 1e9 / hertz
  const kinds = classify(profile)
  const sum = (self: Float64Array, is: (stack: number) => boolean) =>
    self.reduce((all, weight, stack) => all + (is(stack) ? weight : 0), 0)
  const script = sum(profile.columns[ours]!.self, stack => !kinds.isV8Word[stack])
  const seen = sum(native.self, stack => kinds.script[stack] === 1) * perSample
  const scale = script > 0 ? seen / script : 0

  const builder = new ProfileBuilder()
  const time = builder.column(v8, 'nanoseconds')
  const collector = builder.frame({ name: '(garbage collector)', kind: 'native' })
  const moved = new Int32Array(profile.stacks.length).fill(noCaller)
  for (let stack = 0; stack < profile.stacks.length; stack++) {
    const caller = profile.stacks.caller[stack]!
    const frame = profile.frames[profile.stacks.frame[stack]!]!
    const above = caller === noCaller ? noCaller : moved[caller]!
    const isFirstOfGc = kinds.gc[stack] === 1 && (caller === noCaller || kinds.gc[caller] === 0)
    const under = isFirstOfGc ? builder.stack(rootOf(profile, stack, builder), collector) : above
    moved[stack] = builder.stack(under, builder.frame(frame))
    const v8Weight = profile.columns[ours]!.self[stack]!
    if (v8Weight > 0 && !kinds.isV8Word[stack]) {
      builder.add(moved[stack]!, time, Math.round(v8Weight * scale))
    }
    const weight = native.self[stack]!
    if (weight > 0 && kinds.script[stack] === 0) {
      builder.add(moved[stack]!, time, Math.round(weight * perSample))
    }
  }
  for (const [what, count] of profile.loss) builder.lose(what, count)
  for (const note of profile.notes) builder.note(note)
  const all = sum(native.self, () => true) * perSample
  builder.note(
    `JavaScript is sampled by V8, all else by perf in the same window: JavaScript used ` +
      `${roundPercent(all > 0 ? seen / all : 0)} of the CPU time (V8 gave it ${(script / 1e9).toFixed(1)} s, perf ` +
      `${(seen / 1e9).toFixed(1)} s, which is what is drawn).`,
  )
  if (!profile.frames.some(({ name }) => name.startsWith('Builtins_'))) {
    builder.note(
      'The program has no symbols: JavaScript that is interpreted cannot be told from native code, and is in both.',
    )
  }
  return builder.build()
}

const v8 = 'cpu'

interface Kinds {
  /** Of each stack: it holds JavaScript, and no garbage collection. */
  readonly script: Uint8Array
  /** It is, or stands under, a function of the garbage collector. */
  readonly gc: Uint8Array
  /** It is one of V8's two words for what is no JavaScript. */
  readonly isV8Word: readonly boolean[]
}

function classify({ frames, stacks }: Profile): Kinds {
  const isGc = frames.map(({ name }) => workOf(name) === 'garbage collection')
  const isScript = frames.map(isScriptFrame)
  const script = new Uint8Array(stacks.length)
  const gc = new Uint8Array(stacks.length)
  const isV8Word: boolean[] = []
  for (let stack = 0; stack < stacks.length; stack++) {
    const caller = stacks.caller[stack]!
    const frame = stacks.frame[stack]!
    const isWord =
      frames[frame]!.name === '(program)' || frames[frame]!.name === '(garbage collector)'
    isV8Word.push(isWord && caller !== noCaller && stacks.caller[caller] === noCaller)
    gc[stack] = isGc[frame] === true || (caller !== noCaller && gc[caller] === 1) ? 1 : 0
    const under = caller !== noCaller && script[caller] === 1
    script[stack] = gc[stack] === 0 && (isScript[frame] === true || under) ? 1 : 0
  }
  return { script, gc, isV8Word }
}

/** Compiled code, what has no name for want of a map, and V8's own entry into either. */
function isScriptFrame({ name, kind, reason }: Frame): boolean {
  return kind === 'jit' || reason === 'JIT without map' || name.startsWith('Builtins_JS')
}

/** The thread that a stack belongs to. */
function rootOf({ frames, stacks }: Profile, stack: number, builder: ProfileBuilder): number {
  let at = stack
  while (stacks.caller[at] !== noCaller) at = stacks.caller[at]!
  const frame = frames[stacks.frame[at]!]!
  return frame.kind === 'thread' ? builder.stack(noCaller, builder.frame(frame)) : noCaller
}
