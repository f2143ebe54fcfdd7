// The cursor over a mangled C++ name that the grammar files share, with what
// they have seen so far: the substitutions.
//
// Every production may be nested in itself, so depth is bounded; and a few are
// ambiguous and tried twice, so steps are. A name that goes over a bound is
// treated as one that is malformed: it stays as it is.

import type { Node } from './demangle-cpp-tree.ts'

export interface Reader {
  readonly text: string
  at: number
  readonly substitutions: Node[]
  /** In the type of a conversion operator, where `I` may begin the operator's own arguments. */
  inConversion: boolean
  depth: number
  steps: number
}

/** Thrown through the grammar: one object, because a stack trace for each bad name would cost more than the name. */
export const malformed = new Error('malformed C++ name')

// The deepest of 500,000 names of node, LLVM, clang and libjvm needs 72. Each level takes up to six
// calls of about 150 bytes, so 192 levels are 170 KB of V8's stack of 984 KB.
const maxDepth = 192
// Those names take at most 0.7 steps a character, what is tried twice included.
const stepsPerCharacter = 8

export function readerOf(mangled: string): Reader {
  return {
    text: mangled,
    at: 0,
    substitutions: [],
    inConversion: false,
    depth: 0,
    steps: mangled.length * stepsPerCharacter,
  }
}

export function fail(): never {
  throw malformed
}

/** Opens one level of nesting; `leave` closes it. Not closed on failure: the name is given up then. */
export function enter(r: Reader): void {
  if (++r.depth > maxDepth || --r.steps < 0) fail()
}

export function leave<T>(r: Reader, result: T): T {
  r.depth--
  return result
}

/** Where to go back to when the first reading of an ambiguity fails. */
export interface Checkpoint {
  readonly at: number
  readonly substitutions: number
  readonly depth: number
  readonly inConversion: boolean
}

export function checkpoint(r: Reader): Checkpoint {
  return {
    at: r.at,
    substitutions: r.substitutions.length,
    depth: r.depth,
    inConversion: r.inConversion,
  }
}

export function goBack(r: Reader, to: Checkpoint): void {
  r.at = to.at
  r.substitutions.length = to.substitutions
  r.depth = to.depth
  r.inConversion = to.inConversion
}

/** What `read` makes of this place, or undefined, as if nothing had been read, if it is something else. */
export function attempt<T>(r: Reader, read: (r: Reader) => T): T | undefined {
  const start = checkpoint(r)
  try {
    return read(r)
  } catch (error) {
    if (error !== malformed || r.steps < 0) throw error
    goBack(r, start)
    return undefined
  }
}

/** The next character; empty at the end, which is equal to none. */
export function peek(r: Reader, ahead = 0): string {
  return r.text[r.at + ahead] ?? ''
}

/** Takes this word if it comes next. */
export function eat(r: Reader, word: string): boolean {
  if (!r.text.startsWith(word, r.at)) return false
  r.at += word.length
  return true
}

export function expect(r: Reader, word: string): void {
  if (!eat(r, word)) fail()
}

export function isDigit(character: string): boolean {
  return character >= '0' && character <= '9'
}

export function isLower(character: string): boolean {
  return character >= 'a' && character <= 'z'
}

/** Digits as a count or length. No name is long enough for one of ten digits. */
export function natural(r: Reader): number {
  const start = r.at
  while (isDigit(peek(r))) r.at++
  if (r.at === start || r.at - start > 9) fail()
  return Number(r.text.slice(start, r.at))
}

/** Digits as text, with `n` for minus: they are printed and not counted with. */
export function digits(r: Reader): string {
  const sign = eat(r, 'n') ? '-' : ''
  const start = r.at
  while (isDigit(peek(r))) r.at++
  if (r.at === start) fail()
  return sign + r.text.slice(start, r.at)
}

/** `_` is 0, `0_` is 1, `1_` is 2: the numbering of everything that is usually the first of its kind. */
export function ordinal(r: Reader): number {
  if (eat(r, '_')) return 0
  const number = natural(r) + 1
  expect(r, '_')
  return number
}

/** The index of a substitution: like `ordinal`, to the base of 36. */
export function substitutionIndex(r: Reader): number {
  let index = 0
  const start = r.at
  for (; peek(r) !== '_'; r.at++) {
    const character = peek(r)
    if (!isDigit(character) && !(character >= 'A' && character <= 'Z')) fail()
    index = index * 36 + Number.parseInt(character, 36)
  }
  // Four digits are 1.7 million substitutions, more than a name has characters.
  if (r.at - start > 4) fail()
  const isFirst = r.at === start
  r.at++
  return isFirst ? 0 : index + 1
}

/** Remembers what a later `S_` may stand for. */
export function remember(r: Reader, node: Node): Node {
  r.substitutions.push(node)
  return node
}
