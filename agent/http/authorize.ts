// Who asks, and what they may do.
//
// Over mTLS it is the certificate's SAN, which the configuration maps to a role.
// Over loopback and the unix socket it is the token of a 0600 file: the other
// containers of the pod share the loopback, so to come from there proves nothing.
// A browser on loopback has a cookie that is good for looking only. It is made of
// the token and is not the token: a browser sends it to every port of `localhost`,
// and so to whatever else is forwarded there.
//
// The trap: a SAN is text that a CA signed and Node joined by commas; what holds a
// quote is escaped by Node, and is nobody we know (CVE-2021-44532).

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'
import type { Role } from '../config-serve.ts'
import { ProfilerError } from '../errors.ts'
import type { Identity } from '../session/ask.ts'

export interface Doorkeeper {
  /** @throws {ProfilerError} `SP_UNAUTHENTICATED`, `SP_FORBIDDEN` */
  admit(request: FastifyRequest, needed: Role): Identity
  /**
   * The cookie by which a browser may look.
   *
   * @throws {ProfilerError} `SP_UNAUTHENTICATED` for any other token
   */
  cookieFor(token: string): string
}

const cookieName = 'sp_token'

const ranks: Readonly<Record<Role, number>> = { viewer: 0, capturer: 1, admin: 2 }

export function doorkeeper(clients: Readonly<Record<string, Role>>, token: string): Doorkeeper {
  const roleOf = new Map(Object.entries(clients))
  const lookingOnly = createHmac('sha256', token).update(cookieName).digest('base64url')
  const identify = (request: FastifyRequest, needed: Role): Identity => {
    const { socket } = request.raw
    if (isTls(socket)) return byCertificate(socket, roleOf)
    // A page of another site can make a browser ask here, but not under this name.
    if (!isLocalName(request.headers.host)) throw unauthenticated('the Host header is not local')
    const [, given] =
      /^bearer ([\x21-\x7e]{1,200})$/i.exec(request.headers.authorization ?? '') ?? []
    if (given !== undefined) {
      if (isSame(given, token)) return { name: 'token', role: 'admin' }
      throw unauthenticated('the token is wrong')
    }
    const cookie = cookieOf(request.headers.cookie)
    if (cookie !== undefined && needed === 'viewer' && request.method === 'GET') {
      if (isSame(cookie, lookingOnly)) return { name: 'token', role: 'viewer' }
    }
    throw unauthenticated('no token was given')
  }
  return {
    cookieFor(given) {
      if (!isSame(given, token)) throw unauthenticated('the token is wrong')
      // Strict: no page of another site makes the browser send it.
      return `${cookieName}=${lookingOnly}; HttpOnly; SameSite=Strict; Path=/`
    },
    admit(request, needed) {
      const identity = identify(request, needed)
      if (ranks[identity.role] >= ranks[needed]) return identity
      throw new ProfilerError('SP_FORBIDDEN', `${identity.name} is a ${identity.role}`, {
        facts: { needed, by: identity.name },
      })
    },
  }
}

/** Of equal length for any input, so that its time tells nothing. */
export function isSame(given: string, token: string): boolean {
  const [a, b] = [given, token].map(text => createHash('sha256').update(text).digest())
  return timingSafeEqual(a!, b!)
}

export function isTls(socket: unknown): socket is TLSSocket {
  return (socket as { encrypted?: boolean }).encrypted === true
}

/** `URI:spiffe://…, DNS:…`: every entry that is only what it seems to be. */
export function namesOf(subjectAltName: string | undefined): string[] {
  if (subjectAltName === undefined || subjectAltName.includes('"')) return []
  return subjectAltName.split(', ').filter(name => /^(?:URI|DNS):[\x21-\x7e]{1,400}$/.test(name))
}

function byCertificate(socket: TLSSocket, roleOf: ReadonlyMap<string, Role>): Identity {
  // The handshake has checked the chain; this is the last door, so it looks again.
  if (!socket.authorized) throw unauthenticated('the certificate is not trusted')
  const { subjectaltname, valid_to: validTo } = socket.getPeerCertificate()
  // A connection may be older than that.
  if (Date.parse(validTo) < Date.now()) throw unauthenticated('the certificate has ended')
  const names = namesOf(subjectaltname)
  const known = names.flatMap(name => {
    const role = roleOf.get(name)
    return role === undefined ? [] : [{ name, role }]
  })
  const [best] = known.sort((a, b) => ranks[b.role] - ranks[a.role])
  if (best !== undefined) return best
  throw new ProfilerError('SP_FORBIDDEN', 'the certificate names nobody who is let in', {
    facts: { names: names.slice(0, 4) },
  })
}

/** Of a name that reaches this machine only: what another site's page could not have made the browser send. */
function isLocalName(host: string | undefined): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/.test(host ?? '')
}

function cookieOf(header: string | undefined): string | undefined {
  for (const each of (header ?? '').split(';')) {
    const [name, value] = each.trim().split('=')
    if (name === cookieName) return value
  }
  return undefined
}

function unauthenticated(message: string): ProfilerError {
  return new ProfilerError('SP_UNAUTHENTICATED', message)
}
