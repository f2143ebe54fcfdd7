// Totals, children and functions of a profile: what the drawing, the verdict
// and the summary all ask of the trie.
//
// No recursion anywhere: a stack may be as deep as the file that it came from
// says, and the call stack of V8 is not.

import { noCaller, type Profile } from './profile.ts'

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

/** One function over all its stacks. `total` counts a recursive function once a stack. */
export interface FunctionWeight {
  /** Index of the first frame seen of this function. */
  readonly frame: number
  self: number
  total: number
  /** Deepest number of times it stands in one stack: above 1 is recursion. */
  depth: number
}

/** Every function (name, module and kind together), heaviest self first. */
export function functions(profile: Profile, column = 0): FunctionWeight[] {
  const { frames, stacks, columns } = profile
  const self = columns[column]!.self
  const total = totals(profile, column)
  const functionOf = new Int32Array(frames.length)
  const index = new Map<string, number>()
  const found: FunctionWeight[] = []
  for (const [frame, { name, module, kind }] of frames.entries()) {
    const key = `${kind}\0${name}\0${module ?? ''}`
    let at = index.get(key)
    if (at === undefined) {
      at = found.push({ frame, self: 0, total: 0, depth: 0 }) - 1
      index.set(key, at)
    }
    functionOf[frame] = at
  }
  const { firstRoot, firstChild, nextSibling } = children(profile)
  const open = new Int32Array(found.length)
  for (let node = firstRoot; node >= 0; ) {
    const at = functionOf[stacks.frame[node]!]!
    const entry = found[at]!
    entry.self += self[node]!
    if (open[at]! === 0) entry.total += total[node]!
    open[at]!++
    if (open[at]! > entry.depth) entry.depth = open[at]!
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
  return found.filter(entry => entry.depth > 0).sort((a, b) => b.self - a.self || b.total - a.total)
}
