// What the daemon knows of its captures, on its disk: it must outlive the house,
// which leaves when nobody needs it, and a crash.
//
//     captures/<id>/session.json     what was asked, and how far it got
//     captures/<id>/result.json      by the child that captured: a receipt or a problem
//     captures/<id>/leftovers.json   by the child too: what of ours is in its target while it captures
//     captures/<id>/artefacts/       its files, as they were published
//
// Each file is written beside its place and renamed: it is there whole or not at
// all. The folder is ours alone (0700), and holds nothing that did not pass the gate.

import fs from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { errorKinds, ProfilerError, systemCode } from '../errors.ts'
import { ensurePrivate, makeFolder, privateRoot } from '../publish/private-folder.ts'
import type { Session } from './sessions.ts'
import type { CaptureResult } from './state.ts'

// A receipt has some 20 KB, a session 2 KB.
const maxFileBytes = 4 << 20
// More are never shown, and their artefacts have long been published.
const maxSessions = 500

export interface Store {
  folderOf(id: string): string
  save(session: Session): void
  /** All that are known, oldest first; what cannot be read is set aside and counted. */
  load(): { readonly sessions: readonly Session[]; readonly damaged: number }
  readResult(id: string): CaptureResult | undefined
  openArtefact(id: string, name: string): Artefact | undefined
  /** Removes the oldest of these until the rest fits; the ids that are gone. */
  prune(over: readonly Session[], maxBytes: number): readonly string[]
}

export interface Artefact {
  readonly bytes: number
  /** To be called once: it holds the open file. */
  stream(): Readable
}

/** @throws {ProfilerError} `SP_OUTPUT_FAILED` where the folder cannot be had, or is not ours alone */
export async function openStore(state: string): Promise<Store> {
  const root = path.join(state, 'captures')
  try {
    const parent = path.dirname(state)
    await makeFolder(parent)
    // Whoever owns the parent can put another folder in the place of ours. Our own root has a name that can be guessed.
    if (parent === privateRoot()) await ensurePrivate(parent)
    for (const folder of [state, root]) await ensurePrivate(folder)
  } catch (cause) {
    if (cause instanceof ProfilerError) throw cause
    throw new ProfilerError('SP_OUTPUT_FAILED', `${root} cannot be made: ${systemCode(cause)}`, {
      cause,
    })
  }
  const folderOf = (id: string) => path.join(root, checkedId(id))
  return {
    folderOf,
    save(session) {
      const folder = folderOf(session.id)
      try {
        fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
        writeWhole(path.join(folder, 'session.json'), JSON.stringify(session))
      } catch (cause) {
        removeIfEmpty(folder)
        const message = `the state of a capture cannot be written: ${systemCode(cause)}`
        throw new ProfilerError('SP_OUTPUT_FAILED', message, { cause })
      }
    },
    load() {
      let damaged = 0
      const sessions = fs.readdirSync(root).flatMap(id => {
        try {
          return [sessionOf(id, readBounded(path.join(folderOf(id), 'session.json')))]
        } catch {
          damaged++
          return []
        }
      })
      sessions.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1))
      return { sessions, damaged }
    },
    readResult(id) {
      try {
        const text = readBounded(path.join(folderOf(id), 'result.json'))
        const result = JSON.parse(text) as CaptureResult
        checkResult(result)
        return result
      } catch {
        // It did not get that far.
        return undefined
      }
    },
    openArtefact(id, name) {
      if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) return undefined
      const file = path.join(folderOf(id), 'artefacts', name)
      try {
        const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants
        const fd = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        const stat = fs.fstatSync(fd)
        if (stat.isFile()) {
          return { bytes: stat.size, stream: () => fs.createReadStream(file, { fd }) }
        }
        fs.closeSync(fd)
        return undefined
      } catch (error) {
        if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemCode(error) ?? '')) return undefined
        throw error
      }
    },
    prune(over, maxBytes) {
      const sized = over.map(({ id }) => ({ id, bytes: bytesBelow(folderOf(id)) }))
      let bytes = sized.reduce((sum, each) => sum + each.bytes, 0)
      const gone: string[] = []
      for (const each of sized) {
        if (bytes <= maxBytes && sized.length - gone.length <= maxSessions) break
        fs.rmSync(folderOf(each.id), { recursive: true, force: true })
        bytes -= each.bytes
        gone.push(each.id)
      }
      return gone
    },
  }
}

