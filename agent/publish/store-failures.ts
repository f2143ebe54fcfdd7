// Why a store did not take something, in words and with a code of ours.
//
// The trap: what a store and a library say may hold what they were sent, so only
// the name of a failure, its status and a bounded sentence are passed on, and
// never the error itself with the request inside it.

import { type ErrorCode, type ErrorFacts, ProfilerError } from '../errors.ts'

/** What is known of an answer that was a no, or of none. */
export interface StoreFailure {
  /** `s3://bucket`, and the server where it is not the usual one. */
  readonly store: string
  /** The store's name for it (`AccessDenied`), or the system's (`ECONNREFUSED`). */
  readonly name: string
  readonly message: string
  readonly status?: number | undefined
  readonly requestId?: string | undefined
}

export function storeError(failure: StoreFailure): ProfilerError {
  const { store, name, status, message, requestId } = failure
  const [code, words] = explain(failure)
  const facts: ErrorFacts = {
    ...(status !== undefined && { answer: `${status} ${name}: ${message.slice(0, 300)}` }),
    ...(requestId !== undefined && { request: requestId.slice(0, 100) }),
  }
  return new ProfilerError(code, `${store} ${words}`, { facts })
}

function explain({ name, status, message }: StoreFailure): readonly [ErrorCode, string] {
  const known = storeWords.get(name)
  if (known !== undefined) return known
  if (status === undefined) return ['SP_STORE_UNREACHABLE', networkWords(name, message)]
  if (status === 401) return ['SP_STORE_CREDENTIALS', 'does not know our credentials']
  if (status === 403) return ['SP_STORE_REFUSED', 'does not let us write there']
  if (status === 404 || status === 301) return ['SP_STORE_MISSING', 'is not there']
  if (status === 408 || status === 429 || (status >= 500 && status !== 501)) {
    return ['SP_STORE_UNREACHABLE', `is in trouble: it answers ${status} ${name}`]
  }
  return ['SP_STORE_REFUSED', `does not take it: ${status} ${name}`]
}

const storeWords: ReadonlyMap<string, readonly [ErrorCode, string]> = new Map([
  ['NoSuchBucket', ['SP_STORE_MISSING', 'is not there']],
  ['PermanentRedirect', ['SP_STORE_MISSING', 'is in another region']],
  ['AuthorizationHeaderMalformed', ['SP_STORE_CREDENTIALS', 'is in another region']],
  ['InvalidAccessKeyId', ['SP_STORE_CREDENTIALS', 'does not know our access key']],
  // Of versitygw.
  ['XAdminUserNotFound', ['SP_STORE_CREDENTIALS', 'does not know our access key']],
  ['SignatureDoesNotMatch', ['SP_STORE_CREDENTIALS', 'does not accept our secret key']],
  ['ExpiredToken', ['SP_STORE_CREDENTIALS', 'says that our credentials have expired']],
  ['InvalidToken', ['SP_STORE_CREDENTIALS', 'does not accept our session token']],
  [
    'RequestTimeTooSkewed',
    ['SP_STORE_CREDENTIALS', 'has another time: the clock of this machine is wrong'],
  ],
  ['NotImplemented', ['SP_STORE_REFUSED', 'cannot do what we need: to make an object only once']],
])

function networkWords(name: string, message: string): string {
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/.test(name)) {
    return `cannot be trusted: its certificate (${name})`
  }
  return `cannot be reached: ${systemWords.get(name) ?? (systemName.test(name) ? name : `${name}, ${message}`.slice(0, 200))}`
}

const systemName = /^[A-Z][A-Z0-9_]+$/

const systemWords: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'nothing listens there'],
  ['ECONNRESET', 'the connection was reset'],
  ['EPIPE', 'the connection was reset'],
  ['ENOTFOUND', 'its name does not resolve'],
  ['EAI_AGAIN', 'names cannot be resolved now'],
  ['EHOSTUNREACH', 'there is no way to it'],
  ['EPROTO', 'it does not speak TLS: http: instead of https:, or another port?'],
  ['ENETUNREACH', 'there is no network'],
  ['ETIMEDOUT', 'it does not answer'],
  ['TimeoutError', 'it does not answer'],
  ['UND_ERR_SOCKET', 'the connection was closed'],
])
