// Where the files are to go and in which formats: looked at before anything is
// spent on making them, and without what makes them.

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Config, Format, Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { freeBytes } from '../target/disk.ts'
import { readDestination } from './destination.ts'
import { artefactNames } from './place.ts'
import { checkSpool } from './spool.ts'

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
 * @throws {ProfilerError} `SP_USAGE`, `SP_OUTPUT_EXISTS`, `SP_OUTPUT_FAILED`, `SP_SPOOL_FULL`
 */
export async function checkOutput(settings: Settings): Promise<void> {
  const { output, live, keepRaw, force, json } = settings
  if (output === '-' && json) {
    const message = 'standard output is for --json or for --output -, not both'
    throw new ProfilerError('SP_USAGE', message)
  }
  const files = [output, live, keepRaw]
    .filter(file => file !== undefined)
    .map(file => path.resolve(file))
  if (new Set(files).size < files.length) {
    throw new ProfilerError(
      'SP_USAGE',
      '--output, --live and --keep-raw each need a file of their own',
    )
  }
  if (output === undefined) await checkDestination(settings)
  else if (output !== '-') checkFile(output, force)
  for (const file of [live, keepRaw]) if (file !== undefined) checkFile(file, force)
}

async function checkDestination(settings: Settings): Promise<void> {
  const destination = readDestination(settings.to)
  // What is to cross a network has to have room to wait for it.
  if (destination.kind === 'file') checkFolder(nearestFolder(destination.directory))
  else await checkSpool(settings)
}

function checkFile(file: string, force: boolean): void {
  const there = statOf(file)
  if (there !== undefined && !there.isFile()) {
    const message = `${file} is no regular file, so it is not replaced: name another`
    throw new ProfilerError('SP_USAGE', message)
  }
  if (there !== undefined && !force) {
    throw new ProfilerError('SP_OUTPUT_EXISTS', `${file} exists already`)
  }
  checkFolder(path.dirname(file))
}

// The picture and the manifest of a small capture.
const leastFreeBytes = 64 << 10

function checkFolder(folder: string): void {
  if (!isWritableFolder(folder)) {
    const message = `${folder} is not a folder that can be written to`
    throw new ProfilerError('SP_OUTPUT_FAILED', message)
  }
  // What cannot be written there is kept among the temporary files.
  const free = Math.max(freeBytes(folder) ?? 0, freeBytes(os.tmpdir()) ?? 0)
  if (free >= leastFreeBytes) return
  const message = `the disk is full: ${Math.floor(free / 1024)} KB are left in ${folder} and for temporary files`
  throw new ProfilerError('SP_OUTPUT_FAILED', message)
}

/** Not of what a link leads to: /dev/stdout is one, and to replace it is to replace the link. */
function statOf(file: string): fs.Stats | undefined {
  try {
    return fs.lstatSync(file)
  } catch {
    // It is not there, or cannot be: then its folder, or the writing, says why.
    return undefined
  }
}

function isWritableFolder(folder: string): boolean {
  try {
    fs.accessSync(folder, fs.constants.W_OK | fs.constants.X_OK)
    return fs.statSync(folder).isDirectory()
  } catch {
    return false
  }
}

/** The folder itself, or the nearest above it that is there: what is missing will be made. */
export function nearestFolder(folder: string): string {
  let at = path.resolve(folder)
  while (!fs.existsSync(at)) at = path.dirname(at)
  return at
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
