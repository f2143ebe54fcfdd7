// The door: what the daemon is while nobody needs it. It holds listeners and
// nothing else, because a bare Node is most of what idling may cost.
//
// At the first byte of a connection it starts the house as a child and hands it
// the connection with what was read. A probe that only connects sends none, and
// wakes nobody. A house that fails is a fact to be logged, not the end: the next
// connection starts another one.
//
// Here nothing is imported that the house does not need to be started: no logger,
// no schema. What is logged has the form of the logger's lines.

import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import type { Recorder } from '../capture/recorder.ts'
import { type Forked, forkSelf, spawnOwned } from '../session/fork.ts'
import type { RecorderStart } from '../session/recorder.ts'
import { readStat } from '../target/procfs.ts'
import {
  addressOf,
  type DaemonSettings,
  type FromHouse,
  settingsVariable,
  type ToHouse,
} from './door-words.ts'

// A client sends its first byte within milliseconds; what sends none is a probe, or holds the place of another.
const silentMs = 10_000
// For each listener by itself: whoever fills the one that the network reaches does not lock out the
// shell in the pod. Together they leave room in the 1024 descriptors that a process has at least.
const maxConnections = { inside: 128, outside: 512 }
// A house begins within a second on a busy machine; one that takes no connection for this long hangs.
const unansweredMs = Number(process.env.SP_UNANSWERED_MS ?? 20_000)
// A house that fails at once is not started again and again.
const shortLifeMs = 5000
const maxPauseMs = 30_000
// A process that was restarted has begun its work by then.
const recorderPauseMs = 10_000
// One that ends again and again is tried less and less often.
const recorderShortMs = 60_000
const maxRecorderPauseMs = 3_600_000

const daemon = JSON.parse(process.env[settingsVariable]!) as DaemonSettings
const { settings, socket: socketPath, state } = daemon

/** Node detaches a connection when it is sent, and forgets it when it was sent to one that is dead. */
interface Untaken {
  readonly socket: net.Socket
  readonly handle: { close(): void } | null
}

interface Child {
  readonly process: Forked
  readonly startedMs: number
  given: number
  /** On their way to it: by the number that they were given. */
  readonly untaken: Map<number, Untaken>
  readonly watch: NodeJS.Timeout
}

let child: Child | undefined
let counted = daemon.counted
let recorder: Recorder | undefined
let pauseMs = recorderPauseMs
let wake: NodeJS.Timeout | undefined
let failures = 0
let notBeforeMs = 0
let isEnding = false
const listeners: net.Server[] = []

async function open(): Promise<void> {
  // The folder lets nobody else in, so the socket needs no mode of its own.
  fs.rmSync(socketPath, { force: true })
  await listen({ path: socketPath }, false)
  if (settings.listen !== 'off') await listen(addressOf(settings.listen), false)
  if (settings.tlsListen !== undefined) await listen(addressOf(settings.tlsListen), true)
  say('info', 'the door is open', {
    socket: socketPath,
    listen: settings.listen,
    ...(settings.tlsListen !== undefined && { tlsListen: settings.tlsListen }),
  })
}

open().catch(error => {
  const {
    code = '',
    address = socketPath,
    port,
  } = error as {
    code?: string
    address?: string
    port?: number
  }
  const where = `${address}${port === undefined ? '' : `:${port}`}`
  say('error', `${where} cannot be listened on: ${code}`, { code: 'SP_LISTEN_FAILED' })
  process.exit(1)
})

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => end(signal))
// To choose whom it records takes all that the house has loaded.
if (settings.recorder !== 'off' || daemon.isWorkLeft) house()
if (settings.until !== undefined) endAt(settings.until)

function listen(where: net.ListenOptions, isTls: boolean): Promise<void> {
  const server = net.createServer({ noDelay: true }, socket => greet(socket, isTls))
  server.maxConnections = isTls ? maxConnections.outside : maxConnections.inside
  listeners.push(server)
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.off('error', reject)
      // Descriptors may run out; they come back.
      server.on('error', error => say('warn', 'a listener stumbled', { reason: error.message }))
      resolve()
    })
  })
}

function greet(socket: net.Socket, isTls: boolean): void {
  socket.setTimeout(silentMs, () => socket.destroy())
  socket.on('error', () => {})
  socket.once('data', head => {
    stopReading(socket)
    socket.setTimeout(0)
    handOver(socket, head, isTls)
  })
}

/**
 * What comes from now on stays with the kernel, for the house. `pause` alone would go on reading, until
 * the house has taken the connection, and what was read would be lost.
 */
function stopReading(socket: net.Socket): void {
  socket.pause()
  handleOf(socket)?.readStop()
}

function handleOf(socket: net.Socket): { readStop(): number; close(): void } | null {
  return (socket as unknown as { _handle: ReturnType<typeof handleOf> })._handle
}

function handOver(socket: net.Socket, head: Buffer, isTls: boolean): void {
  const to = house()
  if (to === undefined) {
    socket.destroy()
    return
  }
  const number = ++to.given
  to.untaken.set(number, { socket, handle: handleOf(socket) })
  if (to.untaken.size === 1) to.watch.refresh()
  const message: ToHouse = { connection: { number, head: head.toString('base64'), isTls } }
  to.process.send(message, socket, error => {
    if (error !== null) socket.destroy()
  })
}

