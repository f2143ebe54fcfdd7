// The daemon in a pod, asked from outside of it over mTLS, as whoever holds the certificate.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import https from 'node:https'
import net from 'node:net'
import path from 'node:path'
import { temporaryFolder } from '../temporary.ts'
import { eventually } from './kubectl.ts'

/** The name in the daemon's certificate. */
export const serverName = 'profiler.shop.svc'
/** As image/deploy/components/mtls maps it to a role. */
const client = 'URI:spiffe://shop/oncall'

export interface Keys {
  /** As cert-manager would name what it puts into a Secret. */
  readonly secret: Readonly<Record<string, string>>
  readonly ca: string
  readonly oncall: { readonly cert: string; readonly key: string }
}

/** As docs/serve.md says. */
export function makeKeys(): Keys {
  const folder = temporaryFolder()
  const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
  const openssl = (words: string, subject: string) =>
    execFileSync('openssl', [...words.split(' '), '-subj', subject], { cwd: folder, stdio: 'pipe' })
  const read = (name: string) => fs.readFileSync(path.join(folder, name), 'utf8')
  openssl(`req -x509 ${newKey} -keyout ca.key -out ca.pem -days 2`, '/CN=profiler-ca')
  const issue = (name: string, san: string) => {
    openssl(`req -new ${newKey} -keyout ${name}.key -out ${name}.csr`, `/CN=${name}`)
    fs.writeFileSync(path.join(folder, `${name}.cnf`), `subjectAltName=${san}`)
    const signed = `x509 -req -in ${name}.csr -extfile ${name}.cnf -CA ca.pem -CAkey ca.key`
    const args = `${signed} -CAcreateserial -out ${name}.pem -days 2`.split(' ')
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
    return { cert: read(`${name}.pem`), key: read(`${name}.key`) }
  }
  const server = issue('server', `DNS:${serverName}`)
  const ca = read('ca.pem')
  return {
    secret: { 'tls.crt': server.cert, 'tls.key': server.key, 'ca.crt': ca },
    ca,
    oncall: issue('oncall', client),
  }
}

export interface Daemon {
  /** @throws for an answer that is not 2xx, with it */
  ask(method: string, path: string, body?: object): Promise<Buffer>
}

/** @param as undefined: without any certificate */
export function daemonAt(host: string, keys: Keys, as: Keys['oncall'] | undefined): Daemon {
  const base = { host, port: 6443, servername: serverName, ca: keys.ca, agent: false, ...as }
  return {
    ask: (method, where, body) =>
      new Promise((resolve, reject) => {
        const headers = body === undefined ? {} : { 'content-type': 'application/json' }
        const request = https.request({ ...base, method, path: where, headers }, response => {
          const pieces: Buffer[] = []
          response.on('data', piece => pieces.push(piece)).on('error', reject)
          response.on('end', () => {
            const answer = Buffer.concat(pieces)
            const status = response.statusCode!
            if (status >= 200 && status < 300) resolve(answer)
            else reject(new Error(`${method} ${where}: ${status} ${answer}`))
          })
        })
        request.on('error', reject)
        request.end(body === undefined ? undefined : JSON.stringify(body))
      }),
  }
}

export interface Capture {
  readonly id: string
  readonly createdAt: string
  readonly beganAt: string
  readonly endedAt: string
  readonly receipt: {
    readonly place: string
    readonly isPublished: boolean
    readonly afterMs: number
    readonly record: { readonly durationMs: number }
  }
}

/** Connects and sends nothing, which wakes nobody. */
export function untilOpen(host: string): Promise<unknown> {
  return eventually('the port of the daemon', 30, () => {
    return new Promise<true | undefined>(resolve => {
      const socket = net.connect(6443, host, () => resolve(true))
      socket.on('connect', () => socket.destroy()).on('error', () => resolve(undefined))
    })
  })
}

/** @returns the capture's id */
export async function askCapture(daemon: Daemon, ask: object): Promise<string> {
  return JSON.parse(`${await daemon.ask('POST', '/v1/captures', ask)}`).id
}

/** @throws if it fails, with its problem */
export function untilCapture(daemon: Daemon, id: string, state: string): Promise<Capture> {
  const look = async () => {
    const view = JSON.parse(`${await daemon.ask('GET', `/v1/captures/${id}`)}`)
    if (view.state === 'failed') throw new Error(JSON.stringify(view.problem))
    return view.state === state ? view : undefined
  }
  // Each is a handshake of its own, and what is to be timed has one core.
  return eventually(`a capture that is ${state}`, 120, look, 1000)
}
