// Puts objects into Google Cloud Storage by its JSON API.
//
// https://cloud.google.com/storage/docs/json_api/v1/objects/insert
//
// `ifGenerationMatch=0` makes an object only where none is. Who we are is found
// out by Google's own library (service account, workload identity, the metadata
// server): its ways are many, change, and cannot be tried without Google. For
// the rest fetch is enough. An emulator (STORAGE_EMULATOR_HOST) is told nothing.

import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { GoogleAuth } from 'google-auth-library'
import { ProfilerError, systemCode } from '../errors.ts'
import type { Bucket } from './destination.ts'
import { attemptMs, type Store, type StoredObject, type StoreSettings } from './store.ts'
import { storeError } from './store-failures.ts'

const scope = 'https://www.googleapis.com/auth/devstorage.read_write'
const attempts = 4
// Doubled each time, and by chance less: who failed together does not come back together.
const firstWaitMs = 200

/** @throws {ProfilerError} `SP_STORE_CREDENTIALS`, `SP_CONFIG_INVALID` */
export async function openGcs({ bucket, prefix }: Bucket, settings: StoreSettings): Promise<Store> {
  const emulator = process.env['STORAGE_EMULATOR_HOST'] || undefined
  const base = baseOf(emulator, settings)
  const store = base.href === usualBase ? `gs://${bucket}` : `gs://${bucket} at ${base.host}`
  const authorize = emulator === undefined ? await authorizer() : async () => ({})

  const ask = async (path: string, init: RequestInit, ms: number, signal: AbortSignal) => {
    const headers = { ...(await authorize()), ...init.headers }
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ms)])
    const response = await fetch(new URL(path, base), { ...init, headers, signal: limit })
    return { status: response.status, body: await readAnswer(response) }
  }

  /** @returns undefined where the object is there with the same bytes now; else why not */
  const tryOnce = async (
    object: StoredObject,
    signal: AbortSignal,
  ): Promise<Failed | undefined> => {
    const key = prefix + object.key
    const query = new URLSearchParams({
      uploadType: 'multipart',
      ifGenerationMatch: '0',
      name: key,
    })
    const ms = attemptMs(object.bytes.length)
    try {
      const path = `/upload/storage/v1/b/${bucket}/o?${query}`
      const made = await ask(path, multipart(object, settings), ms, signal)
      if (made.status === 200) return undefined
      if (made.status !== 412) return answered(made)
      const there = await ask(
        `/storage/v1/b/${bucket}/o/${encodeURIComponent(key)}`,
        {},
        ms,
        signal,
      )
      // Whoever was in the way has gone.
      if (there.status === 404) return { name: 'Conflict', message: key, status: 503 }
      if (there.status !== 200) return answered(there)
      if (there.body.md5Hash === md5Of(object.bytes)) return undefined
    } catch (error) {
      if (error instanceof ProfilerError || signal.aborted) throw error
      return notAnswered(error)
    }
    throw new ProfilerError('SP_STORE_CONFLICT', `${store} has another ${key}, with other bytes`)
  }

  const put = async (object: StoredObject, signal: AbortSignal) => {
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted()
      const failed = await tryOnce(object, signal)
      if (failed === undefined) return
      const error = storeError({ store, ...failed })
      if (error.code !== 'SP_STORE_UNREACHABLE' || tries === attempts) throw error
      await sleep(Math.random() * firstWaitMs * 2 ** tries, undefined, { signal }).catch(() => {
        throw signal.reason
      })
    }
  }
  return { put, close() {} }
}

const usualBase = 'https://storage.googleapis.com/'

function baseOf(emulator: string | undefined, { gcsEndpoint = usualBase }: StoreSettings): URL {
  if (emulator === undefined) return new URL(gcsEndpoint)
  const base = URL.parse(/^https?:\/\//.test(emulator) ? emulator : `http://${emulator}`)
  if (base !== null && base.username === '' && base.password === '') return base
  throw new ProfilerError('SP_CONFIG_INVALID', 'STORAGE_EMULATOR_HOST is no HOST:PORT')
}

/** What to say in every request, fresh when it has to be. */
async function authorizer(): Promise<() => Promise<Record<string, string>>> {
  const auth = new GoogleAuth({ scopes: scope })
  // A service account signs for itself: one server less that has to be reached.
  auth.useJWTAccessWithScope = true
  const authorize = async () => {
    try {
      return Object.fromEntries(await auth.getRequestHeaders())
    } catch (error) {
      // Without the error itself: it holds the request, and that a signed assertion.
      const message = `there are no credentials for Google Cloud Storage: ${(error as Error).message.slice(0, 300)}`
      throw new ProfilerError('SP_STORE_CREDENTIALS', message)
    }
  }
  await authorize()
  return authorize
}

function multipart({ bytes, sha256, contentType }: StoredObject, settings: StoreSettings) {
  const boundary = randomBytes(16).toString('hex')
  const about = {
    contentType,
    // The server compares it with what has arrived.
    md5Hash: md5Of(bytes),
    metadata: { ...settings.objectTags, sha256 },
  }
  const head = `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n${JSON.stringify(about)}\r\n--${boundary}\r\nContent-Type: ${contentType}\r\n\r\n`
  return {
    method: 'POST',
    headers: { 'Content-Type': `multipart/related; boundary=${boundary}` },
    body: Buffer.concat([Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]),
  }
}

function md5Of(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('base64')
}

type Failed = Omit<Parameters<typeof storeError>[0], 'store'>

interface Answer {
  readonly md5Hash?: string
  readonly error?: { readonly message?: string; readonly errors?: { readonly reason?: string }[] }
}

const maxAnswerBytes = 1 << 20

async function readAnswer(response: Response): Promise<Answer> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of response.body ?? []) {
    bytes += piece.length
    if (bytes > maxAnswerBytes) break
    pieces.push(piece)
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8')) ?? {}
  } catch {
    // A proxy's page, or nothing: its status says enough.
    return {}
  }
}

function answered({ status, body }: { status: number; body: Answer }): Failed {
  const reason = body.error?.errors?.[0]?.reason
  const message = body.error?.message
  return { name: String(reason ?? ''), message: String(message ?? ''), status }
}

function notAnswered(error: unknown): Failed {
  // fetch says only that it failed; why is in the cause.
  const { name, message, cause } = error as Error
  const why = cause instanceof Error ? cause.message : message
  return { name: systemCode(cause) ?? systemCode(error) ?? name, message: why }
}
