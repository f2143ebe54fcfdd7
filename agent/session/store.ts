// What the daemon knows of its captures, on its disk: it must outlive the house,
// which leaves when nobody needs it, and a crash.
//
//     captures/<id>/session.json     what was asked, and how far it got
//     captures/<id>/result.json      by the child that captured: a receipt or a problem
//     captures/<id>/artefacts/       its files, as they were published
//
// Each file is written beside its place and renamed: it is there whole or not at
// all. The folder is ours alone (0700), and holds nothing that did not pass the gate.

import fs from 'node:fs'
import path from 'node:path'
import { ProfilerError, systemCode } from '../errors.ts'
import { ensurePrivate } from '../publish/private-folder.ts'
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
  readArtefact(id: string, name: string): Buffer | undefined
  /** Removes the oldest of these until the rest fits; the ids that are gone. */
  prune(over: readonly Session[], maxBytes: number): readonly string[]
}

/** @throws {ProfilerError} `SP_OUTPUT_FAILED` where the folder cannot be had, or is not ours alone */
export async function openStore(state: string): Promise<Store> {
  const root = path.join(state, 'captures')
  try {
    for (const folder of [path.dirname(state), state, root]) {
      if (folder === path.dirname(state)) fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
      else await ensurePrivate(folder)
    }
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
      fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
      writeWhole(path.join(folder, 'session.json'), JSON.stringify(session))
    },
    load() {
      let damaged = 0
      const sessions = fs.readdirSync(root).flatMap(id => {
        try {
          return [JSON.parse(readBounded(path.join(folderOf(id), 'session.json'))) as Session]
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
        return JSON.parse(readBounded(path.join(folderOf(id), 'result.json'))) as CaptureResult
      } catch {
        // It did not get that far.
        return undefined
      }
    },
    readArtefact(id, name) {
      const file = path.join(folderOf(id), 'artefacts', name)
      if (path.basename(name) !== name || name.startsWith('.')) return undefined
      try {
        return fs.readFileSync(file)
      } catch (error) {
        if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(systemCode(error) ?? '')) return undefined
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

/** By the child: how its capture ended. */
export async function writeResult(folder: string, result: CaptureResult): Promise<void> {
  writeWhole(path.join(folder, 'result.json'), JSON.stringify(result))
}

/** An id is a folder's name, and comes out of a URL: letters, digits and `-`, as we make them. */
function checkedId(id: string): string {
  if (/^[A-Za-z0-9-]{1,120}$/.test(id)) return id
  throw new ProfilerError('SP_CAPTURE_UNKNOWN', 'there is no such capture')
}

function writeWhole(file: string, text: string): void {
  const partial = `${file}.partial`
  fs.writeFileSync(partial, text, { mode: 0o600, flush: true })
  fs.renameSync(partial, file)
}

function readBounded(file: string): string {
  const { size } = fs.statSync(file)
  if (size > maxFileBytes) throw new ProfilerError('SP_LIMIT', `${file} has ${size} bytes`)
  return fs.readFileSync(file, 'utf8')
}

function bytesBelow(folder: string): number {
  const entries = fs.readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile())
    .reduce((sum, entry) => sum + fs.statSync(path.join(entry.parentPath, entry.name)).size, 0)
}
