// Takes what is personal out of a profile, before anything is drawn from it.
//
// Every string of the model goes through: names, modules, files, events, notes, the words of loss,
// and the texts that stand around the picture. Each distinct string is looked at once. A stack of
// addresses is dropped with the rest of `Frame.address`: no artefact needs it.
//
// A value split over two frames, or over a name and a file, is not looked for here: no log line
// lands in a profile so. Where a printed line joins the two parts, the gate finds it and refuses.

import { ProfilerError } from '../errors.ts'
import type { Column, Frame, Profile } from '../profile/profile.ts'
import { controlSequences } from './canonical.ts'
import type { PersonalClass } from './classes.ts'
import { find } from './find.ts'
import type { RedactionPolicy } from './policy.ts'
import type { Redacted } from './redacted.ts'
import { replacementOf } from './replacement.ts'

/** What was taken out. Replacements tell values apart without saying them. */
export interface Found {
  readonly class: PersonalClass
  readonly replacement: string
}

export interface RedactedText {
  readonly text: Redacted<string>
  /** In order of appearance; empty when the text is as it was. */
  readonly found: readonly Found[]
}

/** How much of each class was taken out: distinct values, and frames that changed for it. */
export type Tally = ReadonlyMap<PersonalClass, { readonly values: number; readonly frames: number }>

export interface Redaction<Texts> {
  readonly profile: Redacted<Profile>
  readonly texts: Redacted<Texts>
  readonly tally: Tally
}

/**
 * Redacts a profile and the texts that will stand around it: titles, tags, file names, in whatever
 * arrays, maps and plain objects they come. Frames and stacks keep their indexes.
 *
 * @throws {ProfilerError} `SP_INTERNAL` for a value in `texts` that is none of these.
 */
export function redact<Texts>(
  profile: Profile,
  texts: Texts,
  policy: RedactionPolicy,
): Redaction<Texts> {
  // Nearly every text is clean, and there may be a million: of those only the text is kept.
  const clean = new Set<string>()
  const seen = new Map<string, RedactedText>()
  const counts = new Map<PersonalClass, { values: Set<string>; frames: number }>()
  const countOf = (name: PersonalClass) => {
    const count = counts.get(name) ?? { values: new Set(), frames: 0 }
    counts.set(name, count)
    return count
  }
  const redactOne = (text: string): RedactedText => {
    if (clean.has(text)) return { text: text as Redacted<string>, found: nothing }
    let redaction = seen.get(text)
    if (redaction === undefined) {
      redaction = redactText(text, policy)
      if (redaction.text === text) clean.add(text)
      else seen.set(text, redaction)
      for (const { class: name, replacement } of redaction.found)
        countOf(name).values.add(replacement)
    }
    return redaction
  }

  const frames = profile.frames.map(frame => {
    let changes: Set<PersonalClass> | undefined
    const redacted = redactFrame(frame, text => {
      const { text: safe, found } = redactOne(text)
      if (found.length > 0) changes ??= new Set()
      for (const { class: name } of found) changes!.add(name)
      return safe
    })
    for (const name of changes ?? []) countOf(name).frames++
    return redacted
  })
  const safe = (text: string) => redactOne(text).text
  const loss = new Map<string, number>()
  for (const [what, count] of profile.loss)
    loss.set(safe(what), (loss.get(safe(what)) ?? 0) + count)
  const redacted = {
    frames,
    stacks: profile.stacks,
    columns: profile.columns.map((column): Column => ({ ...column, event: safe(column.event) })),
    loss,
    notes: profile.notes.map(safe),
  }
  const redactedTexts = redactAll(texts, safe)
  return {
    profile: redacted as unknown as Redacted<Profile>,
    texts: redactedTexts as Redacted<Texts>,
    tally: new Map(
      [...counts].map(([name, { values, frames }]) => [name, { values: values.size, frames }]),
    ),
  }
}

const nothing: readonly Found[] = []

