// Finds personal values in a text, as it stands. What hides them is undone before: by `canonical.ts`
// for redaction, by `gate-views.ts` for the gate, which share nothing but this.
//
// Nearly every text is an ordinary name, so a detector runs only where one pass over the characters
// has seen what it needs: four digits, an `@`, a mask. Every detector takes time linear in the text.

import { findAddresses, findSpeltAddresses } from './addresses.ts'
import { type Hit, personalClasses } from './classes.ts'
import { type CustomerIdRule, findCustomerIds } from './customer-ids.ts'
import { findCutValues } from './cut-values.ts'
import { findTokens } from './jwt.ts'
import { findMaskedNumbers } from './masked-numbers.ts'
import { findNumbers } from './numbers.ts'
import { findTaxNumbers } from './tax-numbers.ts'
import { findUserPaths } from './user-paths.ts'

/** The personal values of a text, in order, none inside or across another. */
export function detect(text: string, rules: readonly CustomerIdRule[]): Hit[] {
  const hits: Hit[] = []
  // Digits with nothing but gaps between them, and the most of them.
  let digits = 0
  let mostDigits = 0
  let masked = 0
  let seen = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    const mark = code < 128 ? marks[code]! : mask | gap
    if (mark === 0) {
      digits = 0
      masked = 0
    } else if (mark === digit) {
      if (++digits > mostDigits) mostDigits = digits
    } else {
      seen |= mark
      masked = (mark & mask) === 0 ? 0 : masked + 1
      if (masked === 3) seen |= threeMasks
      if ((mark & gap) === 0) digits = 0
      if (mark & closing && speltEnds.has(text.charCodeAt(index - 1))) seen |= spelt
    }
  }
  // Four digits in a row, or with gaps: the least that any number has.
  if (mostDigits >= 4) findTaxNumbers(text, hits)
  if (mostDigits >= 10) findNumbers(text, hits)
  if (seen & threeMasks) findMaskedNumbers(text, hits)
  if (seen & at) findAddresses(text, hits)
  if (seen & spelt) findSpeltAddresses(text, hits)
  if (seen & slash) findUserPaths(text, hits)
  if (seen & dot) findTokens(text, hits)
  if (text.includes('..', text.length - 12) || text.includes('\u2026', text.length - 12)) {
    findCutValues(text, hits)
  }
  if (rules.length > 0 || seen & joint) findCustomerIds(text, rules, hits)
  return hits.length > 1 ? withoutOverlap(hits) : hits
}

// What a character makes possible, or (`gap`) does not end.
const digit = 1
const mask = 2
const gap = 4
const closing = 8
const at = 16
const slash = 32
const dot = 64
const joint = 128
// Of the whole text.
const threeMasks = 256
// Of the whole text, or of a `=` that may begin `=40`.
const spelt = 512

const marks = new Uint16Array(128)
for (const [characters, mark] of [
  ['0123456789', digit],
  ['xX*#', mask],
  [" \t-._/:(),'|~*#=+", gap],
  [' _-])}>', closing],
  ['@', at],
  ['/\\', slash],
  ['.', dot],
  ['_-', joint],
  ['=', spelt],
] as const) {
  for (const character of characters) marks[character.charCodeAt(0)]! |= mark
}

// `[at]`, `_40_`, `(@)`: what can stand before the end of a spelt `@`.
const speltEnds = new Set(['t', 'T', '0', '@'].map(character => character.charCodeAt(0)))

/** One hit for each stretch of text that hits cover, named by the longest, then the most specific. */
export function withoutOverlap(hits: Hit[]): Hit[] {
  hits.sort((a, b) => a.start - b.start || b.end - a.end || rank(a) - rank(b))
  const apart: Hit[] = []
  let longest = 0
  for (const hit of hits) {
    const last = apart.at(-1)
    if (last === undefined || hit.start >= last.end) {
      apart.push(hit)
      longest = hit.end - hit.start
      continue
    }
    const length = hit.end - hit.start
    const names = length > longest || (length === longest && rank(hit) < rank(last))
    apart[apart.length - 1] = {
      class: names ? hit.class : last.class,
      start: last.start,
      end: Math.max(last.end, hit.end),
    }
    longest = Math.max(longest, length)
  }
  return apart
}

function rank(hit: Hit): number {
  return personalClasses.indexOf(hit.class)
}
