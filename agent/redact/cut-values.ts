// What is left of a value where a width cut the text: `98765432..`, `aditi@exam…`.
//
// Other tools cut names before we see them, and the kernel cuts a thread's name after fifteen
// bytes. Seven digits of ten are a mobile number to whoever can try a thousand.

import type { Hit } from './classes.ts'
import { isNotPersonal } from './not-personal.ts'

/** Adds the cut value at the end of a text that ends in `..` or `…`, and in brackets at most. */
export function findCutValues(text: string, hits: Hit[]): void {
  const mark = /(?:\.{2,3}|\u2026)[)\]}>"']{0,8}$/.exec(text)
  if (mark === null) return
  // Nothing that can be cut is longer than an address.
  const from = Math.max(0, mark.index - 320)
  const tail = text.slice(from, mark.index)
  for (const [expression, name] of cutShapes) {
    const found = expression.exec(tail)
    if (found === null) continue
    const start = from + found.index
    if (isNotPersonal(text, start, mark.index)) continue
    hits.push({ class: name, start, end: mark.index })
  }
}

const cutShapes = [
  [/\+?(?<!\d)[2-9]\d(?:[ -]?\d){5,17}$/, 'mobile'],
  [/(?<![\w.%+-])[\w.%+-]{3,64}@[A-Za-z0-9][A-Za-z0-9.-]{0,250}$/, 'email'],
  [/[A-Z]{3}[ABCEFGHJKLPT][A-Z]\d{3,4}$/, 'in_pan'],
] as const
