// The mTLS side: a certificate of ours, the CA of those who may come, and both
// again when they change.
//
// Kubernetes renews a mounted Secret by swapping a link, cert-manager a third of
// the way before the end. So the files are looked at every ten seconds, by their
// content; a pair that does not fit together is a renewal half done, and the one
// before stays in use.

import { createHash, X509Certificate } from 'node:crypto'
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
  /** When our own certificate ends. */
  readonly notAfter: Date
}

const lookMs = 10_000
const maxFileBytes = 1 << 20

/** @throws {ProfilerError} `SP_TLS_INVALID` */
export function readTls({ tlsCert, tlsKey, tlsCa, tlsMin }: TlsFiles): TlsMaterial {
  const [cert, key, ca] = [tlsCert, tlsKey, tlsCa].map(read) as [Buffer, Buffer, Buffer]
  const options = { cert, key, ca, minVersion: `TLSv${tlsMin}` } as const
  try {
    // It checks that the key is the certificate's.
    tls.createSecureContext(options)
    const certificate = new X509Certificate(cert)
    new X509Certificate(ca)
    const digest = createHash('sha256').update(cert).update(key).update(ca).digest('hex')
    return { options, digest, notAfter: new Date(certificate.validTo) }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ProfilerError('SP_TLS_INVALID', `${tlsCert}, ${tlsKey}, ${tlsCa}: ${why}`, { cause })
  }
}

/** Looks at the files for as long as the server lives; a new context is for the connections to come. */
export function reloadTls(files: TlsFiles, first: TlsMaterial, server: tls.Server): () => void {
  let current = first
  const look = setInterval(() => {
    try {
      const read = readTls(files)
      if (read.digest === current.digest) return
      server.setSecureContext(read.options)
      current = read
      log.info({ notAfter: read.notAfter }, 'certificates reloaded')
    } catch (error) {
      const { message } = error as Error
      log.warn({ reason: message }, 'certificates not reloaded: those before stay in use')
    }
  }, lookMs)
  look.unref()
  return () => clearInterval(look)
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
