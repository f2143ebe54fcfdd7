// Publishes into a folder, all or nothing.
//
// The files are written under a hidden name beside their place, flushed, and
// the folder is renamed: whoever looks sees the whole capture or none of it.

import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import fs from 'node:fs/promises'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { ProfilerError, systemCode } from '../errors.ts'
import type { Passed } from '../redact/gate.ts'

/**
 * Writes the files into `directory/place`, which must not exist yet.
 *
 * @param place relative, with `/` between names: `incidents/INC-1/20261123T114200Z-1a2b`
 * @throws {ProfilerError} `SP_OUTPUT_EXISTS`, `SP_OUTPUT_FAILED`; nothing is left in the folder then
 */
export async function publishToDirectory(
  directory: string,
  place: string,
  files: readonly Passed[],
  discard?: AbortSignal,
): Promise<string> {
  const target = path.join(path.resolve(directory), ...place.split('/'))
  const partial = path.join(
    path.dirname(target),
    `.${path.basename(target)}.${randomBytes(4).toString('hex')}.partial`,
  )
  const missing = missingFolders(partial)
  try {
    await makeFolders(missing)
    for (const { name, bytes } of files) await writeDurably(path.join(partial, name), bytes)
    await checkWanted(discard)
    // rename() replaces an empty folder, and we never publish an empty one.
    await fs.rename(partial, target)
    return target
  } catch (cause) {
    await fs.rm(partial, { recursive: true, force: true }).catch(() => {
      // What made the writing fail may make the cleaning fail too; the first reason is the one to tell.
    })
    for (const each of missing.toReversed()) {
      await fs.rmdir(each).catch(() => {
        // Gone with the rest, or another capture has come to lie in it.
      })
    }
    if (cause instanceof ProfilerError) throw cause
    const code = systemCode(cause)
    if (code === 'ENOTEMPTY' || code === 'EEXIST') {
      throw new ProfilerError('SP_OUTPUT_EXISTS', `${target} exists already`, { cause })
    }
    throw new ProfilerError('SP_OUTPUT_FAILED', `${target} cannot be written: ${words(code)}`, {
      cause,
    })
  }
}

/** Writes one file; an existing one is an error unless `replace`. Whole or not at all. */
export async function writeOutput(
  file: string,
  bytes: Uint8Array,
  replace: boolean,
  discard?: AbortSignal,
): Promise<void> {
  const partial = `${file}.${randomBytes(4).toString('hex')}.partial`
  try {
    await writeDurably(partial, bytes)
    await checkWanted(discard)
    // link() fails where a name exists, rename() replaces it.
    if (replace) await fs.rename(partial, file)
    else await fs.link(partial, file)
  } catch (cause) {
    if (cause instanceof ProfilerError) throw cause
    const code = systemCode(cause)
    if (code === 'EEXIST') {
      throw new ProfilerError('SP_OUTPUT_EXISTS', `${file} exists already`, { cause })
    }
    throw new ProfilerError('SP_OUTPUT_FAILED', `${file} cannot be written: ${words(code)}`, {
      cause,
    })
  } finally {
    await fs.rm(partial, { force: true }).catch(() => {
      // As above.
    })
  }
}

/** The last moment: a turn of the event loop lets a Ctrl-C that has come be heard. */
async function checkWanted(discard: AbortSignal | undefined): Promise<void> {
  if (discard === undefined) return
  await setImmediate()
  if (discard.aborted) throw new ProfilerError('SP_CANCELLED', 'the capture was discarded')
}

/** This folder and those above it that are not there, outermost first. */
function missingFolders(folder: string): string[] {
  const missing: string[] = []
  for (let at = folder; !existsSync(at); at = path.dirname(at)) missing.unshift(at)
  return missing
}

/** Not by `recursive`: in a folder that takes none, such as /proc, Node then tries for ever. */
async function makeFolders(missing: readonly string[]): Promise<void> {
  for (const each of missing) {
    await fs.mkdir(each, 0o755).catch(error => {
      // Another capture may have made it just now.
      if (systemCode(error) !== 'EEXIST') throw error
    })
  }
}

async function writeDurably(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await fs.open(file, 'wx', 0o644)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const systemWords: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the disk quota is used up'],
  ['EACCES', 'permission is denied'],
  ['EPERM', 'permission is denied'],
  ['EROFS', 'the file system is read-only'],
  ['ENOENT', 'its folder does not exist'],
  ['ENOTDIR', 'a part of its path is not a folder'],
  ['ENAMETOOLONG', 'its name is too long'],
])

function words(code: string | undefined): string {
  return systemWords.get(code ?? '') ?? code ?? 'for an unknown reason'
}
