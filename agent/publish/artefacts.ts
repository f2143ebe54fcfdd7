// The files of a capture: redacted, judged, drawn, and looked at once more.
//
// The order is the safety. The model is redacted first, so whatever is made of
// it (verdict, picture, summary) is made of what may leave; then each file's
// final bytes go through the gate, which passes them as they are or not at all.

import type { Format, Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { weightOf } from '../profile/call-tree.ts'
import { printFolded } from '../profile/folded.ts'
import { printPprof } from '../profile/pprof-print.ts'
import type { Profile } from '../profile/profile.ts'
import { assess, type CaptureFacts } from '../profile/quality.ts'
import { classify } from '../profile/shape.ts'
import { printSpeedscope } from '../profile/speedscope.ts'
import { assessWindows, sumOf, type WindowFacts } from '../profile/windows.ts'
import { type Artefact, gate, type Passed } from '../redact/gate.ts'
import { type RedactionPolicy, redactionPolicy } from '../redact/policy.ts'
import { redact, redactTexts } from '../redact/redact.ts'
import type { Redacted } from '../redact/redacted.ts'
import type { Page } from '../render/page.ts'
import { summarize, type TargetFacts } from '../render/summary.ts'
import { renderSvg } from '../render/svg.ts'
import { viewerScriptSha256 } from '../render/viewer.ts'
import { placeIn, readDestination } from './destination.ts'
import { type CaptureOutcome, type CaptureRecord, printManifest } from './manifest.ts'
import { artefactNames, placeOf } from './place.ts'
import { keepPrivately } from './private-folder.ts'
import { type Compared, compareWindows, differencesOf, windowFiles } from './window-files.ts'

/** A capture with its names, before anything was taken out of it. */
export interface Draft {
  readonly profile: Profile
  readonly record: CaptureRecord
  readonly facts: CaptureFacts
  /** Then no command is told to use its pid. */
  readonly isTargetGone: boolean
  readonly title: string
  readonly subtitle: readonly string[]
  /** Of a series, or of two profiles that are compared: the profile has a column of each. */
  readonly windows?: readonly WindowFacts[]
  /** Then what changed is all that is made. */
  readonly isComparison?: boolean
}

export interface Artefacts {
  readonly record: Redacted<CaptureRecord>
  readonly outcome: CaptureOutcome
  /** In the order of the formats asked for. */
  readonly files: readonly Passed[]
  readonly manifest: Passed
  /** Below the destination: `incidents/INC-1/…` */
  readonly place: string
}

/**
 * Makes the files in the formats asked for, and the manifest of them.
 *
 * @throws {ProfilerError} `SP_NO_SAMPLES`, `SP_LIMIT`, `SP_REDACTION_REFUSED` (the file is in quarantine then)
 */
export async function makeArtefacts(
  draft: Draft,
  formats: readonly Format[],
  settings: Pick<Settings, 'customerIds' | 'output' | 'to'>,
): Promise<Artefacts> {
  checkWeights(draft.profile)
  const policy = artefactPolicy(settings)
  const { outcome, whole, compared, ...printable } = redactDraft(draft, policy)
  const { record } = printable
  const isComparison = draft.isComparison === true
  const files: Passed[] = []
  for (const format of isComparison ? [] : formats) {
    const bytes = print(format, printable)
    files.push(await pass({ name: artefactNames[format], bytes, format }, policy, record.id))
  }
  // One output file is the sum, or what has changed.
  const beside = isComparison || settings.output === undefined ? formats : []
  for (const file of windowFiles(whole, outcome.windows ?? [], compared, beside, isComparison)) {
    files.push(await pass(file, policy, record.id))
  }
  const place = placeOf(record.incident, record.id)
  // A folder of this machine says nothing to whoever reads it elsewhere.
  const isStore = readDestination(settings.to).kind !== 'file'
  const at = redactTexts(isStore ? { place: placeIn(settings.to, place) } : {}, policy)
  const bytes = printManifest(record, { ...outcome, ...at }, files)
  const manifest = await pass(
    { name: 'manifest.json', bytes, format: 'manifest' },
    policy,
    record.id,
  )
  return { record, outcome, files, manifest, place }
}

export function artefactPolicy({ customerIds }: Pick<Settings, 'customerIds'>): RedactionPolicy {
  return redactionPolicy({ customerIds, allowedScripts: [viewerScriptSha256] })
}

/** What may be drawn of a draft, and what is said about it. */
export interface Printable {
  readonly profile: Redacted<Profile>
  readonly page: Redacted<Page>
  readonly record: Redacted<CaptureRecord>
  readonly policy: RedactionPolicy
}

interface Judged {
  readonly outcome: CaptureOutcome
  /** Each window as a column, where there are several. */
  readonly whole: Redacted<Profile>
  readonly compared: readonly Compared[]
}

/** Takes out of a draft what is personal, and judges what is left. */
export function redactDraft(draft: Draft, policy: RedactionPolicy): Printable & Judged {
  const { title, subtitle } = draft
  const texts = { title, subtitle, record: draft.record, windows: draft.windows ?? [] }
  const { profile: whole, texts: safe, tally } = redact(draft.profile, texts, policy)
  const profile = sumOf(whole)
  // Whatever is made from here on is made of redacted text. It goes through once more all the same:
  // that is what the type of a page says.
  const record = redactTexts(safe.record, policy)
  const quality = assess(profile, redactTexts(draft.facts, policy))
  const { runtime } = record.target ?? {}
  const pid = draft.isTargetGone ? undefined : record.target?.pid
  const isCounted = record.counters !== undefined
  const verdict = classify(profile, 0, { pid, runtime, hertz: record.asked.hertz, isCounted })
  const isComparison = draft.isComparison === true
  const windows = assessWindows(whole, safe.windows)
  const compared = compareWindows(whole, windows, policy, isComparison)
  const page = redactTexts<Page>(
    {
      title: safe.title,
      subtitle: safe.subtitle,
      quality,
      verdict,
      notes: record.remarks,
      ...(record.counters !== undefined && { counters: record.counters }),
      ...(draft.windows !== undefined && { windows }),
    },
    policy,
  )
  // As the page has it: a long name that is cut in the middle can look personal where the whole did not.
  const outcome = {
    quality: page.quality,
    verdict: page.verdict,
    tally,
    ...(page.windows !== undefined && {
      windows: page.windows,
      differences: differencesOf(compared),
    }),
  }
  return { profile, page, record, policy, outcome, whole, compared }
}

// What pprof can hold: 292 years of nanoseconds.
const mostWeight = 2 ** 63

/** A damaged number is told as one: to the gate it would be a line that is no stack and count. */
function checkWeights(profile: Profile): void {
  for (const column of profile.columns.keys()) {
    if (Math.abs(weightOf(profile, column)) < mostWeight) continue
    const message = 'the weights add up to more than 2^63: a number in the profile is damaged'
    throw new ProfilerError('SP_LIMIT', message)
  }
}

function print(format: Format, { profile, page, record, policy }: Printable): Buffer {
  switch (format) {
    case 'svg':
      return Buffer.from(renderSvg(profile, page))
    case 'folded':
      return Buffer.concat([...printFolded(profile)])
    case 'json': {
      const { evidence: _, ...target } = record.target ?? { evidence: '' }
      const summary = summarize(profile, page, redactTexts<TargetFacts>(target, policy))
      return Buffer.from(`${JSON.stringify(summary, undefined, 2)}\n`)
    }
    case 'pprof':
      return printPprof(profile, {
        // A double of nanoseconds since 1970 is off by some hundred: the moment is not that exact.
        timeNanos: Date.parse(record.startedAt) * 1e6,
        ...(record.durationMs !== undefined && {
          durationNanos: Math.round(record.durationMs * 1e6),
        }),
        ...(record.asked.hertz !== undefined &&
          record.asked.mode === 'cpu' && {
            period: {
              type: 'cpu',
              unit: 'nanoseconds',
              value: Math.round(1e9 / record.asked.hertz),
            },
          }),
      })
    case 'speedscope':
      return Buffer.concat([...printSpeedscope(profile, page.title)])
  }
}

/** A refused file is kept for its owner to look at, and nothing of the capture is published. */
async function pass(artefact: Artefact, policy: RedactionPolicy, id: string): Promise<Passed> {
  try {
    return gate(artefact, policy)
  } catch (error) {
    if (!(error instanceof ProfilerError)) throw error
    // Where it cannot be kept it is refused all the same, and by the same code.
    const quarantine = await keepPrivately('quarantine', id, [artefact]).catch(
      (cause: Error) => `none: ${cause.message}`,
    )
    throw new ProfilerError(error.code, `${artefact.name} is refused: ${error.message}`, {
      facts: { ...error.facts, quarantine },
      cause: error,
    })
  }
}
