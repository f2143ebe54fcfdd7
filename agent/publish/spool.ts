// Where captures wait that could not be sent yet, and who sends which.
//
// An entry's folder is its own lock: whoever renames `ID` to `ID@OWNER` has it,
// and of two that try only one finds the name. The owner is a pid with its start
// time and the kernel's boot, so what a dead one held is known, and is taken over
// by the same rename. What begins with a dot is being written or removed, and is
// nothing once its owner is dead. There is no moment at which a kill loses an
// entry or leaves half of one:
//
//     .ID@OWNER  written → ID@OWNER  being sent → ID  waits → ID@OTHER …
//                                               → .ID@OWNER  sent, being removed
//
// Owners in another PID namespace look dead. Then two may send the same thing,
// and the store has it once all the same.

import fs from 'node:fs/promises'
import path from 'node:path'
import type { Settings } from '../config.ts'
import { ProfilerError, systemCode } from '../errors.ts'
import type { Passed } from '../redact/gate.ts'
import { readBootId, readStat } from '../target/procfs.ts'
import { ensurePrivate, makeFolder, privateRoot, syncFolder } from './private-folder.ts'
import { type SpoolEntry, writeEntry } from './spool-entry.ts'

export type SpoolSettings = Pick<Settings, 'spool' | 'spoolMaxBytes' | 'spoolMaxEntries'>

export interface Spooled {
  /** Of the capture; of what is no entry, its name. */
  readonly id: string
  readonly folder: string
  /** Who sends it now: a living process. */
  readonly sentBy: number | undefined
}

const asideName = 'damaged'

export function spoolFolder({ spool }: SpoolSettings): string {
  return path.join(privateRoot(spool), 'spool')
}

/**
 * What waits, the oldest first: its name begins with the time. Removes what the dead have left half done.
 *
 * @throws {ProfilerError} `SP_OUTPUT_FAILED`, where the spool is not ours, or open to others
 */
export async function listSpool(settings: SpoolSettings): Promise<Spooled[]> {
  const spool = spoolFolder(settings)
  if (!(await exists(spool))) return []
  await ensurePrivate(path.dirname(spool))
  await ensurePrivate(spool)
  const found: Spooled[] = []
  for (const name of (await namesIn(spool)).sort()) {
    if (name === asideName) continue
    const { id, owner } = splitName(name)
    const sentBy = owner === undefined ? undefined : livingPid(owner)
    const folder = path.join(spool, name)
    if (!name.startsWith('.')) found.push({ id, folder, sentBy })
    else if (sentBy === undefined) await removeAll(folder)
  }
  return found
}

/** How much there is, with what was set aside: it takes room all the same. */
export async function measureSpool(
  settings: SpoolSettings,
): Promise<{ readonly entries: number; readonly bytes: number }> {
  const spool = spoolFolder(settings)
  const aside = path.join(spool, asideName)
  const folders = [
    ...(await namesIn(spool))
      .filter(name => name !== asideName)
      .map(name => path.join(spool, name)),
    ...(await namesIn(aside)).map(name => path.join(aside, name)),
  ]
  let bytes = 0
  for (const folder of folders) {
    for (const name of await namesIn(folder)) {
      const stat = await fs.lstat(path.join(folder, name)).catch(() => undefined)
      bytes += stat?.size ?? 0
    }
  }
  return { entries: folders.length, bytes }
}

/**
 * Makes the spool, and looks whether so many bytes more would have room in it.
 *
 * @throws {ProfilerError} `SP_SPOOL_FULL`, `SP_OUTPUT_FAILED`
 */
export async function checkSpool(settings: SpoolSettings, moreBytes = 0): Promise<void> {
  const spool = spoolFolder(settings)
  try {
    if (settings.spool !== undefined) await makeFolder(settings.spool)
    await ensurePrivate(path.dirname(spool))
    await ensurePrivate(spool)
  } catch (cause) {
    if (cause instanceof ProfilerError) throw cause
    const message = `the spool ${spool} cannot be made: ${systemCode(cause)}`
    throw new ProfilerError('SP_OUTPUT_FAILED', message, { cause })
  }
  const { spoolMaxBytes, spoolMaxEntries } = settings
  const { entries, bytes } = await measureSpool(settings)
  if (entries < spoolMaxEntries && bytes + Math.max(moreBytes, 1) <= spoolMaxBytes) return
  const message = `the spool ${spool} is full: ${entries} captures of ${bytes} bytes wait in it (limits: ${spoolMaxEntries}, ${spoolMaxBytes} bytes)`
  throw new ProfilerError('SP_SPOOL_FULL', message)
}

