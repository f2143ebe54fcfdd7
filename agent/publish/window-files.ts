// The files of a series beside its picture: each window by itself, and what changed
// between two. And of a comparison of two profiles, which is nothing else.
//
//     window-2.folded     stack count
//     diff-1-2.folded     stack before after, as difffolded.pl prints it
//     diff-1-2.json       the functions that changed most: see profile/diff.ts
//
// Every two of up to four windows; of more, each and the one before it, and the first
// and the last: what else is wanted, `sp-flamegraph diff` makes of the window files.

import type { Format } from '../config.ts'
import { diffColumns, type ProfileDiff, type Side } from '../profile/diff.ts'
import { printFolded, printFoldedDiff } from '../profile/folded.ts'
import type { Profile } from '../profile/profile.ts'
import { columnOf, type WindowOutcome } from '../profile/windows.ts'
import type { Artefact } from '../redact/gate.ts'
import type { RedactionPolicy } from '../redact/policy.ts'
import { redactTexts } from '../redact/redact.ts'
import type { Redacted } from '../redact/redacted.ts'

/** Two windows and what changed, in a sentence: for the receipt and the manifest. */
export interface Difference {
  readonly before: string
  readonly after: string
  readonly headline: string
  /** Of the functions that changed most by themselves: their shares. */
  readonly changes: readonly {
    readonly name: string
    readonly before: number
    readonly after: number
  }[]
}

/** Each difference in short. */
export function differencesOf(compared: readonly Compared[]): Difference[] {
  return compared.map(({ diff: { before, after, headline, bySelf } }) => ({
    before: before.name,
    after: after.name,
    headline,
    changes: bySelf.slice(0, mostShown).map(({ name, self }) => {
      return { name, before: self.before, after: self.after }
    }),
  }))
}

export interface Compared {
  readonly name: string
  readonly sides: readonly [Side, Side]
  readonly diff: Redacted<ProfileDiff>
}

const mostInFull = 4
const mostShown = 8

export function compareWindows(
  profile: Redacted<Profile>,
  windows: readonly WindowOutcome[],
  policy: RedactionPolicy,
  isComparison: boolean,
): Compared[] {
  return pairsOf(windows).map(([before, after]) => {
    const sides = [sideOf(profile, before), sideOf(profile, after)] as const
    // A long name is cut in it, and can look personal where the whole did not.
    const diff = redactTexts(diffColumns(profile, ...sides), policy)
    const name = isComparison ? 'diff' : `diff-${before.window}-${after.window}`
    return { name, sides, diff }
  })
}

export function* windowFiles(
  profile: Redacted<Profile>,
  windows: readonly WindowOutcome[],
  compared: readonly Compared[],
  formats: readonly Format[],
  isComparison: boolean,
): Generator<Artefact> {
  if (formats.includes('folded')) {
    for (const { window } of isComparison ? [] : windows) {
      const column = columnOf(profile, window)
      const bytes = Buffer.concat(column === undefined ? [] : [...printFolded(profile, column)])
      // The gate refuses an empty file, and nobody misses it.
      if (bytes.length > 0) yield { name: `window-${window}.folded`, bytes, format: 'folded' }
    }
  }
  for (const { name, sides, diff } of compared) {
    if (formats.includes('folded')) {
      const [before, after] = sides
      const bytes = Buffer.concat([...printFoldedDiff(profile, before.column, after.column)])
      if (bytes.length > 0) yield { name: `${name}.folded`, bytes, format: 'folded-diff' }
    }
    if (formats.includes('json')) {
      const bytes = Buffer.from(`${JSON.stringify(diff, undefined, 2)}\n`)
      yield { name: `${name}.json`, bytes, format: 'diff' }
    }
  }
}

function pairsOf(windows: readonly WindowOutcome[]): [WindowOutcome, WindowOutcome][] {
  return windows.flatMap((before, at) =>
    windows.slice(at + 1).flatMap((after, distance): [WindowOutcome, WindowOutcome][] => {
      const isFirstAndLast = at === 0 && after === windows.at(-1)
      const isWanted = windows.length <= mostInFull || distance === 0 || isFirstAndLast
      return isWanted ? [[before, after]] : []
    }),
  )
}

function sideOf(
  profile: Profile,
  { window, name, durationMs, samples, quality }: WindowOutcome,
): Side {
  // Waits are timed, not sampled: what is counted there says nothing about chance.
  const isSampled = samples !== undefined && quality.accounted === undefined
  return {
    name: name ?? `window ${window}`,
    column: columnOf(profile, window),
    ...(durationMs !== undefined && { seconds: durationMs / 1000 }),
    ...(isSampled && { samples }),
  }
}
