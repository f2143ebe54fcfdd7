// Puts the files where they were asked for: one output file, or a folder under
// the incident's name with a manifest.

import path from 'node:path'
import { type CaptureSignals, monotonicMs } from '../capture/capture.ts'
import type { Format, Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import type { Passed } from '../redact/gate.ts'
import { type Draft, makeArtefacts } from './artefacts.ts'
import { publishToDirectory, writeOutput } from './directory.ts'
import { placeOf } from './place.ts'
import { keepPrivately } from './private-folder.ts'
import type { Receipt } from './receipt.ts'

export interface PublishAsk {
  readonly settings: Settings
  readonly formats: readonly Format[]
  /** Who can still say that nothing is to be kept, until it is there. */
  readonly signals?: Pick<CaptureSignals, 'discard'>
  /** A folder that does not exist yet, where the files stay too. */
  readonly keepIn?: string | undefined
  /** And nowhere else. */
  readonly isKeptOnly?: boolean
}

/**
 * From a profile with names to a receipt: what a capture and a file that was read have in common.
 *
 * @param sinceMs when sampling ended, or reading began, on the monotonic clock
 */
export async function publishDraft(
  draft: Draft,
  { settings, formats, signals, keepIn, isKeptOnly }: PublishAsk,
  sinceMs: number,
): Promise<Receipt> {
  const made = await makeArtefacts(draft, formats, settings)
  const { record, outcome } = made
  // One file on its own has nobody to read a manifest of it.
  const files = settings.output === undefined ? [...made.files, made.manifest] : made.files
  if (keepIn !== undefined) {
    await publishToDirectory(path.dirname(keepIn), path.basename(keepIn), files, signals?.discard)
  }
  const place =
    keepIn !== undefined && isKeptOnly === true
      ? `file:${keepIn}`
      : await publish(files, record, settings, signals?.discard)
  return {
    record,
    ...outcome,
    place,
    files: files.map(({ name, bytes, sha256 }) => ({ name, bytes: bytes.length, sha256 })),
    afterMs: monotonicMs() - sinceMs,
  }
}

/**
 * @returns where the files are: a URL, or `-`
 * @throws {ProfilerError} `SP_OUTPUT_EXISTS`, or `SP_OUTPUT_FAILED` with where the files are kept instead
 */
async function publish(
  files: readonly Passed[],
  { incident, id }: { readonly incident: string; readonly id: string },
  settings: Settings,
  discard: AbortSignal | undefined,
): Promise<string> {
  const { output, to, force } = settings
  try {
    if (output === undefined) {
      const directory = to.slice('file:'.length)
      return `file:${await publishToDirectory(directory, placeOf(incident, id), files, discard)}`
    }
    const [file] = files as readonly [Passed]
    if (output === '-') {
      await new Promise<void>(resolve => process.stdout.write(file.bytes, () => resolve()))
      return '-'
    }
    await writeOutput(output, file.bytes, force, discard)
    return `file:${path.resolve(output)}`
  } catch (error) {
    if (!(error instanceof ProfilerError) || error.code === 'SP_INTERNAL') throw error
    if (error.code === 'SP_CANCELLED') throw error
    // The capture was good and may not come again: it is not lost because a disk is full.
    const spool = await keepPrivately('spool', id, files).catch(() => undefined)
    if (spool === undefined) throw error
    throw new ProfilerError(error.code, error.message, {
      facts: { ...error.facts, 'kept in': spool },
      cause: error,
    })
  }
}
