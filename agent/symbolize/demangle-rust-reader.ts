// The cursor over a name of Rust's v0 mangling that the grammar files share. It
// prints while it reads.
//
// A back reference is a position in the name, read again when it is met, so a
// short name can say an exponential lot: what is printed, depth and steps are
// bounded, and a name that goes over a bound is given up.

import { decodePunycode } from './punycode.ts'

export interface Reader {
  readonly text: string
  at: number
  out: string
  /** Counts up while parts of the name are read that are not printed. */
  muted: number
  /** Lifetimes bound by the binders around this place. */
  lifetimes: number
  depth: number
  steps: number
}

/** Thrown through the grammar: one object, because a stack trace for each bad name would cost more than the name. */
export const malformed = new Error('malformed Rust name')

// Nobody reads more; the longest name in the Rust compiler prints as 10 KB.
const maxPrinted = 64 * 1024

// The deepest name there needs 93, each level about three calls.
const maxDepth = 256

// No name there takes more than 2,500.
const maxSteps = 64 * 1024

/** `_R` is taken already. */
export function readerOf(name: string): Reader {
  return { text: name, at: 2, out: '', muted: 0, lifetimes: 0, depth: 0, steps: maxSteps }
}

export function fail(): never {
  throw malformed
}

export function put(r: Reader, word: string): void {
  if (r.muted > 0) return
  r.out += word
  if (r.out.length > maxPrinted) fail()
}

export function quietly(r: Reader, read: () => void): void {
  r.muted++
  read()
  r.muted--
}

export function enter(r: Reader): void {
  if (++r.depth > maxDepth || --r.steps < 0) fail()
}

export function peek(r: Reader): string {
  return r.text[r.at] ?? ''
}

export function take(r: Reader): string {
  const character = r.text[r.at] ?? fail()
  r.at++
  return character
}

export function eat(r: Reader, character: string): boolean {
  if (peek(r) !== character) return false
  r.at++
  return true
}

/** `_` is 0, `0_` is 1: to the base of 62. A crate's hash is above 2^53 and not exact, but nobody prints it. */
export function base62(r: Reader): number {
  if (eat(r, '_')) return 0
  let number = 0
  while (!eat(r, '_')) {
    const digit = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'.indexOf(take(r))
    if (digit < 0) fail()
    number = number * 62 + digit
    if (number > 0x1_0000_0000_0000_0000) fail()
  }
  return number + 1
}

export function tagged62(r: Reader, tag: string): number {
  return eat(r, tag) ? base62(r) + 1 : 0
}

/** An identifier without its disambiguator. */
export function identifier(r: Reader): string {
  const isPunycode = eat(r, 'u')
  const start = r.at
  while (peek(r) >= '0' && peek(r) <= '9') {
    r.at++
    // A leading zero is the whole number.
    if (r.text[start] === '0') break
  }
  if (r.at === start || r.at - start > 6) fail()
  const length = Number(r.text.slice(start, r.at))
  eat(r, '_')
  const word = r.text.slice(r.at, r.at + length)
  if (word.length < length) fail()
  r.at += length
  // The last underscore stands for Punycode's hyphen, which no symbol may have.
  return isPunycode ? (decodePunycode(word.replace(/_(?=[^_]*$)/, '-')) ?? fail()) : word
}

/** Reads again what stood at an earlier position. Nothing to do where nothing is printed. */
export function backReference(r: Reader, start: number, read: () => void): void {
  const to = base62(r) + 2
  if (to >= start) fail()
  if (r.muted > 0) return
  const { at } = r
  r.at = to
  read()
  r.at = at
}

/** Up to an `E`. Returns how many there were. */
export function commaSeparated(r: Reader, read: (r: Reader) => void, separator = ', '): number {
  let count = 0
  for (; !eat(r, 'E'); count++) {
    if (count > 0) put(r, separator)
    read(r)
  }
  return count
}
