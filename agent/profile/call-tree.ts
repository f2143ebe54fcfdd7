// Totals, children and functions of a profile: what the drawing, the verdict
// and the summary all ask of the trie.
//
// No recursion anywhere: a stack may be as deep as the file that it came from
// says, and the call stack of V8 is not.

import { type Frame, noCaller, type Profile } from './profile.ts'

/** Weight of each stack with everything that it called, for one column. Length: `stacks.length`. */
export function totals(profile: Profile, column = 0): Float64Array {
  const { length, caller } = profile.stacks
  const total = Float64Array.from(profile.columns[column]!.self)
  for (let index = length - 1; index >= 0; index--) {
    const parent = caller[index]!
    if (parent !== noCaller) total[parent]! += total[index]!
  }
  return total
}

/** The weight of the whole column. */
export function weightOf(profile: Profile, column = 0): number {
  return profile.columns[column]!.self.reduce((sum, self) => sum + self, 0)
}

/** Children as linked lists: -1 ends each. Roots hang under `firstRoot`, in order of appearance. */
export interface Children {
  readonly firstRoot: number
  readonly firstChild: Int32Array
  readonly nextSibling: Int32Array
}

export function children(profile: Profile): Children {
  const { length, caller } = profile.stacks
  const firstChild = new Int32Array(length).fill(-1)
  const nextSibling = new Int32Array(length).fill(-1)
  let firstRoot = -1
  // Backward, so that each list ends up in order of appearance.
  for (let index = length - 1; index >= 0; index--) {
    const parent = caller[index]!
    if (parent === noCaller) {
      nextSibling[index] = firstRoot
      firstRoot = index
    } else {
      nextSibling[index] = firstChild[parent]!
      firstChild[parent] = index
    }
  }
  return { firstRoot, firstChild, nextSibling }
}

/**
 * For each frame, the index of the first one that is of the same name and of which `tell` says the
 * same. Few names belong to two frames, so it is only asked of those.
 */
export function firstAlike(
  frames: readonly Frame[],
  tell: (frame: Frame) => string,
): Int32Array<ArrayBuffer> {
  let firsts = firstsOfNames.get(frames)
  // A builder may have added some since.
  if (firsts?.length !== frames.length) {
    firsts = firstsOf(frames)
    firstsOfNames.set(frames, firsts)
  }
  const others = new Map<string, number>()
  return firsts.map((first, index) => {
    if (first === index) return index
    const frame = frames[index]!
    const told = tell(frame)
    if (told === tell(frames[first]!)) return first
    const key = `${told}\0${frame.name}`
    const other = others.get(key)
    if (other === undefined) others.set(key, index)
    return other ?? index
  })
}

/** The picture and the verdict of one profile ask for the same, and a million names are a second each time. */
const firstsOfNames = new WeakMap<readonly Frame[], Int32Array<ArrayBuffer>>()

/** For each frame, the index of the first one of its name. */
function firstsOf(frames: readonly Frame[]): Int32Array<ArrayBuffer> {
  const firstOfName = new Map<string, number>()
  return Int32Array.from(frames, ({ name }, index) => {
    const first = firstOfName.get(name)
    if (first === undefined) firstOfName.set(name, index)
    return first ?? index
  })
}

/** One function over all its stacks. `total` counts a recursive function once a stack. */
export interface FunctionWeight {
  /** Index of the first frame seen of this function. */
  readonly frame: number
  readonly self: number
  readonly total: number
  /** Deepest number of times it stands in one stack: above 1 is recursion. */
  readonly depth: number
}

/** Every function (name, module and kind together), heaviest self first. */
export function functions(profile: Profile, column = 0): readonly FunctionWeight[] {
  const known = ranked.get(profile) ?? []
  ranked.set(profile, known)
  known[column] ??= rank(profile, column)
  return known[column]
}

/** The verdict, the table and the summary of one profile ask for the same. */
const ranked = new WeakMap<Profile, (readonly FunctionWeight[])[]>()

function rank(profile: Profile, column: number): FunctionWeight[] {
  const { frames, stacks, columns } = profile
  const weight = columns[column]!.self
  const weightWithCallees = totals(profile, column)
  const functionOf = firstAlike(frames, ({ kind, module = '' }) => `${kind}\0${module}`)
  const self = new Float64Array(frames.length)
  const total = new Float64Array(frames.length)
  const open = new Int32Array(frames.length)
  const depth = new Int32Array(frames.length)
  const { firstRoot, firstChild, nextSibling } = children(profile)
  for (let node = firstRoot; node >= 0; ) {
    const at = functionOf[stacks.frame[node]!]!
    self[at]! += weight[node]!
    if (open[at]! === 0) total[at]! += weightWithCallees[node]!
    open[at]!++
    if (open[at]! > depth[at]!) depth[at] = open[at]!
    if (firstChild[node]! >= 0) {
      node = firstChild[node]!
      continue
    }
    // Leave this node and every caller that it was the last callee of.
    for (;;) {
      open[functionOf[stacks.frame[node]!]!]!--
      if (nextSibling[node]! >= 0) {
        node = nextSibling[node]!
        break
      }
      node = stacks.caller[node]!
      if (node < 0) break
    }
  }
  const found: FunctionWeight[] = []
  for (let frame = 0; frame < frames.length; frame++) {
    if (depth[frame] === 0) continue
    found.push({ frame, self: self[frame]!, total: total[frame]!, depth: depth[frame]! })
  }
  return found.sort((a, b) => b.self - a.self || b.total - a.total)
}