/** By the child: what of ours is in its target now. */
export function leftoversFile(folder: string): string {
  return path.join(folder, 'leftovers.json')
}

/** By the child: how its capture ended. */
export function writeResult(folder: string, result: CaptureResult): void {
  writeWhole(path.join(folder, 'result.json'), JSON.stringify(result))
}

/** An id is a folder's name, and comes out of a URL: letters, digits and `-`, as we make them. */
function checkedId(id: string): string {
  if (/^[A-Za-z0-9-]{1,120}$/.test(id)) return id
  throw new ProfilerError('SP_CAPTURE_UNKNOWN', 'there is no such capture')
}

function writeWhole(file: string, text: string): void {
  const partial = `${file}.partial`
  try {
    fs.writeFileSync(partial, text, { mode: 0o600, flush: true })
    fs.renameSync(partial, file)
  } catch (error) {
    // On a full disk half a file only takes the room.
    fs.rmSync(partial, { force: true })
    throw error
  }
}

/** Of a capture that was refused because nothing can be written: every further ask would leave another one. */
function removeIfEmpty(folder: string): void {
  try {
    fs.rmdirSync(folder)
  } catch {
    // It holds what was written before, or never was.
  }
}

/** Of a file that may be a link, a pipe, or larger than we ever write one. */
export function readBounded(file: string): string {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants
  const fd = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    const stat = fs.fstatSync(fd)
    if (!stat.isFile() || stat.size > maxFileBytes) {
      throw new ProfilerError('SP_LIMIT', `${file} has ${stat.size} bytes`)
    }
    return fs.readFileSync(fd, 'utf8')
  } finally {
    fs.closeSync(fd)
  }
}

/** What is damaged must not be met later, where it would end the house: so all that is used of it is looked at. */
function sessionOf(id: string, text: string): Session {
  const session = JSON.parse(text) as Session
  const { ask, state, requester, createdAt, message } = session
  const { pid, startTicks } = ask.target
  const { mode, hertz, duration, to } = ask.settings
  const isSound =
    session.id === id &&
    [requester, createdAt, message, mode, to].every(each => typeof each === 'string') &&
    [pid, startTicks, hertz, duration].every(Number.isFinite) &&
    stateNames.has(state.name)
  if (!isSound) throw new ProfilerError('SP_INTERNAL', 'a session is damaged')
  if (state.name === 'finished') checkResult({ receipt: state.receipt })
  if (state.name === 'failed') checkResult({ problem: state.problem })
  return session
}

const stateNames = new Set(['queued', 'planning', 'capturing', 'publishing', 'finished', 'failed'])

/** @throws whatever it is: what is no result was not written by us */
function checkResult(result: CaptureResult): void {
  const isSound =
    'problem' in result
      ? Object.hasOwn(errorKinds, result.problem.code) && typeof result.problem.facts === 'object'
      : Array.isArray(result.receipt.files) &&
        typeof result.receipt.quality.samples === 'number' &&
        typeof result.receipt.tally === 'object' &&
        typeof result.receipt.record === 'object'
  if (!isSound) throw new ProfilerError('SP_INTERNAL', 'a result is damaged')
}

function bytesBelow(folder: string): number {
  try {
    const entries = fs.readdirSync(folder, { recursive: true, withFileTypes: true })
    return entries
      .filter(entry => entry.isFile())
      .reduce((sum, entry) => sum + fs.statSync(path.join(entry.parentPath, entry.name)).size, 0)
  } catch {
    // Somebody removed it.
    return 0
  }
}
