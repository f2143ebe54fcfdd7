// Puts objects into S3, or a server that speaks its protocol.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
//
// The traps. `requestTimeout` alone only warns: a server that says nothing hangs
// us for ever without `throwOnRequestTimeout`. A PUT whose answer was lost is
// tried again by the SDK and then finds its own object: 412 is no failure, but a
// question whether the bytes there are ours.

import { createHash } from 'node:crypto'
import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
} from '@aws-sdk/client-s3'
import { ProfilerError, systemCode } from '../errors.ts'
import type { Bucket } from './destination.ts'
import {
  attemptMs,
  connectMs,
  type Store,
  type StoredObject,
  type StoreSettings,
  stalledMs,
} from './store.ts'
import { storeError } from './store-failures.ts'

// The first, and three more after it: 0.1, 0.2 and 0.4 s apart at most, by chance less.
const attempts = 4

/** @throws {ProfilerError} `SP_STORE_CREDENTIALS`, `SP_CONFIG_INVALID` */
export async function openS3({ bucket, prefix }: Bucket, settings: StoreSettings): Promise<Store> {
  const { client, host } = await connect(settings)
  const store = host === undefined ? `s3://${bucket}` : `s3://${bucket} at ${host}`
  const failure = (error: unknown, signal: AbortSignal) => asFailure(store, error, signal)
  const put = async (object: StoredObject, signal: AbortSignal) => {
    const at = { Bucket: bucket, Key: prefix + object.key }
    const options = { abortSignal: signal, requestTimeout: attemptMs(object.bytes.length) }
    // Somebody else may be at it just now (409), or have removed what was in the way (404).
    for (let tries = 0; tries < attempts; tries++) {
      try {
        await client.send(new PutObjectCommand({ ...at, ...describe(object, settings) }), options)
        return
      } catch (error) {
        const status = statusOf(error)
        if (status !== 412 && status !== 409) throw failure(error, signal)
        const there = await compare(client, at, object, options).catch(cause => {
          throw failure(cause, signal)
        })
        if (there === 'same') return
        if (there === 'other') {
          const message = `${store} has another ${at.Key}, with other bytes`
          throw new ProfilerError('SP_STORE_CONFLICT', message)
        }
      }
    }
    throw storeError({ store, name: 'ConditionalRequestConflict', message: at.Key, status: 503 })
  }
  return { put, close: () => client.destroy() }
}

async function connect(
  settings: StoreSettings,
): Promise<{ client: S3Client; host: string | undefined }> {
  // Empty is as good as none: a manifest cannot leave a variable out.
  const { AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, AWS_REGION, AWS_DEFAULT_REGION } = process.env
  const endpoint = settings.s3Endpoint ?? (AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL || undefined)
  if (endpoint !== undefined && /\/\/[^/]*@/.test(endpoint)) {
    throw new ProfilerError('SP_CONFIG_INVALID', 'AWS_ENDPOINT_URL takes no user and no password')
  }
  const region = settings.s3Region ?? (AWS_REGION || AWS_DEFAULT_REGION || undefined)
  const make = (region: string | undefined) =>
    new S3Client({
      ...(region !== undefined && { region }),
      ...(endpoint !== undefined && { endpoint }),
      forcePathStyle: settings.s3PathStyle ?? endpoint !== undefined,
      followRegionRedirects: true,
      maxAttempts: attempts,
      // Ours is SHA-256, and it is given.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      requestHandler: {
        connectionTimeout: connectMs,
        socketTimeout: stalledMs,
        requestTimeout: stalledMs,
        throwOnRequestTimeout: true,
      },
    })
  let client = make(region)
  const noRegion = await client.config.region().then(
    () => false,
    () => true,
  )
  if (noRegion && endpoint === undefined) {
    throw new ProfilerError('SP_STORE_CREDENTIALS', 'no region is set for S3 (AWS_REGION)')
  }
  // A server of one's own has no regions, and one has to be named all the same.
  if (noRegion) client = make('us-east-1')
  await client.config.credentials().catch((error: Error) => {
    const message = `there are no credentials for S3: ${error.message.slice(0, 300)}`
    throw new ProfilerError('SP_STORE_CREDENTIALS', message)
  })
  return { client, host: endpoint === undefined ? undefined : URL.parse(endpoint)?.host }
}

type Described = Omit<PutObjectCommandInput, 'Bucket' | 'Key'>

function describe(
  { bytes, sha256, contentType }: StoredObject,
  { s3Encryption, objectTags }: StoreSettings,
): Described {
  const [, key] = /^aws:kms:(.+)$/.exec(s3Encryption ?? '') ?? []
  return {
    Body: bytes,
    ContentLength: bytes.length,
    ContentType: contentType,
    IfNoneMatch: '*',
    ChecksumAlgorithm: 'SHA256',
    ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64'),
    ...(s3Encryption !== undefined && {
      ServerSideEncryption: s3Encryption === 'AES256' ? 'AES256' : 'aws:kms',
    }),
    ...(key !== undefined && { SSEKMSKeyId: key }),
    ...(objectTags !== undefined && { Tagging: `${new URLSearchParams(objectTags)}` }),
  }
}

type RequestOptions = Parameters<S3Client['send']>[1]

/** By the checksum that the server keeps; by the bytes where it keeps none. */
async function compare(
  client: S3Client,
  at: { readonly Bucket: string; readonly Key: string },
  { bytes, sha256 }: StoredObject,
  options: RequestOptions & object,
): Promise<'same' | 'other' | 'gone'> {
  try {
    const head = await client.send(
      new HeadObjectCommand({ ...at, ChecksumMode: 'ENABLED' }),
      options,
    )
    if (head.ContentLength !== bytes.length) return 'other'
    // Of an upload in parts it is a checksum of checksums, and says so.
    if (head.ChecksumSHA256 !== undefined && !head.ChecksumSHA256.includes('-')) {
      return head.ChecksumSHA256 === Buffer.from(sha256, 'hex').toString('base64')
        ? 'same'
        : 'other'
    }
    const { Body: body } = await client.send(new GetObjectCommand(at), options)
    const hash = createHash('sha256')
    let left = bytes.length
    for await (const piece of body as AsyncIterable<Uint8Array>) {
      left -= piece.length
      if (left < 0) return 'other'
      hash.update(piece)
    }
    return left === 0 && hash.digest('hex') === sha256 ? 'same' : 'other'
  } catch (error) {
    if (statusOf(error) === 404) return 'gone'
    throw error
  }
}

interface ServiceError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string }
}

function statusOf(error: unknown): number | undefined {
  return (error as ServiceError).$metadata?.httpStatusCode
}

function asFailure(store: string, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason
  const { name, message, $metadata } = error as ServiceError
  return storeError({
    store,
    name: systemCode(error) ?? name,
    message,
    status: statusOf(error),
    requestId: $metadata?.requestId,
  })
}
