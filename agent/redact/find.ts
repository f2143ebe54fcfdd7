// Finds personal values in a text whatever hides them: as it stands, in its canonical view, and in
// what runs of it decode to. Every hit is a range of the text as it stands.

import { type Canonical, canonical, readRange } from './canonical.ts'
import { enoughHits, type Hit } from './classes.ts'
import type { CustomerIdRule } from './customer-ids.ts'
import { detect, withoutOverlap } from './detectors.ts'
import { encodedRuns } from './encoded-runs.ts'

/** A hit, and its value as it reads: the same however it was written. */
export interface Finding extends Hit {
  readonly value: string
}

/**
 * The personal values of a text, in order, none inside or across another; one for the whole text
 * where there are more than `enoughHits`.
 */
export function find(text: string, rules: readonly CustomerIdRule[]): Finding[] {
  const view = canonical(text)
  const hits = [...detect(text, rules), ...detectEncoded(text, rules)]
  if (view !== undefined) {
    for (const hit of [...detect(view.text, rules), ...detectEncoded(view.text, rules)]) {
      hits.push({ class: hit.class, start: view.from[hit.start]!, end: view.to[hit.end - 1]! })
    }
  }
  if (hits.length === 0) return []
  if (hits.length > enoughHits) {
    return [{ class: hits[0]!.class, start: 0, end: text.length, value: text }]
  }
  const after = { unit: 0 }
  return withoutOverlap(hits).map(hit => ({ ...hit, value: readValue(text, view, hit, after) }))
}

function detectEncoded(text: string, rules: readonly CustomerIdRule[]): Hit[] {
  const hits: Hit[] = []
  for (const { start, end, decoded } of encodedRuns(text)) {
    if (hits.length > enoughHits) break
    const [first] = detect(decoded, rules)
    if (first !== undefined) hits.push({ class: first.class, start, end })
  }
  return hits
}

/** What the value is, without how it was written: `98765 43210` and `+91-9876543210` are one number. */
function readValue(
  text: string,
  view: Canonical | undefined,
  hit: Hit,
  after: { unit: number },
): string {
  const written = text.slice(hit.start, hit.end)
  const read = view === undefined ? written : readRange(view, hit.start, hit.end, after)
  const [whole] = encodedRuns(read).filter(run => run.start === 0 && run.end === read.length)
  const plain = whole?.decoded ?? read
  switch (hit.class) {
    case 'jwt':
    case 'customer_id':
    case 'user_path':
      return plain
    case 'mobile':
      return plain.replace(/\D/g, '').slice(-10)
    case 'email':
    case 'upi':
      return plain.toLowerCase()
    default:
      return plain.replace(/[^A-Za-z0-9*]/g, '').toUpperCase()
  }
}
