// The mTLS side: a certificate of ours, the CA of those who may come, and both
// again when they change.
//
// Kubernetes renews a mounted Secret by swapping a link, cert-manager a third of
// the way before the end. So the files are looked at every ten seconds, by their
// content; a pair that does not fit together is a renewal half done, and the one
// before stays in use.

import { constants, createHash, X509Certificate } from 'node:crypto'
import fs from 'node:fs'
import tls from 'node:tls'
import { ProfilerError, systemCode } from '../errors.ts'
import { log } from '../log.ts'

export interface TlsFiles {
  readonly tlsCert: string
  readonly tlsKey: string
  readonly tlsCa: string
  readonly tlsMin: '1.2' | '1.3'
}

export interface TlsMaterial {
  readonly options: tls.SecureContextOptions
  readonly digest: string
  /** Of those who may come: when it changes, those who came under the one before have to come again. */
  readonly caDigest: string
  /** When our own certificate ends. */
  readonly notAfter: Date
}

// Of TLS 1.2 only what has forward secrecy and authenticates what it encrypts; of 1.3 everything.
const ciphers = [
  'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

// A session that is resumed would let in a certificate that has ended since, and a client that asks
// for new keys again and again makes us work.
const secureOptions = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION

const lookMs = Number(process.env.SP_TLS_LOOK_MS ?? 10_000)
const maxFileBytes = 1 << 20

/** @throws {ProfilerError} `SP_TLS_INVALID` */
export function readTls({ tlsCert, tlsKey, tlsCa, tlsMin }: TlsFiles): TlsMaterial {
  const [cert, key, ca] = [tlsCert, tlsKey, tlsCa].map(read) as [Buffer, Buffer, Buffer]
  const minVersion = `TLSv${tlsMin}` as const
  const options = { cert, key, ca, minVersion, ciphers, secureOptions }
  try {
    // It checks that the key is the certificate's.
    tls.createSecureContext(options)
    const certificate = new X509Certificate(cert)
    new X509Certificate(ca)
    const digest = createHash('sha256').update(cert).update(key).update(ca).digest('hex')
    const caDigest = createHash('sha256').update(ca).digest('hex')
    return { options, digest, caDigest, notAfter: new Date(certificate.validTo) }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ProfilerError('SP_TLS_INVALID', `${tlsCert}, ${tlsKey}, ${tlsCa}: ${why}`, { cause })
  }
}

export interface WatchedTls {
  /** What is in use; undefined while the files have never fitted together: then nobody comes in this way. */
  readonly current: TlsMaterial | undefined
  /** Called with what new connections are to use, and with what those before have used. */
  onChange: (material: TlsMaterial, before: TlsMaterial | undefined) => void
}

/** Looks at the files, now and for as long as the process lives. Never throws: the shell in the pod needs no certificate. */
export function watchTls(files: TlsFiles): WatchedTls {
  let current: TlsMaterial | undefined
  let told = ''
  const watched: WatchedTls = {
    get current() {
      return current
    },
    onChange() {},
  }
  const look = () => {
    try {
      const read = readTls(files)
      told = ''
      if (read.digest === current?.digest) return
      const before = current
      current = read
      watched.onChange(read, before)
      if (before !== undefined) log.info({ notAfter: read.notAfter }, 'certificates reloaded')
    } catch (error) {
      const { message } = error as Error
      const meanwhile =
        current === undefined ? 'nobody comes in over TLS' : 'those before stay in use'
      if (message !== told) log.warn({ reason: message }, `certificates not loaded: ${meanwhile}`)
      told = message
    }
  }
  look()
  setInterval(look, lookMs).unref()
  return watched
}

/**
 * Ends a connection with the certificate that opened it.
 *
 * @param lastWordMs what asks is told so in that time; what goes on without asking, as events do, is cut after it
 */
export function endWithCertificate(socket: tls.TLSSocket, lastWordMs: number): void {
  const leftMs = Date.parse(socket.getPeerCertificate().valid_to) - Date.now() + lastWordMs
  // A timer holds 24 days, and no connection does.
  const end = setTimeout(() => socket.destroy(), Math.min(leftMs, 2 ** 31 - 1))
  end.unref()
  socket.once('close', () => clearTimeout(end))
}

function read(file: string): Buffer {
  try {
    if (fs.statSync(file).size > maxFileBytes) {
      throw new ProfilerError('SP_TLS_INVALID', `${file} is larger than a certificate can be`)
    }
    return fs.readFileSync(file)
  } catch (cause) {
    if (cause instanceof ProfilerError) throw cause
    throw new ProfilerError('SP_TLS_INVALID', `${file} cannot be read: ${systemCode(cause)}`, {
      cause,
    })
  }
}
