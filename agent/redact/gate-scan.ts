// What the readers of the gate share: where they are, what they found, and when it is too much.

import { isUtf8 } from 'node:buffer'
import { ProfilerError } from '../errors.ts'
import type { PersonalClass } from './classes.ts'
import { classesAcross, classesIn } from './gate-views.ts'
import type { RedactionPolicy } from './policy.ts'

/** What a reader of a format tells of the texts that it meets. */
export interface Scan {
  /** Looks at a text. `place` says where it is, in words that hold nothing of the artefact. */
  text(text: string, place: () => string): void
  /** Looks for a value that is cut between two texts which stand beside each other. */
  seam(left: string, right: string, place: () => string): void
  /** Refuses when it has taken too long: to be called now and then where there is no text. */
  check(place: () => string): void
  /** There is more to look at than the artefact's size: what it unpacks to. */
  unpacked(size: number): void
  /** What was found: for each class, how many values and the place of the first. */
  readonly found: ReadonlyMap<PersonalClass, { count: number; readonly place: string }>
}

// What the budget is for: see `policy.ts`.
const budgetedSize = 4 * 1024 * 1024

// The time allowed goes up with the size to here and no further: what a few bytes unpack to is a stranger's word.
const largestBudgeted = 64 * 1024 * 1024

// Redaction cuts a text at half of this. What is longer is no name and no sentence.
const longestText = 2 * 1024 * 1024

/** @param size of the artefact, in bytes: the time allowed goes up with it. */
export function startScan(policy: RedactionPolicy, size: number): Scan {
  const found = new Map<PersonalClass, { count: number; readonly place: string }>()
  // A name stands in as many places as it has stacks. Bounded by the size of the artefact.
  const clean = new Set<string>()
  const start = process.cpuUsage()
  const budgetFor = (size: number) =>
    policy.cpuBudgetMs * Math.max(1, Math.min(size, largestBudgeted) / budgetedSize)
  let budgetMs = budgetFor(size)
  let calls = 0
  // Asking the kernel takes as long as looking at some names.
  const check = (place: () => string, every: number) => {
    if (++calls % every !== 0) return
    const { user, system } = process.cpuUsage(start)
    if ((user + system) / 1000 <= budgetMs) return
    throw refusal(`looking at it takes more than ${Math.round(budgetMs)} ms`, place())
  }
  const add = (classes: readonly PersonalClass[], place: () => string) => {
    for (const name of classes) {
      const known = found.get(name)
      if (known === undefined) found.set(name, { count: 1, place: place() })
      else known.count++
    }
  }
  return {
    found,
    check: place => check(place, 16_384),
    unpacked: size => {
      budgetMs = budgetFor(size)
    },
    text(text, place) {
      if (clean.has(text)) return
      check(place, text.length > 10_000 ? 1 : 256)
      if (text.length > longestText) throw refusal('it has a text of more than 2 MB', place())
      const classes = classesIn(text, policy.customerIds)
      if (classes.length === 0) {
        // Plane 14 shows nothing and can spell any text. Redaction leaves none of it.
        if (/[\udb40-\udb43]/.test(text)) {
          throw refusal('it has characters that show nothing', place())
        }
        clean.add(text)
      }
      add(classes, place)
    },
    seam(left, right, place) {
      check(place, 256)
      add(classesAcross(left, right, policy.customerIds), place)
    },
  }
}

/** The artefact is not what its format allows, so nobody can say what is in it. */
export function refusal(why: string, place: string): ProfilerError {
  return new ProfilerError(
    'SP_REDACTION_REFUSED',
    `the gate cannot vouch for it: ${why}, at ${place}`,
    {
      facts: { class: 'unreadable', place, count: 1 },
    },
  )
}

/**
 * The text of an artefact, in UTF-8.
 *
 * @throws {ProfilerError} `SP_REDACTION_REFUSED` for any other encoding, a byte order mark, a NUL.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  checkUtf8(bytes)
  return bufferOf(bytes).toString()
}

/** Holds that bytes are text in UTF-8. A mark or a NUL at its start is how other encodings look. */
export function checkUtf8(bytes: Uint8Array): void {
  if (!isUtf8(bytes)) throw refusal('it is not UTF-8', 'its bytes')
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw refusal('it has a byte order mark', 'its first bytes')
  }
  if (bytes.includes(0)) throw refusal('it has a NUL character', 'its bytes')
}

/** The same bytes, with the methods of a Buffer. */
export function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
