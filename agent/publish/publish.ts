// Puts the files where they were asked for: one output file, or a folder or a
// bucket under the incident's name with a manifest.
//
// What is to cross a network is in the spool before the first byte is sent, so
// that no kill and no outage loses it.

import path from 'node:path'
import { type CaptureSignals, monotonicMs, type Progress } from '../capture/capture.ts'
import type { Format, Settings } from '../config.ts'
import { type ErrorFacts, ProfilerError } from '../errors.ts'
import type { Passed } from '../redact/gate.ts'
import { type Artefacts, type Draft, makeArtefacts } from './artefacts.ts'
import { placeIn, readDestination } from './destination.ts'
import { publishToDirectory, writeOutput } from './directory.ts'
import { keepPrivately } from './private-folder.ts'
import { type Receipt, UnpublishedError } from './receipt.ts'
import { deadline, type Shipment, ship, storeSettings, withFacts } from './send.ts'
import { release, remove, type Spooled, spool } from './spool.ts'
import type { SpoolEntry } from './spool-entry.ts'

export interface PublishAsk {
  readonly settings: Settings
  readonly formats: readonly Format[]
  /** Who can still say that it is to wait in the spool, or that nothing is to be kept. */
  readonly signals?: CaptureSignals
  /** `tick` replaces what it said before: how many files have arrived. */
  readonly progress?: Progress & { tick?(words: string): void }
  /** A folder that does not exist yet, where the files stay too. */
  readonly keepIn?: string | undefined
  /** And nowhere else. */
  readonly isKeptOnly?: boolean
}

/**
 * From a profile with names to a receipt: what a capture and a file that was read have in common.
 *
 * @param sinceMs when sampling ended, or reading began, on the monotonic clock
 * @throws {UnpublishedError} where the files are made, and kept somewhere else than was asked for
 * @throws {ProfilerError} what `makeArtefacts` throws; `SP_CANCELLED`
 */
export async function publishDraft(
  draft: Draft,
  ask: PublishAsk,
  sinceMs: number,
): Promise<Receipt> {
  const { settings, formats, signals, keepIn, isKeptOnly } = ask
  const wasStopped = signals?.stop.aborted === true
  const made = await makeArtefacts(draft, formats, settings)
  const { record, outcome } = made
  // One file on its own has nobody to read a manifest of it.
  const files = settings.output === undefined ? [...made.files, made.manifest] : made.files
  if (keepIn !== undefined) {
    await publishToDirectory(path.dirname(keepIn), path.basename(keepIn), files, signals?.discard)
  }
  const receiptAt = (place: string, isPublished: boolean): Receipt => ({
    record,
    ...outcome,
    place,
    isPublished,
    files: files.map(({ name, bytes, sha256 }) => ({ name, bytes: bytes.length, sha256 })),
    afterMs: monotonicMs() - sinceMs,
  })
  if (keepIn !== undefined && isKeptOnly === true) return receiptAt(`file:${keepIn}`, true)
  const published = await publish(files, made, { ...ask, wasStopped })
  if ('place' in published) return receiptAt(published.place, true)
  const { error, kept, waitsFor } = published
  // The capture was good and may not come again: it is not lost because a disk is full, or a network down.
  if (kept === undefined) throw error
  const receipt = receiptAt(`file:${kept}`, false)
  throw new UnpublishedError(error, waitsFor === undefined ? receipt : { ...receipt, waitsFor })
}

interface Wish extends PublishAsk {
  /** Whoever has ended the sampling wants what there is: it is the next signal that is for the upload. */
  readonly wasStopped: boolean
}

type Published = { readonly place: string } | Unpublished

interface Unpublished {
  readonly error: ProfilerError
  /** The folder. */
  readonly kept: string | undefined
  /** What it will be sent to from there. */
  readonly waitsFor?: string
}

async function publish(
  files: readonly Passed[],
  { record: { id }, place }: Artefacts,
  ask: Wish,
): Promise<Published> {
  const { settings, signals } = ask
  if (settings.output !== undefined) {
    const at = await writeOne(files[0]!, settings.output, ask).catch(expected)
    return typeof at === 'string' ? { place: at } : keep(files, id, at)
  }
  const destination = readDestination(settings.to)
  const isFolder = destination.kind === 'file'
  const to = isFolder ? `file:${path.resolve(destination.directory)}` : settings.to
  const entry: SpoolEntry = {
    version: 1,
    id,
    to,
    place,
    spooledAt: new Date().toISOString(),
    ...(settings.s3Encryption !== undefined && { encryption: settings.s3Encryption }),
    ...(settings.objectTags !== undefined && { tags: settings.objectTags }),
    files: files.map(({ name, bytes, sha256 }) => ({ name, bytes: bytes.length, sha256 })),
  }
  if (!isFolder) return sendThroughSpool(entry, files, ask)
  const at = await publishToDirectory(destination.directory, place, files, signals?.discard).catch(
    expected,
  )
  if (typeof at === 'string') return { place: `file:${at}` }
  const spooled = await spool(entry, files, settings).catch(() => undefined)
  if (spooled === undefined) return keep(files, id, at)
  return waiting(await release(spooled), at, ask, placeIn(to, place))
}

