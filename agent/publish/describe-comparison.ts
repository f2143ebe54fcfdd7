// What is said about two profiles that are compared: each is a window of one model.

import path from 'node:path'
import { ProfilerError } from '../errors.ts'
import type { Column, Frame, Profile } from '../profile/profile.ts'
import { mergeWindows } from '../profile/windows.ts'
import type { Draft } from './artefacts.ts'
import { type CaptureContext, describeRendering, type Rendering } from './describe.ts'

export interface ReadInput {
  /** The file, as it was named. */
  readonly input: string
  readonly rendering: Rendering
}

/** @throws {ProfilerError} `SP_USAGE` where the two count different things */
export function describeComparison(
  inputs: readonly [ReadInput, ReadInput],
  context: Omit<CaptureContext, 'target' | 'remarks'>,
): Draft {
  const [before, after] = inputs
  checkAlike(before, after)
  const drafts = inputs.map(({ rendering }) => describeRendering(rendering, context))
  const [first, second] = drafts as [Draft, Draft]
  const names = namesOf(before.input, after.input)
  const [column] = before.rendering.profile.columns as [Column]
  const profiles = inputs.map(({ rendering: { profile } }, index) => {
    return { window: index + 1, profile: onlyAs(profile, column) }
  })
  return {
    ...second,
    profile: mergeWindows(profiles),
    record: {
      ...second.record,
      source: drafts.flatMap(({ record }) => record.source ?? []),
      remarks: [...new Set([...first.record.remarks, ...second.record.remarks])],
      symbols: [...first.record.symbols, ...second.record.symbols],
    },
    title: names.join(' → '),
    windows: drafts.map(({ facts }, index) => ({
      record: { window: index + 1, name: names[index]!, remarks: [] },
      facts,
      loss: inputs[index]!.rendering.profile.loss,
    })),
    isComparison: true,
  }
}

/** Folded text does not say what it counts: it goes with whatever is counted one by one. */
function checkAlike(before: ReadInput, after: ReadInput): void {
  const [one, other] = [before, after].map(({ rendering }) => rendering.profile.columns[0]!)
  const isSilent = [one!.event, other!.event].includes('samples')
  if (one!.unit === other!.unit && (one!.event === other!.event || isSilent)) return
  const counts = ({ event, unit }: Column) => `${event} in ${unit}`
  throw new ProfilerError(
    'SP_USAGE',
    `${before.input} counts ${counts(one!)}, ${after.input} ${counts(other!)}: they cannot be compared`,
  )
}

/**
 * As the other one: the same event, and frames by name and kind alone. Files and lines change with
 * every build, and not every format has them.
 */
function onlyAs(profile: Profile, { event, unit }: Column): Profile {
  const frames = profile.frames.map(({ name, kind, reason }): Frame => {
    return { name, kind, ...(reason !== undefined && { reason }) }
  })
  return { ...profile, frames, columns: [{ event, unit, self: profile.columns[0]!.self }] }
}

/** As short as tells them apart: every capture calls its files the same. */
function namesOf(before: string, after: string): [string, string] {
  const short = [path.basename(before), path.basename(after)] as [string, string]
  return short[0] === short[1] ? [before, after] : short
}
