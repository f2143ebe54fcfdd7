// Puts the files where they were asked for: one output file, or a folder under
// the incident's name with a manifest.

import fs from 'node:fs'
import path from 'node:path'
import { monotonicMs } from '../capture/capture.ts'
import type { Config, Format, Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import type { Passed } from '../redact/gate.ts'
import { type Draft, makeArtefacts } from './artefacts.ts'
import { publishToDirectory, writeOutput } from './directory.ts'
import { artefactNames, placeOf } from './place.ts'
import { keepPrivately } from './private-folder.ts'
import type { Receipt } from './receipt.ts'

/** The formats to make: with one output file, the one that its ending names, unless one was asked for. */
export function formatsFor({ settings, sources }: Config): readonly Format[] {
  const { output, format } = settings
  if (output === undefined) return format
  if (sources.get('format') === 'default') return [formatOfEnding(output)]
  if (format.length === 1) return format
  throw new ProfilerError(
    'SP_USAGE',
    `one output file holds one format, not ${format.join(', ')}: leave out --output, or name one`,
  )
}

/**
 * Looks whether the output could be written, before half a minute is spent on making it.
 *
 * @throws {ProfilerError} `SP_OUTPUT_EXISTS`, `SP_OUTPUT_FAILED`
 */
export function checkOutput({ output, to, force }: Settings): void {
  if (output === '-') return
  if (output !== undefined && !force && fs.existsSync(output)) {
    throw new ProfilerError('SP_OUTPUT_EXISTS', `${output} exists already`)
  }
  const folder =
    output === undefined ? nearestFolder(to.slice('file:'.length)) : path.dirname(output)
  try {
    fs.accessSync(folder, fs.constants.W_OK)
  } catch (cause) {
    const message = `${folder} is not a folder that can be written to`
    throw new ProfilerError('SP_OUTPUT_FAILED', message, { cause })
  }
}

/** The folder itself, or the nearest above it that is there: what is missing will be made. */
function nearestFolder(folder: string): string {
  let at = path.resolve(folder)
  while (!fs.existsSync(at)) at = path.dirname(at)
  return at
}

/**
 * From a profile with names to a receipt: what a capture and a file that was read have in common.
 *
 * @param sinceMs when sampling ended, or reading began, on the monotonic clock
 */
export async function publishDraft(
  draft: Draft,
  { settings, formats }: { readonly settings: Settings; readonly formats: readonly Format[] },
  sinceMs: number,
): Promise<Receipt> {
  const made = await makeArtefacts(draft, formats, settings)
  const { record, outcome } = made
  // One file on its own has nobody to read a manifest of it.
  const files = settings.output === undefined ? [...made.files, made.manifest] : made.files
  const place = await publish(files, record, settings)
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
): Promise<string> {
  const { output, to, force } = settings
  try {
    if (output === undefined) {
      const directory = to.slice('file:'.length)
      return `file:${await publishToDirectory(directory, placeOf(incident, id), files)}`
    }
    const [file] = files as readonly [Passed]
    if (output === '-') {
      await new Promise<void>(resolve => process.stdout.write(file.bytes, () => resolve()))
      return '-'
    }
    await writeOutput(output, file.bytes, force)
    return `file:${path.resolve(output)}`
  } catch (error) {
    if (!(error instanceof ProfilerError) || error.code === 'SP_INTERNAL') throw error
    // The capture was good and may not come again: it is not lost because a disk is full.
    const spool = await keepPrivately('spool', id, files).catch(() => undefined)
    if (spool === undefined) throw error
    throw new ProfilerError(error.code, error.message, {
      facts: { ...error.facts, 'kept in': spool },
      cause: error,
    })
  }
}

const endings: readonly (readonly [string, Format])[] = [
  ['.svg', 'svg'],
  ['.folded', 'folded'],
  ['.collapsed', 'folded'],
  ['.txt', 'folded'],
  ['.speedscope.json', 'speedscope'],
  ['.json', 'json'],
  ['.pb.gz', 'pprof'],
  ['.pprof', 'pprof'],
]

function formatOfEnding(output: string): Format {
  if (output === '-') return 'svg'
  const found = endings.find(([ending]) => output.endsWith(ending))
  if (found !== undefined) return found[1]
  const known = Object.values(artefactNames).join(', ')
  throw new ProfilerError(
    'SP_USAGE',
    `the ending of ${output} says no format (such as ${known}): use --format`,
  )
}