/**
 * Writes an entry, which is ours to send. It is on the disk when this returns.
 *
 * @throws {ProfilerError} `SP_SPOOL_FULL`, `SP_OUTPUT_FAILED`
 */
export async function spool(
  entry: SpoolEntry,
  files: readonly Passed[],
  settings: SpoolSettings,
): Promise<Spooled> {
  await checkSpool(
    settings,
    files.reduce((sum, { bytes }) => sum + bytes.length, 0),
  )
  const folder = spoolFolder(settings)
  const name = `${safeName(entry.id)}@${ownName()}`
  const partial = path.join(folder, `.${name}`)
  try {
    await fs.mkdir(partial, { mode: 0o700 })
    await writeEntry(partial, entry, files)
    await fs.rename(partial, path.join(folder, name))
    await syncFolder(folder)
  } catch (cause) {
    await removeAll(partial)
    const message = `the spool ${folder} cannot be written: ${systemCode(cause) ?? (cause as Error).message}`
    throw new ProfilerError('SP_OUTPUT_FAILED', message, { cause })
  }
  return { id: entry.id, folder: path.join(folder, name), sentBy: process.pid }
}

/** @returns the entry as ours; undefined where somebody else has it, or has sent it */
export async function claim({ id, folder, sentBy }: Spooled): Promise<Spooled | undefined> {
  if (sentBy !== undefined) return undefined
  const mine = path.join(path.dirname(folder), `${safeName(id)}@${ownName()}`)
  return (await moved(folder, mine)) ? { id, folder: mine, sentBy: process.pid } : undefined
}

/** Lets others have it again. @returns where it waits */
export async function release({ id, folder }: Spooled): Promise<string> {
  const free = path.join(path.dirname(folder), safeName(id))
  return (await moved(folder, free)) ? free : folder
}

/** It has arrived, or is not wanted any more. */
export async function remove({ folder }: Spooled): Promise<void> {
  const gone = path.join(path.dirname(folder), `.${path.basename(folder)}`)
  if (await moved(folder, gone)) await removeAll(gone)
}

/**
 * Out of the way, for a person to look at.
 *
 * @returns where it is now: where it was, if it cannot be moved; undefined if it is gone
 */
export async function setAside({ id, folder }: Spooled): Promise<string | undefined> {
  const aside = path.join(path.dirname(folder), asideName)
  try {
    await ensurePrivate(aside)
    for (let number = 0; ; number++) {
      const there = path.join(aside, number === 0 ? safeName(id) : `${safeName(id)}.${number}`)
      if (await exists(there)) continue
      return (await moved(folder, there)) ? there : undefined
    }
  } catch {
    return folder
  }
}

/** @returns false where somebody else was faster */
async function moved(from: string, to: string): Promise<boolean> {
  try {
    await fs.rename(from, to)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
  await syncFolder(path.dirname(to))
  return true
}

async function exists(file: string): Promise<boolean> {
  return fs.lstat(file).then(
    () => true,
    () => false,
  )
}

async function namesIn(folder: string): Promise<string[]> {
  return fs.readdir(folder).catch(() => [])
}

async function removeAll(folder: string): Promise<void> {
  await fs.rm(folder, { recursive: true, force: true }).catch(() => {
    // It is nothing already, and whoever lists the spool next tries again.
  })
}

function safeName(id: string): string {
  return id.replace(/[^A-Za-z0-9._-]/g, '-').replace(/^\.+/, '') || 'capture'
}

function ownName(): string {
  return `${process.pid}-${readStat(process.pid).startTicks}-${bootName()}`
}

function bootName(): string {
  return readBootId().slice(0, 8)
}

function splitName(name: string): { id: string; owner: string | undefined } {
  const at = name.lastIndexOf('@')
  if (at < 0) return { id: name, owner: undefined }
  return { id: name.slice(0, at), owner: name.slice(at + 1) }
}

/** @returns the owner's pid while it lives */
function livingPid(owner: string): number | undefined {
  const [, pid, startTicks, boot] = /^(\d+)-(\d+)-([0-9a-f]{8})$/.exec(owner) ?? []
  if (pid === undefined || boot !== bootName()) return undefined
  try {
    const stat = readStat(Number(pid))
    return `${stat.startTicks}` === startTicks && stat.state !== 'Z' ? Number(pid) : undefined
  } catch {
    return undefined
  }
}
