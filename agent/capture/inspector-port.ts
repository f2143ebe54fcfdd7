// The inspector's port of a Node.js process: opened by SIGUSR1 if it is not open,
// found among the process's own sockets, never asked for at another's.
// https://nodejs.org/api/inspector.html
//
// The traps. A signal that nobody catches kills: the mask is read once more right
// before it is sent. The port is opened by the main thread, so a process that is
// busy in native code opens it seconds later, when we have gone on to another
// tool: whoever waited in vain stays on watch for a while, and closes it then. A
// handler of the program's own looks from outside like Node's: no port comes.

import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { ProfilerError } from '../errors.ts'
import type { Endpoint, InspectorCapture } from '../runtimes/runtime.ts'
import { readListeners, readSockets, readStat, readStatus } from '../target/procfs.ts'

export interface InspectorPort extends Endpoint {
  /** Of the WebSocket: the process chooses another one each time. */
  readonly path: string
}

type Where = Pick<InspectorCapture, 'pid' | 'startTicks' | 'port' | 'seesSockets'>

// 8 to 106 ms were measured on an idle and on a loaded machine.
const openMs = 1500
const pollMs = 5
const answerMs = 2000
const maxAnswerBytes = 64 << 10
// Node binds 127.0.0.1 unless it was told otherwise.
const loopback = new Set(['127.0.0.1', '0.0.0.0', '::1', '::'])

/**
 * Sends the signal and waits for the port.
 *
 * @param closeLate closes a port that appears when nobody waits for it any more
 * @throws {ProfilerError} `SP_TOOL_FAILED`, `SP_NOT_PERMITTED`, `SP_TARGET_GONE`, `SP_TARGET_REUSED`
 */
export async function openPort(
  where: Where,
  discard: AbortSignal,
  closeLate: (endpoint: Endpoint) => Promise<unknown>,
): Promise<Endpoint> {
  const before = listenersOf(where)
  signal(where)
  const until = performance.now() + openMs
  while (performance.now() < until && !discard.aborted) {
    const found = newListener(where, before)
    if (found !== undefined) return found
    await sleep(pollMs)
  }
  watchForLatePort(where, before, closeLate)
  throw new ProfilerError(
    'SP_TOOL_FAILED',
    `process ${where.pid} got SIGUSR1 and opened no inspector within ${openMs / 1000} s: ` +
      'it has a handler of its own for that signal, or its main thread is blocked',
  )
}

/** Asks an open port for the address of its WebSocket. @throws {ProfilerError} `SP_TOOL_FAILED` */
export async function askPort(endpoint: Endpoint): Promise<InspectorPort> {
  const address = endpoint.address.includes(':') ? '::1' : '127.0.0.1'
  const text = await get({ address, port: endpoint.port }, '/json/list')
  // A UUID. Nothing else of what it says is used.
  const id = /"id"\s*:\s*"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"/i.exec(text)?.[1]
  if (id === undefined) {
    throw new ProfilerError('SP_TOOL_FAILED', `port ${endpoint.port} does not say its address`)
  }
  return { address, port: endpoint.port, path: `/${id}` }
}

/** Whether the process, or where that cannot be told somebody, still listens there. */
export function isListening(where: Where, port: number): boolean {
  try {
    return listenersOf(where).some(each => each.port === port)
  } catch {
    // It has ended, and its port with it.
    return false
  }
}

// How long after a signal that brought nothing a port may still appear: as long as one call of
// native code may last. We stay for the first part of it even if we have nothing else to do.
const watchMs = 30_000
const stayMs = 5000
const watchPollMs = 250

/** Never rejects. */
async function watchForLatePort(
  where: Where,
  before: readonly Endpoint[],
  close: (endpoint: Endpoint) => Promise<unknown>,
): Promise<void> {
  const startedMs = performance.now()
  for (let passed = 0; passed < watchMs; passed = performance.now() - startedMs) {
    await sleep(watchPollMs, undefined, { ref: passed < stayMs })
    try {
      if (readStat(where.pid).startTicks !== where.startTicks) return
      const found = newListener(where, before)
      if (found !== undefined) {
        await close(found)
        return
      }
    } catch {
      // It has ended, or cannot be reached.
      return
    }
  }
}

function listenersOf({ pid, seesSockets }: Where): Endpoint[] {
  return seesSockets
    ? readListeners(pid)
    : readSockets(pid).filter(({ state }) => state === 'listening')
}

/**
 * On the port that it was expected on; or, where a socket can be told to be its own, on any other: a
 * process that changed its title does not show what port it was started for.
 */
function newListener(where: Where, before: readonly Endpoint[]): Endpoint | undefined {
  const found = listenersOf(where).filter(({ port }) => !before.some(each => each.port === port))
  return (
    found.find(({ address, port }) => port === where.port && loopback.has(address)) ??
    found.find(({ address }) => where.seesSockets && address === '127.0.0.1')
  )
}

// Bit 9 of the mask, for signal 10.
const sigusr1 = 1n << 9n

function signal({ pid, startTicks }: Where): void {
  if (readStat(pid).startTicks !== startTicks) {
    throw new ProfilerError('SP_TARGET_REUSED', `process ${pid} is another one now`)
  }
  if ((readStatus(pid).caughtSignals & sigusr1) === 0n) {
    throw new ProfilerError('SP_TOOL_FAILED', `process ${pid} does not catch SIGUSR1 any more`)
  }
  try {
    process.kill(pid, 'SIGUSR1')
  } catch (cause) {
    throw new ProfilerError(
      'SP_NOT_PERMITTED',
      `process ${pid} may not be sent a signal: grant the capability KILL`,
      { cause },
    )
  }
}

function get({ address, port }: Endpoint, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => {
      const message = `port ${port} does not answer as an inspector`
      reject(new ProfilerError('SP_TOOL_FAILED', message, { cause }))
    }
    const options = {
      host: address,
      port,
      path,
      agent: false,
      signal: AbortSignal.timeout(answerMs),
    }
    const request = http.get(options, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
        if (text.length > maxAnswerBytes) request.destroy(new Error('too long'))
      })
      response.on('error', fail).on('end', () => resolve(text))
    })
    request.on('error', fail)
  })
}