function house(): Child | undefined {
  if (child !== undefined) return child
  if (isEnding || performance.now() < notBeforeMs) return undefined
  const started = startHouse()
  if (started === undefined) return undefined
  child = started
  started.process.on('message', (message: FromHouse) => {
    if ('done' in message) {
      end('once')
      return
    }
    if ('record' in message) {
      startRecorder(message.record)
      return
    }
    if ('took' in message) {
      started.untaken.delete(message.took)
      started.watch.refresh()
      return
    }
    const { leaving } = message
    counted = leaving.counted
    clearTimeout(wake)
    if (leaving.wakeInMs !== undefined) wake = setTimeout(() => house(), leaving.wakeInMs)
    // A connection is on its way to it: it will ask again.
    if (leaving.given !== started.given && !isEnding) return
    if (child === started) child = undefined
    started.process.send({ leave: true } satisfies ToHouse, () => {})
  })
  started.process.once('exit', (code, signal) => {
    bury(started)
    // One that was leaving may end beside the one that captures.
    if (isEnding && child === undefined) process.exit(0)
    if (code === 0) {
      failures = 0
      return
    }
    const livedMs = performance.now() - started.startedMs
    const pauseMs = pauseAfterFailure(livedMs)
    const exit = code ?? signal
    say('error', 'the house has died', { exit, livedMs: Math.round(livedMs), pauseMs })
  })
  return started
}

/** perf outlives the house that planned it. When it ends, its target has: the next house looks for another. */
function startRecorder({ path: perf, args, recorder: planned }: RecorderStart): void {
  const startedMs = performance.now()
  const running = spawnOwned(perf, args)
  running.once('error', error =>
    say('error', 'the recorder cannot be started', { reason: error.message }),
  )
  running.once('exit', (code, signal) => {
    recorder = undefined
    if (isEnding) return
    say('warn', 'the recorder has ended', { exit: code ?? signal })
    const livedMs = performance.now() - startedMs
    pauseMs =
      livedMs < recorderShortMs ? Math.min(pauseMs * 2, maxRecorderPauseMs) : recorderPauseMs
    setTimeout(() => house(), pauseMs)
  })
  if (running.pid === undefined) return
  recorder = {
    ...planned,
    perf: { pid: running.pid, startTicks: readStat(running.pid).startTicks },
  }
  process.once('exit', () => running.kill('SIGKILL'))
  child?.process.send({ recorder } satisfies ToHouse, () => {})
  say('info', 'recording', { target: planned.target.pid, hertz: planned.hertz })
}

function startHouse(): Child | undefined {
  const env = {
    [settingsVariable]: JSON.stringify({ ...daemon, counted, recorder } satisfies DaemonSettings),
  }
  const failed = (error: Error) => {
    const pauseMs = pauseAfterFailure(0)
    say('error', 'the house cannot be started', { reason: error.message, pauseMs })
  }
  try {
    const forked = forkSelf('house', { program: daemon.program, env })
    const started: Child = {
      process: forked,
      startedMs: performance.now(),
      given: 0,
      untaken: new Map(),
      watch: setTimeout(() => {
        if (started.untaken.size === 0) return
        say('error', 'the house does not answer: ending it', { waiting: started.untaken.size })
        forked.kill('SIGKILL')
      }, unansweredMs),
    }
    forked.on('error', error => {
      // Without a pid it never was; else it is a message that did not reach it.
      if (forked.pid !== undefined) return
      bury(started)
      failed(error)
    })
    return forked.pid === undefined ? undefined : started
  } catch (error) {
    failed(error as Error)
    return undefined
  }
}

/** It is gone, and nobody will answer those who were on their way to it. */
function bury(gone: Child): void {
  clearTimeout(gone.watch)
  if (child === gone) child = undefined
  for (const { socket, handle } of gone.untaken.values()) {
    socket.destroy()
    handle?.close()
  }
  gone.untaken.clear()
}

function pauseAfterFailure(livedMs: number): number {
  failures = livedMs < shortLifeMs ? failures + 1 : 1
  const pauseMs = failures > 2 ? Math.min(maxPauseMs, 1000 * 2 ** (failures - 3)) : 0
  notBeforeMs = performance.now() + pauseMs
  return pauseMs
}

/** Lets nobody in any more; what is captured is published first, within the grace period. */
function end(why: string): void {
  if (isEnding) return
  isEnding = true
  say('info', 'ending', { why })
  for (const server of listeners) server.close()
  fs.rmSync(path.join(state, 'door.json'), { force: true })
  fs.rmSync(socketPath, { force: true })
  if (child === undefined) process.exit(0)
  child.process.send({ drain: true } satisfies ToHouse, () => {})
  setTimeout(() => {
    say('error', 'the grace period is over: what was not published is lost or spooled', {})
    child?.process.kill('SIGKILL')
    process.exit(1)
  }, settings.grace * 1000)
}

/** A timer holds 24 days at most. */
function endAt(atMs: number): void {
  const leftMs = atMs - Date.now()
  if (leftMs <= 0) end('until')
  else setTimeout(() => endAt(atMs), Math.min(leftMs, 86_400_000))
}

function say(level: 'info' | 'warn' | 'error', msg: string, facts: object): void {
  const line = {
    level: { info: 30, warn: 40, error: 50 }[level],
    time: Date.now(),
    pid: process.pid,
  }
  try {
    fs.writeSync(2, `${JSON.stringify({ ...line, ...facts, msg })}\n`)
  } catch {
    // Nobody reads the log any more, or not fast enough. The door stays.
  }
}
