// `sp-flamegraph serve`: checks everything first, then becomes the door.
//
// The settings, the certificates and the state folder are looked at here, where
// what is wrong can be told to a person; certificates alone are no reason to end.
// Then this process is replaced by one that has loaded none of it: idle memory
// comes back only by ending.

import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import type { Settings } from '../config.ts'
import { ProfilerError, systemCode } from '../errors.ts'
import { addressOf, type DaemonSettings, settingsVariable } from '../http/door-words.ts'
import { readTls, type TlsFiles } from '../http/tls.ts'
import { measureSpool } from '../publish/spool.ts'
import { cleanAll } from '../session/clean.ts'
import { openStore, readBounded } from '../session/store.ts'
import { attempted } from '../target/candidates.ts'
import { readStat } from '../target/procfs.ts'
import { daemonPaths } from './daemon-paths.ts'
import type { Terminal } from './terminal.ts'

export async function serve(
  positionals: readonly string[],
  settings: Settings,
  terminal: Terminal,
): Promise<void> {
  if (positionals.length > 0) {
    throw new ProfilerError('SP_USAGE', `serve takes no ${positionals.join(' ')}`)
  }
  refuseFiles(settings)
  const { state, socket, tokenFile } = daemonPaths(settings)
  if (Buffer.byteLength(socket) > maxSocketPath) {
    const message = `${socket} is longer than the ${maxSocketPath} bytes that the path of a socket may have`
    throw new ProfilerError('SP_LISTEN_FAILED', message, {
      facts: { 'name a shorter one with': '--socket' },
    })
  }
  const store = await openStore(state)
  if (await isAnswering(socket)) {
    throw new ProfilerError('SP_DAEMON_RUNNING', `a daemon listens on ${socket}`)
  }
  for (const address of [settings.listen, settings.tlsListen]) {
    if (address !== undefined && address !== 'off') await tryToListen(addressOf(address))
  }
  takeState(path.join(state, 'door.json'))
  await cleanAll(store)
  writeToken(tokenFile)
  const program = process.argv[1]!
  const daemon: DaemonSettings = {
    program,
    // A folder that is named from here must not be looked for from elsewhere.
    settings: { ...settings, to: absolute(settings.to) },
    state,
    socket,
    tokenFile,
    recorder: undefined,
    isWorkLeft: (await measureSpool(settings)).entries > 0,
    counted: {},
  }
  const tlsProblem = problemOfTls(settings)
  if (tlsProblem !== undefined) terminal.state('tls-closed', tlsProblem)
  terminal.state('serving', `Token: ${tokenFile}; socket: ${socket}`)
  // The warning that execve() is experimental is for those who write programs.
  process.removeAllListeners('warning')
  process.execve!(process.execPath, [process.execPath, ...doorFlags, ...doorOf(program), '@door'], {
    ...(process.env as Record<string, string>),
    [settingsVariable]: JSON.stringify(daemon),
  })
}

/**
 * Why nobody comes in over TLS. No reason to end: in a pod a sidecar that ends makes the app not ready, for a
 * Secret that comes later; the files are looked at again, and the shell in the pod needs none.
 */
function problemOfTls(settings: Settings): string | undefined {
  if (settings.tlsListen === undefined) return undefined
  try {
    readTls(settings as TlsFiles)
    return undefined
  } catch (error) {
    const { code, message, hint } = error as ProfilerError
    return `${code}: nobody comes in over TLS until this is mended: ${message}. ${hint}`
  }
}

/** One file cannot hold what many captures give, and who asks a daemon does not have its files. */
function refuseFiles({ output, live, keepRaw }: Settings): void {
  const given = Object.entries({ output, live, keepRaw }).filter(([, file]) => file !== undefined)
  if (given.length === 0) return
  const names = given.map(([name]) => name).join(', ')
  throw new ProfilerError(
    'SP_CONFIG_INVALID',
    `${names}: a file of one capture, and not of a daemon`,
  )
}

// Of the kernel (`sun_path`), less the zero at the end.
const maxSocketPath = 107

// The door makes little and keeps nothing: a young generation that grows to 16 MB would only be its idle size.
// And it computes nothing: sixty probes make V8 load its compilers, which are 2 MB of code.
const doorFlags = ['--max-semi-space-size=1', '--no-opt', '--no-maglev', '--no-sparkplug']

/** Where our programs are bundled, the door is a file by itself: it takes 6 MB less so. */
function doorOf(program: string): string[] {
  const alone = path.join(path.dirname(program), 'door.cjs')
  return fs.existsSync(alone) ? [alone] : [program]
}

/** A new token with each start: a copy of the old one is worth nothing. */
function writeToken(file: string): void {
  const partial = `${file}.partial`
  try {
    fs.rmSync(partial, { force: true })
    fs.writeFileSync(partial, `${randomBytes(32).toString('base64url')}\n`, {
      mode: 0o600,
      flag: 'wx',
    })
    fs.renameSync(partial, file)
  } catch (cause) {
    const message = `${file} cannot be written: ${systemCode(cause)}`
    throw new ProfilerError('SP_OUTPUT_FAILED', message, { cause })
  }
}

/** This process becomes the door, so its pid is the door's. @throws {ProfilerError} `SP_DAEMON_RUNNING` */
function takeState(file: string): void {
  const { startTicks } = readStat(process.pid)
  for (const isLast of [false, true]) {
    try {
      const text = JSON.stringify({ pid: process.pid, startTicks })
      fs.writeFileSync(file, text, { mode: 0o600, flag: 'wx' })
      return
    } catch (cause) {
      if (systemCode(cause) !== 'EEXIST' || isLast) {
        const message = `${file} cannot be written: ${systemCode(cause)}`
        throw new ProfilerError('SP_OUTPUT_FAILED', message, { cause })
      }
    }
    const other = attempted(() => JSON.parse(readBounded(file)))
    const ticks = attempted(() => readStat(other?.pid).startTicks)
    if (ticks !== undefined && ticks === other?.startTicks) {
      const message = `process ${other.pid} has ${path.dirname(file)}`
      throw new ProfilerError('SP_DAEMON_RUNNING', message)
    }
    // Its daemon was killed.
    fs.rmSync(file, { force: true })
  }
}

/** The door would say it to a log; here a person reads. @throws {ProfilerError} `SP_LISTEN_FAILED` */
function tryToListen(where: net.ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = net.createServer()
    server.once('error', cause => {
      const message = `${where.host}:${where.port} cannot be listened on: ${systemCode(cause)}`
      reject(new ProfilerError('SP_LISTEN_FAILED', message, { cause }))
    })
    server.listen(where, () => server.close(() => resolve()))
  })
}

function isAnswering(socket: string): Promise<boolean> {
  return new Promise(resolve => {
    const connection = net.connect(socket)
    connection.once('connect', () => {
      connection.destroy()
      resolve(true)
    })
    connection.once('error', () => resolve(false))
  })
}

function absolute(to: string): string {
  return to.startsWith('file:') ? `file:${path.resolve(to.slice('file:'.length))}` : to
}
