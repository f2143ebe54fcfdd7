// One capture that waits to be sent: a folder with its files, and `entry.json`,
// which says where they are to go.
//
// Only what passed the gate is written here. What is read back may have been cut
// by a full disk or changed by somebody, so each file is held against its digest,
// no link is followed, and everything is bounded: what is odd is not sent.

import { constants } from 'node:fs'
import fs from 'node:fs/promises'
import path from 'node:path'
import { isDestination, type Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { type Passed, passedBefore } from '../redact/gate.ts'
import { syncFolder, writePrivately } from './private-folder.ts'

/** What the files are, and what they are to be where they arrive. How that is reached is up to the settings. */
export interface SpoolEntry {
  readonly version: 1
  /** Of the capture. */
  readonly id: string
  /** `s3://…`, `gs://…` or `file:/…` */
  readonly to: string
  /** Below that: `incidents/INC-1/…` */
  readonly place: string
  /** UTC. */
  readonly spooledAt: string
  readonly encryption?: Settings['s3Encryption']
  readonly tags?: Settings['objectTags']
  /** In the order in which they are sent: the manifest is the last. */
  readonly files: readonly SpooledFile[]
}

export interface SpooledFile {
  readonly name: string
  readonly bytes: number
  /** In hex. */
  readonly sha256: string
}

const entryName = 'entry.json'
const maxEntryBytes = 64 * 1024
// Of one file the gate passes as much.
const maxFileBytes = 64 * 1024 * 1024
const maxFiles = 100

/** Into a folder that is there, and empty. */
export async function writeEntry(
  folder: string,
  entry: SpoolEntry,
  files: readonly Passed[],
): Promise<void> {
  for (const { name, bytes } of files) await writePrivately(path.join(folder, name), bytes)
  await writePrivately(path.join(folder, entryName), Buffer.from(`${JSON.stringify(entry)}\n`))
  await syncFolder(folder)
}

/**
 * @throws {Error} with what is wrong with it, in words that hold nothing of its content
 * @throws {ProfilerError} `SP_OUTPUT_FAILED`, where this process can open nothing now
 */
export async function readEntry(folder: string): Promise<SpoolEntry> {
  const stat = await fs.lstat(folder)
  if (!stat.isDirectory()) throw new Error('it is no folder')
  if (stat.uid !== process.getuid?.()) throw new Error('it belongs to somebody else')
  if ((stat.mode & 0o077) !== 0) throw new Error('it is open to others')
  const bytes = await readPrivate(path.join(folder, entryName), maxEntryBytes)
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new Error(`${entryName} is not JSON`)
  }
  if (!isEntry(value)) throw new Error(`${entryName} is not one of ours`)
  return value
}

/** @throws {Error} as above */
export async function readFiles(folder: string, { files }: SpoolEntry): Promise<Passed[]> {
  const read: Passed[] = []
  for (const { name, bytes, sha256 } of files) {
    const found = await readPrivate(path.join(folder, name), maxFileBytes)
    if (found.length !== bytes) throw new Error(`${name} has not the size that it had`)
    const passed = passedBefore(name, found, sha256)
    if (passed === undefined) throw new Error(`${name} is not what the gate passed`)
    read.push(passed)
  }
  return read
}

async function readPrivate(file: string, maxBytes: number): Promise<Buffer> {
  const name = path.basename(file)
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  const handle = await fs.open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(cause => {
    const { code } = cause
    // Of these the entry is not to blame: it waits for a better moment.
    if (/^(?:EMFILE|ENFILE|ENOMEM|EIO)$/.test(code)) {
      throw new ProfilerError('SP_OUTPUT_FAILED', `${file} cannot be read: ${code}`, { cause })
    }
    throw new Error(`${name} cannot be read: ${code === 'ELOOP' ? 'it is a link' : code}`)
  })
  try {
    const stat = await handle.stat()
    if (!stat.isFile() || stat.nlink !== 1) throw new Error(`${name} is no file of its own`)
    if (stat.uid !== process.getuid?.()) throw new Error(`${name} belongs to somebody else`)
    if (stat.size > maxBytes) throw new Error(`${name} is too large`)
    const bytes = Buffer.alloc(stat.size)
    const { bytesRead } = await handle.read(bytes, 0, stat.size, 0)
    return bytes.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

const fileName = /^[a-z0-9][a-z0-9._-]{0,99}$/
const placeNames = /^incidents\/[A-Za-z0-9][A-Za-z0-9._-]{0,199}\/[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/

function isEntry(value: unknown): value is SpoolEntry {
  const { version, id, to, place, spooledAt, files, encryption, tags } = (value ?? {}) as Partial<
    Record<keyof SpoolEntry, unknown>
  >
  return (
    version === 1 &&
    typeof id === 'string' &&
    typeof to === 'string' &&
    isDestination(to) &&
    typeof place === 'string' &&
    placeNames.test(place) &&
    !place.includes('..') &&
    typeof spooledAt === 'string' &&
    !Number.isNaN(Date.parse(spooledAt)) &&
    (encryption === undefined || typeof encryption === 'string') &&
    (tags === undefined || isTexts(tags)) &&
    Array.isArray(files) &&
    files.length > 0 &&
    files.length <= maxFiles &&
    files.every(isFile) &&
    new Set(files.map(({ name }) => name)).size === files.length
  )
}

function isTexts(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every(each => typeof each === 'string')
  )
}

function isFile(value: unknown): boolean {
  const { name, bytes, sha256 } = (value ?? {}) as Partial<Record<keyof SpooledFile, unknown>>
  return (
    typeof name === 'string' &&
    fileName.test(name) &&
    name !== entryName &&
    Number.isSafeInteger(bytes) &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256)
  )
}