async function writeOne(file: Passed, output: string, { settings, signals }: PublishAsk) {
  if (output === '-') {
    await new Promise<void>(resolve => process.stdout.write(file.bytes, () => resolve()))
    return '-'
  }
  await writeOutput(output, file.bytes, settings.force, signals?.discard)
  return `file:${path.resolve(output)}`
}

async function sendThroughSpool(
  entry: SpoolEntry,
  files: readonly Passed[],
  ask: Wish,
): Promise<Published> {
  const { settings, progress } = ask
  const spooled = await spool(entry, files, settings).catch(expected)
  if (spooled instanceof ProfilerError) {
    // Then there is one try, from memory, and after it the temporary folder.
    progress?.state('publishing', `Note: not through the spool: ${spooled.message}`)
    const at = await send({ ...entry, files }, ask).catch(expected)
    return typeof at === 'string' ? { place: at } : keep(files, entry.id, at)
  }
  return sendSpooledNow(spooled, entry, files, ask)
}

async function sendSpooledNow(
  spooled: Spooled,
  entry: SpoolEntry,
  files: readonly Passed[],
  ask: Wish,
): Promise<Published> {
  const at = await send({ ...entry, files }, ask).catch(async error => {
    // Even what is a fault of ours is not to keep others from sending it.
    if (error instanceof ProfilerError && error.code !== 'SP_CANCELLED') return error
    if (error instanceof ProfilerError) await remove(spooled)
    else await release(spooled)
    throw error
  })
  if (at instanceof ProfilerError) {
    return waiting(await release(spooled), at, ask, placeIn(entry.to, entry.place))
  }
  await remove(spooled)
  return { place: at }
}

/** Until it is there, the deadline is over, or a person says otherwise. */
async function send(shipment: Shipment, { settings, signals, progress, wasStopped }: Wish) {
  const { to, files } = shipment
  const limit = deadline(settings.uploadDeadline, to)
  const stop = new AbortController()
  const spoolIt = () => stop.abort(new ProfilerError('SP_UPLOAD_STOPPED', 'the upload was stopped'))
  const discard = () => stop.abort(new ProfilerError('SP_CANCELLED', 'the capture was discarded'))
  if (signals?.discard.aborted) discard()
  if (!wasStopped) signals?.stop.addEventListener('abort', spoolIt, { once: true })
  signals?.discard.addEventListener('abort', discard, { once: true })
  try {
    const tell = (arrived: number) =>
      progress?.tick?.(`Sent ${arrived} of ${files.length} to ${to}`)
    tell(0)
    const settled = storeSettings(
      { encryption: settings.s3Encryption, tags: settings.objectTags },
      settings,
    )
    return await ship(shipment, settled, AbortSignal.any([limit.signal, stop.signal]), tell)
  } finally {
    limit.clear()
    signals?.stop.removeEventListener('abort', spoolIt)
    signals?.discard.removeEventListener('abort', discard)
  }
}

/** What is in the spool: where, and how it goes on. */
function waiting(
  folder: string,
  error: ProfilerError,
  { settings }: PublishAsk,
  waitsFor: string,
): Unpublished {
  const at = settings.spool === undefined ? '' : ` --spool ${settings.spool}`
  const facts = { 'kept in': folder, 'send it with': `sp-flamegraph spool send${at}` }
  return { error: merged(error, facts), kept: folder, waitsFor }
}

/** Not to be sent by itself: for its owner to fetch. */
async function keep(
  files: readonly Passed[],
  id: string,
  error: ProfilerError,
): Promise<Unpublished> {
  const kept = await keepPrivately('kept', id, files).catch(() => undefined)
  return { error: kept === undefined ? error : merged(error, { 'kept in': kept }), kept }
}

function merged(error: ProfilerError, facts: ErrorFacts): ProfilerError {
  return withFacts(error, facts) as ProfilerError
}

/** A failure that is known, as a value; a fault of ours, and a person's no, as thrown. */
function expected(error: unknown): ProfilerError {
  if (error instanceof ProfilerError && !['SP_INTERNAL', 'SP_CANCELLED'].includes(error.code)) {
    return error
  }
  throw error
}
