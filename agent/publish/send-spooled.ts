// Sends later what could not be sent at once: in the order in which it was
// captured, for `sp-flamegraph spool send` and for the daemon.

import type { Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import type { Passed } from '../redact/gate.ts'
import { deadline, ship, storeSettings } from './send.ts'
import { claim, listSpool, release, remove, type Spooled, setAside } from './spool.ts'
import { readEntry, readFiles, type SpoolEntry } from './spool-entry.ts'

/** What became of one entry. */
export type SpoolOutcome =
  /** @property place a URL */
  | { readonly kind: 'sent'; readonly id: string; readonly place: string }
  /** It is still there: `error` says why. */
  | {
      readonly kind: 'waits'
      readonly id: string
      readonly to: string
      readonly error: ProfilerError
    }
  /** Another process, which lives, sends it. */
  | { readonly kind: 'taken'; readonly id: string; readonly pid: number }
  /** Set aside: it was not sent and will not be. */
  | { readonly kind: 'damaged'; readonly id: string; readonly error: ProfilerError }

// Nobody waits for it with a picture in mind, and a slow link is no reason to begin anew.
const patience = 20

/**
 * Sends what waits, one after the other. A destination that cannot be reached, or lets nothing in, is
 * not tried again for the entries after it; they wait with the same error.
 *
 * @param stop with a `ProfilerError` as its reason: what is under way is left in the spool then
 * @param onOutcome called for each entry when it is known
 * @throws {ProfilerError} `SP_OUTPUT_FAILED`, where the spool itself cannot be changed
 */
export async function sendSpooled(
  settings: Settings,
  stop?: AbortSignal,
  onOutcome: (outcome: SpoolOutcome) => void = () => {},
): Promise<SpoolOutcome[]> {
  const outcomes: SpoolOutcome[] = []
  const closed = new Map<string, ProfilerError>()
  for (const spooled of await listSpool(settings)) {
    if (stop?.aborted) break
    const outcome = await sendOne(spooled, settings, stop, closed)
    if (outcome === undefined) continue
    outcomes.push(outcome)
    onOutcome(outcome)
  }
  return outcomes
}

/** @returns undefined where somebody else has sent it in the meantime */
async function sendOne(
  spooled: Spooled,
  settings: Settings,
  stop: AbortSignal | undefined,
  closed: Map<string, ProfilerError>,
): Promise<SpoolOutcome | undefined> {
  const { id, sentBy } = spooled
  if (sentBy !== undefined) return { kind: 'taken', id, pid: sentBy }
  const mine = await claim(spooled)
  if (mine === undefined) return undefined
  let isOurs = true
  try {
    const read = await readBoth(mine)
    if (read === undefined) return undefined
    if (read instanceof ProfilerError) return { kind: 'damaged', id, error: read }
    const { to } = read.entry
    const store = to.split('/').slice(0, 3).join('/')
    try {
      const before = closed.get(store)
      if (before !== undefined) throw before
      const place = await shipEntry(read, settings, stop)
      isOurs = false
      await remove(mine)
      return { kind: 'sent', id, place }
    } catch (error) {
      if (!(error instanceof ProfilerError) || error.code === 'SP_INTERNAL') throw error
      if (error.code !== 'SP_STORE_CONFLICT') closed.set(store, error)
      return { kind: 'waits', id, to, error }
    }
  } finally {
    if (isOurs) await release(mine)
  }
}

interface Read {
  readonly entry: SpoolEntry
  readonly files: readonly Passed[]
}

/** @returns the error instead, where it is damaged: then it was set aside; undefined if somebody else was faster */
async function readBoth(mine: Spooled): Promise<Read | ProfilerError | undefined> {
  try {
    const entry = await readEntry(mine.folder)
    return { entry, files: await readFiles(mine.folder, entry) }
  } catch (error) {
    if (error instanceof ProfilerError) throw error
    const folder = await setAside(mine)
    if (folder === undefined) return undefined
    const message = `what waited as ${mine.id} is damaged: ${(error as Error).message}`
    return new ProfilerError('SP_SPOOL_DAMAGED', message, { facts: { 'set aside in': folder } })
  }
}

async function shipEntry(
  { entry, files }: Read,
  settings: Settings,
  stop: AbortSignal | undefined,
): Promise<string> {
  const limit = deadline(settings.uploadDeadline * patience, entry.to)
  const signals = stop === undefined ? [limit.signal] : [limit.signal, stop]
  try {
    return await ship({ ...entry, files }, storeSettings(entry, settings), AbortSignal.any(signals))
  } finally {
    limit.clear()
  }
}
