// What an object store has to do for us, whichever it is.
//
// An object is made if its name is free, and never replaced: two that send the
// same thing both succeed, and what is there already is compared, not trusted.

import type { Progress } from '../capture/capture.ts'
import type { Settings } from '../config.ts'
import { type Bucket, readDestination } from './destination.ts'

export interface StoredObject {
  /** Without the bucket's prefix: `incidents/INC-1/…/flame.svg`. */
  readonly key: string
  readonly bytes: Uint8Array
  /** In hex. */
  readonly sha256: string
  readonly contentType: string
}

export interface Store {
  /**
   * Makes the object, or finds it there with the same bytes.
   *
   * Tries again where that can help, for as long as `signal` lets it.
   * @throws {ProfilerError} `SP_STORE_CREDENTIALS`, `SP_STORE_REFUSED`, `SP_STORE_MISSING`,
   * `SP_STORE_UNREACHABLE`, `SP_STORE_CONFLICT`; what the signal was aborted with
   */
  put(object: StoredObject, signal: AbortSignal): Promise<void>
  /** Lets go of its connections. */
  close(): void
}

export type StoreSettings = Pick<
  Settings,
  's3Endpoint' | 's3Region' | 's3PathStyle' | 's3Encryption' | 'gcsEndpoint' | 'objectTags'
>

/**
 * Loads what speaks to the store, and asks who we are to it.
 *
 * @throws {ProfilerError} `SP_STORE_CREDENTIALS`, `SP_CONFIG_INVALID`
 */
export async function openStore(to: string, settings: StoreSettings): Promise<Store> {
  const destination = readDestination(to) as Bucket
  return destination.kind === 's3'
    ? (await import('./s3.ts')).openS3(destination, settings)
    : (await import('./gcs.ts')).openGcs(destination, settings)
}

/** Says while there is time what would keep it from being published. What is captured waits in the spool then. */
export async function foretell({ output, to, ...settings }: Settings, progress: Progress) {
  if (output !== undefined || readDestination(to).kind === 'file') return
  try {
    const store = await openStore(to, settings)
    store.close()
  } catch (error) {
    const { message } = error as Error
    progress.state('planned', `Note: it will have to wait in the spool: ${message}`)
  }
}

// A connection on which nothing moves for so long is dead.
export const stalledMs = 8000
export const connectMs = 4000
// The slowest link that an upload is waited for on: 512 kbit/s.
const slowestBytesPerMs = 64

/** How long one try of an upload may take. */
export function attemptMs(bytes: number): number {
  return stalledMs + Math.ceil(bytes / slowestBytesPerMs)
}
