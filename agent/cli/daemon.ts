// The daemon of this pod, as a client: found by its socket and its token, both in
// a folder that is ours alone, and asked over HTTP.
//
// The trap: the folder's name can be guessed, so another user may have made one
// that looks like it. What is not ours, or not closed to others, is no daemon of ours.

import fs from 'node:fs'
import http from 'node:http'
import { type Config, environmentNameOf } from '../config.ts'
import { serveShape } from '../config-serve.ts'
import { systemCode } from '../errors.ts'
import { daemonPaths } from './daemon-paths.ts'
import type { Terminal } from './terminal.ts'

export interface Daemon {
  readonly socket: string
  readonly tokenFile: string
  readonly token: string
}

export interface Answer {
  readonly status: number
  readonly body: Buffer
}

/** It may have to be woken first, on a machine that is overloaded. */
const answerMs = 30_000
// As much as the gate lets an artefact be.
const maxAnswerBytes = 64 << 20
const maxTokenBytes = 200

/** @returns undefined where there is none, or, with a line that says why, where it is not to be used */
export function findDaemon({ settings, sources }: Config, terminal: Terminal): Daemon | undefined {
  if (settings.alone) return undefined
  const { state, socket, tokenFile } = daemonPaths(settings)
  try {
    if (fs.lstatSync(socket, { throwIfNoEntry: false }) === undefined) return undefined
    const cannot = cannotBeAsked(sources)
    if (cannot !== undefined) throw new Error(`it cannot be asked for ${cannot}`)
    checkOurs(state, 'folder')
    checkOurs(socket, 'socket')
    return { socket, tokenFile, token: readToken(tokenFile) }
  } catch (error) {
    sayAlone((error as Error).message, terminal)
    return undefined
  }
}

export function sayAlone(why: string, terminal: Terminal): void {
  terminal.state('alone', `There is a daemon, but ${why}: working alone.`)
}

/**
 * @throws an error of the system where it does not answer, `SP_LIMIT`-sized answers included
 */
export function askDaemon(
  { socket, token }: Daemon,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  { body, headers = {} }: { body?: unknown; headers?: Readonly<Record<string, string>> } = {},
): Promise<Answer> {
  const text = body === undefined ? undefined : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        socketPath: socket,
        method,
        path,
        agent: false,
        signal: AbortSignal.timeout(answerMs),
        headers: {
          host: 'localhost',
          authorization: `Bearer ${token}`,
          ...(text !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
      },
      response => {
        const pieces: Buffer[] = []
        let length = 0
        response.on('data', (piece: Buffer) => {
          length += piece.length
          if (length > maxAnswerBytes) response.destroy(new Error('the answer is too large'))
          else pieces.push(piece)
        })
        response.on('error', reject)
        response.on('end', () => {
          resolve({ status: response.statusCode!, body: Buffer.concat(pieces) })
        })
      },
    )
    request.on('error', reject)
    request.end(text)
  })
}

/** What is set for this capture that an ask has no word for; the daemon has settings of its own. */
function cannotBeAsked(sources: Config['sources']): string | undefined {
  for (const [name, source] of sources) {
    // It must be redacted by these patterns, and whether the daemon has them is not known.
    if (name === 'customerIds' && source !== 'default') return name
    const isHere = source === 'flag' || source === 'file'
    if (isHere && !askable.has(name) && !(name in serveShape)) {
      return source === 'flag' ? flagOf(name) : `${name} (${environmentNameOf(name)})`
    }
  }
  return undefined
}

/** What goes into an ask, and what is done here whoever captures. */
const askable = new Set([
  'duration',
  'hertz',
  'mode',
  'tool',
  'callGraph',
  'stat',
  'native',
  'pause',
  'windows',
  'every',
  'format',
  'to',
  'incident',
  'output',
  'force',
  'json',
  'debug',
])

function flagOf(setting: string): string {
  return `--${setting.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`
}

/** @throws {Error} for what another user could have put there */
function checkOurs(file: string, kind: 'folder' | 'socket'): void {
  const stat = lookAt(file)
  const isKind = kind === 'folder' ? stat.isDirectory() : stat.isSocket()
  if (!isKind) throw new Error(`${file} is no ${kind}`)
  if (stat.uid !== process.getuid?.()) throw new Error(`it is of uid ${stat.uid} (${file})`)
  if (kind === 'folder' && (stat.mode & 0o077) !== 0) throw new Error(`${file} is open to others`)
}

function lookAt(file: string): fs.Stats {
  try {
    return fs.lstatSync(file)
  } catch (cause) {
    throw new Error(`${file} cannot be looked at (${systemCode(cause)})`, { cause })
  }
}

function readToken(file: string): string {
  let fd: number
  try {
    fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW)
  } catch (cause) {
    throw new Error(`its token cannot be read (${systemCode(cause)})`, { cause })
  }
  try {
    const stat = fs.fstatSync(fd)
    const isOurs = stat.isFile() && stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0
    if (!isOurs) throw new Error(`${file} is not a file of ours that is closed to others`)
    const bytes = Buffer.alloc(maxTokenBytes)
    const token = bytes.toString('latin1', 0, fs.readSync(fd, bytes)).trim()
    if (!/^[\x21-\x7e]+$/.test(token)) throw new Error(`${file} holds no token`)
    return token
  } finally {
    fs.closeSync(fd)
  }
}
