// The folder that only its owner can look into: what the gate refused waits
// there for a person, and what could not be published for another try.
//
// Its name can be guessed and its parent may be writable by all, so that it is
// ours, a real folder and closed to others is checked, never assumed.

import { constants, existsSync } from 'node:fs'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { ProfilerError } from '../errors.ts'

/**
 * Keeps files for their owner alone (folder 0700, files 0600).
 *
 * @returns the folder that holds them
 * @throws {ProfilerError} `SP_OUTPUT_FAILED`
 */
export async function keepPrivately(
  what: 'quarantine' | 'kept',
  id: string,
  files: readonly { readonly name: string; readonly bytes: Uint8Array }[],
): Promise<string> {
  const folder = path.join(privateRoot(), what, id)
  try {
    for (const each of [privateRoot(), path.dirname(folder), folder]) await ensurePrivate(each)
    for (const { name, bytes } of files) await writePrivately(path.join(folder, name), bytes)
    return folder
  } catch (cause) {
    if (cause instanceof ProfilerError) throw cause
    // Half a file is no help, and the disk may be full for want of just this room.
    await fs.rm(folder, { recursive: true, force: true }).catch(() => {
      // The first reason is the one to tell.
    })
    throw new ProfilerError('SP_OUTPUT_FAILED', `${folder} cannot be written`, { cause })
  }
}

/**
 * Where what is ours alone lies by default: the daemon's state, the quarantine, the spool.
 *
 * @param beneath where it is made, if not among the temporary files
 */
export function privateRoot(beneath: string = os.tmpdir()): string {
  return path.join(path.resolve(beneath), `sp-flamegraph-${process.getuid?.() ?? 0}`)
}

/** A folder and those above it. Not by `recursive`: in a folder that takes none, such as /proc, Node then tries for ever. */
export async function makeFolder(folder: string): Promise<void> {
  const missing: string[] = []
  for (let at = path.resolve(folder); !existsSync(at); at = path.dirname(at)) missing.unshift(at)
  for (const each of missing) await makeUnlessThere(each)
}

/** @throws {ProfilerError} `SP_OUTPUT_FAILED`, where it is there and not ours, or open to others */
export async function ensurePrivate(folder: string): Promise<void> {
  await makeUnlessThere(folder)
  const stat = await fs.lstat(folder)
  if (!stat.isDirectory() || stat.uid !== process.getuid?.() || (stat.mode & 0o077) !== 0) {
    throw new ProfilerError(
      'SP_OUTPUT_FAILED',
      `${folder} is not a folder of ours that is closed to others: remove it`,
    )
  }
}

async function makeUnlessThere(folder: string): Promise<void> {
  await fs.mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
}

/** Makes a file, which must not exist. It is on the disk when this returns. */
export async function writePrivately(file: string, bytes: Uint8Array): Promise<void> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  const handle = await fs.open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes what was renamed into, or out of, a folder outlive a crash of the machine. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
