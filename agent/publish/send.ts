// Sends what is in the spool: each file under its one name, the manifest last.
//
// A capture without its manifest is no capture yet, so whoever looks sees the
// whole of it or none. What arrived before a connection or a process died is
// found there and not sent again.

import fs from 'node:fs/promises'
import path from 'node:path'
import { type ErrorFacts, ProfilerError } from '../errors.ts'
import type { Passed } from '../redact/gate.ts'
import { placeIn, readDestination } from './destination.ts'
import { publishToDirectory } from './directory.ts'
import { contentTypeOf } from './place.ts'
import type { SpoolEntry } from './spool-entry.ts'
import { openStore, type Store, type StoreSettings } from './store.ts'

export interface Shipment {
  readonly to: string
  readonly place: string
  /** The manifest is the last. */
  readonly files: readonly Passed[]
}

/** How far it is, each time that a file has arrived. */
export type OnArrival = (arrived: number, of: number) => void

/** How many files are under way at once: of a capture, all but the manifest. */
const lanes = 4

/**
 * @param stop with a `ProfilerError` as its reason: what to throw when it comes
 * @returns where it is
 * @throws {ProfilerError} what stores and folders throw, with how many files had `arrived` as a fact
 */
export async function ship(
  { to, place, files }: Shipment,
  settings: StoreSettings,
  stop: AbortSignal,
  onArrival: OnArrival = () => {},
): Promise<string> {
  const destination = readDestination(to)
  if (destination.kind === 'file') return shipToFolder(destination.directory, place, files)
  let arrived = 0
  let store: Store | undefined
  try {
    store = await orStop(openStore(to, settings), stop)
    const { put } = store
    const send = async (file: Passed) => {
      const { name, bytes, sha256 } = file
      const contentType = contentTypeOf(name)
      await put({ key: `${place}/${name}`, bytes, sha256, contentType }, stop)
      stop.throwIfAborted()
      arrived++
      onArrival(arrived, files.length)
    }
    await sendAll(files.slice(0, -1), send)
    await send(files.at(-1)!)
    return placeIn(to, place)
  } catch (error) {
    throw withFacts(error, { arrived: `${arrived} of ${files.length} files` })
  } finally {
    store?.close()
  }
}

/** Several at once, begun in their order; after the first that fails no other is begun. */
async function sendAll(
  files: readonly Passed[],
  send: (file: Passed) => Promise<void>,
): Promise<void> {
  const waiting = files.values()
  const failures: unknown[] = []
  const lane = async () => {
    for (const file of waiting) {
      if (failures.length > 0) return
      await send(file).catch(error => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  if (failures.length > 0) throw failures[0]
}

/** The same for a folder: what an earlier try has put there is what was asked for. */
async function shipToFolder(
  directory: string,
  place: string,
  files: readonly Passed[],
): Promise<string> {
  try {
    return `file:${await publishToDirectory(directory, place, files)}`
  } catch (error) {
    const there = path.join(directory, ...place.split('/'))
    const isExisting = error instanceof ProfilerError && error.code === 'SP_OUTPUT_EXISTS'
    if (isExisting && (await holds(there, files))) return `file:${there}`
    throw error
  }
}

async function holds(folder: string, files: readonly Passed[]): Promise<boolean> {
  for (const { name, bytes } of files) {
    const found = await fs.readFile(path.join(folder, name)).catch(() => undefined)
    if (found === undefined || !found.equals(bytes)) return false
  }
  return true
}

/** What opens a store may ask a network that does not answer. */
async function orStop<Value>(work: Promise<Value>, stop: AbortSignal): Promise<Value> {
  stop.throwIfAborted()
  return new Promise((resolve, reject) => {
    const onStop = () => reject(stop.reason)
    stop.addEventListener('abort', onStop, { once: true })
    work.then(resolve, reject).finally(() => stop.removeEventListener('abort', onStop))
  })
}

/** How the store is reached is up to the settings, and what the objects are to be up to who captured them. */
export function storeSettings(
  { encryption, tags }: Pick<SpoolEntry, 'encryption' | 'tags'>,
  settings: StoreSettings,
): StoreSettings {
  return { ...settings, s3Encryption: encryption, objectTags: tags }
}

/** The same error, with more that is known. */
export function withFacts(error: unknown, facts: ErrorFacts): unknown {
  if (!(error instanceof ProfilerError) || error.code === 'SP_INTERNAL') return error
  return new ProfilerError(error.code, error.message, {
    facts: { ...error.facts, ...facts },
    cause: error,
  })
}

/** A signal that comes with this error after so long; whoever made it clears it. */
export function deadline(ms: number, to: string): { signal: AbortSignal; clear(): void } {
  const controller = new AbortController()
  const message = `${to} did not take everything within ${Math.round(ms / 1000)} s`
  const timer = setTimeout(() => {
    controller.abort(new ProfilerError('SP_STORE_UNREACHABLE', message))
  }, ms)
  return { signal: controller.signal, clear: () => clearTimeout(timer) }
}