/** Redacts texts that stand alone, in whatever arrays, maps and plain objects they come. */
export function redactTexts<Texts>(texts: Texts, policy: RedactionPolicy): Redacted<Texts> {
  return redactAll(texts, text => redactText(text, policy).text) as Redacted<Texts>
}

/** Redacts one text. */
export function redactText(text: string, policy: RedactionPolicy): RedactedText {
  const found: Found[] = []
  let left = printable(text)
  // What a replacement leaves beside itself could be a value again; twice has not been seen.
  for (let round = 0; round < 4; round++) {
    const findings = find(left, policy.customerIds)
    if (findings.length === 0) return { text: left as Redacted<string>, found }
    const parts: string[] = []
    let end = 0
    for (const finding of findings) {
      const replacement = replacementOf(finding.class, finding.value, policy.key)
      found.push({ class: finding.class, replacement })
      parts.push(left.slice(end, finding.start), replacement)
      end = finding.end
    }
    left = parts.join('') + left.slice(end)
  }
  const { class: name } = found[0]!
  return { text: replacementOf(name, text, policy.key) as Redacted<string>, found }
}

// A name of 100 KB is real. What is longer is a file that somebody put into a name.
const longestText = 1024 * 1024

/**
 * The text as every artefact can hold it, so that what is looked at here is what is printed there.
 *
 * The colours of a terminal show nothing here. Tags and variation selectors of plane 14 show
 * nothing anywhere and can spell any text: no name has them.
 */
function printable(text: string): string {
  const kept = text.length > longestText ? `${text.slice(0, longestText)}…` : text
  if (/^[\x20-\x7e]*$/.test(kept)) return kept
  return kept
    .toWellFormed()
    .replace(controlSequences, '')
    .replace(/[\u{e0000}-\u{e0fff}]/gu, '')
    .replace(/[\t\n\r]+/g, ' ')
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd')
}

/** The same frame where it is as it was, and holds nothing that no artefact needs. */
function redactFrame(frame: Frame, safe: (text: string) => string): Frame {
  const name = isCutByKernel(frame) ? safe(`${frame.name}…`).replace(/…$/, '') : safe(frame.name)
  const module = frame.module === undefined ? undefined : safe(frame.module)
  const file = frame.file === undefined ? undefined : safe(frame.file)
  const isSame = name === frame.name && module === frame.module && file === frame.file
  const isPlain = frame.address === undefined && (frame.line === undefined || isLine(frame.line))
  if (isSame && isPlain && name !== '') return frame
  return {
    name: name === '' ? '[unknown]' : name,
    kind: frame.kind,
    ...(module !== undefined && { module }),
    ...(file !== undefined && { file }),
    ...(isLine(frame.line) && { line: frame.line }),
    ...(frame.reason !== undefined && { reason: frame.reason }),
  }
}

/** A thread's name of fifteen bytes may have been longer: TASK_COMM_LEN is 16, with the NUL. */
function isCutByKernel({ kind, name }: Frame): boolean {
  return kind === 'thread' && Buffer.byteLength(name) === 15
}

/** A number of a line. Eight digits are more than any file has, and fewer than any personal number. */
function isLine(line: number | undefined): line is number {
  return line !== undefined && Number.isInteger(line) && line >= 0 && line < 1e8
}

function redactAll(value: unknown, safe: (text: string) => string, depth = 0): unknown {
  if (typeof value === 'string') return safe(value)
  if (value === null || value === undefined) return value
  if (typeof value === 'number' || typeof value === 'boolean') return value
  // Ours, not a stranger's, so this deep is a mistake.
  if (depth < 32) {
    const inner = (one: unknown) => redactAll(one, safe, depth + 1)
    if (Array.isArray(value)) return value.map(inner)
    if (value instanceof Map)
      return new Map([...value].map(([key, one]) => [inner(key), inner(one)]))
    if (Object.getPrototypeOf(value) === Object.prototype) {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [safe(key), inner(one)]))
    }
  }
  throw new ProfilerError('SP_INTERNAL', 'a text to redact is neither text, list, map nor record')
}
