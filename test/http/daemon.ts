// A real daemon, started by the command, and those who ask it.

import fs from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { listPids, readChildren, readStat } from '../../agent/target/procfs.ts'
import { type Running, startCommand } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'
import type { Pair } from './authority.ts'

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at the part that it is about
  readonly json: any
}

export interface Ask {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string | string[]>>
  /** Over TLS, as whom; `'none'` without a certificate. */
  readonly as?: Pair | 'none'
  /** Over the unix socket. */
  readonly overSocket?: boolean
  /** Instead of the real one; `''` for none. */
  readonly token?: string
}

export interface Daemon {
  readonly running: Running
  readonly pid: number
  readonly port: number
  readonly tlsPort: number
  readonly state: string
  readonly socket: string
  readonly output: string
  readonly token: string
  ask(method: string, path: string, how?: Ask): Promise<Answer>
  /** Bytes as they are, and what came back until the end. */
  raw(bytes: string | Buffer, port?: number): Promise<string>
  /** What it wrote into its log. */
  log(): string
  house(): number | undefined
  /** Asks until the capture is over. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  untilOver(id: string): Promise<any>
  /** Starts another one, where this one was. */
  again(): Promise<Daemon>
}

export interface DaemonOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly state?: string
  readonly output?: string
  readonly tls?: { readonly server: Pair; readonly ca: string }
}

/** Ends with the test. */
export async function startDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  const { daemon, end } = await openDaemon(options)
  onTestFinished(end)
  return daemon
}

/** Ends when it is told. */
export async function openDaemon(
  options: DaemonOptions = {},
): Promise<{ daemon: Daemon; end(): Promise<void> }> {
  const { args = [], env = {}, tls } = options
  const state = options.state ?? path.join(temporaryFolder(), 'state')
  const output = options.output ?? temporaryFolder()
  const [port, tlsPort] = [await freePort(), await freePort()]
  const secure =
    tls === undefined
      ? []
      : [
          `--tls-listen=127.0.0.1:${tlsPort}`,
          `--tls-cert=${tls.server.cert}`,
          `--tls-key=${tls.server.key}`,
          `--tls-ca=${tls.ca}`,
        ]
  const given = [`--state=${state}`, `--listen=127.0.0.1:${port}`, `--to=file:${output}`]
  const running = startCommand(['serve', ...given, ...secure, ...args], { env })
  let said = ''
  running.child.stderr!.on('data', (piece: string) => {
    said += piece
  })
  const { pid } = running.child
  const end = async () => {
    const below = descendants(pid)
    running.child.kill('SIGKILL')
    for (const each of below) kill(each)
    await running.result
  }
  await running.saying('the door is open')
  const token = fs.readFileSync(path.join(state, 'token'), 'utf8').trim()
  const socket = path.join(state, 'daemon.sock')
  const ask = (method: string, target: string, how: Ask = {}) =>
    request(method, target, how, { port, tlsPort, socket, token, ca: tls?.ca })
  const daemon: Daemon = {
    running,
    pid,
    port,
    tlsPort,
    state,
    socket,
    output,
    token,
    ask,
    raw: (bytes, to = port) => exchange(bytes, to),
    log: () => said,
    house: () => readChildren(pid)[0],
    async untilOver(id) {
      for (let tries = 0; tries < 600; tries++) {
        // A house that is killed takes those with it who were on their way.
        const json = await ask('GET', `/v1/captures/${id}`).then(
          answer => answer.json,
          () => undefined,
        )
        if (json?.state === 'finished' || json?.state === 'failed') return json
        await sleep(100)
      }
      throw new Error(`capture ${id} does not end: ${said}`)
    },
    again: () => startDaemon({ ...options, state, output }),
  }
  return { daemon, end }
}

interface Where {
  readonly port: number
  readonly tlsPort: number
  readonly socket: string
  readonly token: string
  readonly ca: string | undefined
}

function request(method: string, target: string, how: Ask, where: Where): Promise<Answer> {
  const { body, headers = {}, as, overSocket = false, token = where.token } = how
  const text =
    body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
  const client = as === undefined ? http : https
  const certificate =
    as === undefined || as === 'none'
      ? {}
      : { cert: fs.readFileSync(as.cert), key: fs.readFileSync(as.key) }
  return new Promise((resolve, reject) => {
    const sent = client.request(
      {
        method,
        path: target,
        agent: false,
        ...(as !== undefined
          ? {
              host: '127.0.0.1',
              port: where.tlsPort,
              servername: 'daemon',
              ca: fs.readFileSync(where.ca!),
              ...certificate,
            }
          : overSocket
            ? { socketPath: where.socket }
            : { host: '127.0.0.1', port: where.port }),
        headers: {
          ...(as === undefined && token !== '' && { authorization: `Bearer ${token}` }),
          ...(text !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
      },
      response => {
        let said = ''
        response.setEncoding('utf8').on('data', (piece: string) => {
          said += piece
        })
        response.on('error', reject).on('end', () => {
          const isJson = /json/.test(response.headers['content-type'] ?? '') && said !== ''
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            text: said,
            json: isJson ? JSON.parse(said) : undefined,
          })
        })
      },
    )
    sent.on('error', reject)
    sent.end(text)
  })
}

function exchange(bytes: string | Buffer, port: number): Promise<string> {
  return new Promise(resolve => {
    let said = ''
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.setEncoding('latin1').on('data', (piece: string) => {
      said += piece
    })
    socket.on('error', () => {}).on('close', () => resolve(said))
  })
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** All that a process has started, and what these have. */
export function descendants(pid: number): number[] {
  const found: number[] = []
  const look = (each: number) => {
    for (const child of attempt(() => readChildren(each)) ?? []) {
      found.push(child)
      look(child)
    }
  }
  look(pid)
  return found
}

export function isAlive(pid: number): boolean {
  const state = attempt(() => readStat(pid).state)
  return state !== undefined && !/[ZX]/.test(state)
}

export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await holds()) return
    await sleep(50)
  }
  throw new Error(`it never came: ${what}`)
}

export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  attempt(() => process.kill(pid, signal))
}

export function openDescriptors(pid: number): number {
  return fs.readdirSync(`/proc/${pid}/fd`).length
}

export { listPids }

function attempt<Value>(what: () => Value): Value | undefined {
  try {
    return what()
  } catch {
    // It has ended.
    return undefined
  }
}
