// What the readers of the gate share: where they are, what they found, and when it is too much.

import { ProfilerError } from '../errors.ts'
import type { PersonalClass } from './classes.ts'
import { classesIn } from './gate-views.ts'
import type { RedactionPolicy } from './policy.ts'

/** What a reader of a format tells of the texts that it meets. */
export interface Scan {
  /** Looks at a text. `place` says where it is, in words that hold nothing of the artefact. */
  text(text: string, place: () => string): void
  /** Refuses when it has taken too long: to be called now and then where there is no text. */
  check(place: () => string): void
  /** What was found: for each class, how many values and the place of the first. */
  readonly found: ReadonlyMap<PersonalClass, { count: number; readonly place: string }>
}

export function startScan(policy: RedactionPolicy): Scan {
  const found = new Map<PersonalClass, { count: number; readonly place: string }>()
  // A name stands in as many places as it has stacks. Bounded by the size of the artefact.
  const clean = new Set<string>()
  const start = process.cpuUsage()
  let calls = 0
  // Asking the kernel takes as long as looking at some names.
  const check = (place: () => string, every: number) => {
    if (++calls % every !== 0) return
    const { user, system } = process.cpuUsage(start)
    if ((user + system) / 1000 <= policy.cpuBudgetMs) return
    throw refusal(`looking at it takes more than ${policy.cpuBudgetMs} ms`, place())
  }
  return {
    found,
    check: place => check(place, 1024),
    text(text, place) {
      if (clean.has(text)) return
      check(place, text.length > 10_000 ? 1 : 256)
      const classes = classesIn(text, policy.customerIds)
      if (classes.length === 0 && !text.includes('\udb40')) clean.add(text)
      // A tag character shows nothing and spells any text. Redaction leaves none.
      else if (classes.length === 0) throw refusal('it has characters that show nothing', place())
      for (const name of classes) {
        const known = found.get(name)
        if (known === undefined) found.set(name, { count: 1, place: place() })
        else known.count++
      }
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
