// The house behind the door: TLS, fastify, sessions. It is started for the first
// byte of a connection, and leaves when a minute has passed without work.
//
//     door → house   settings (in the environment), counted, connections, drain, leave
//     house → door   leaving, with how many connections it was given and what it has counted
//
// The trap: a connection may be on its way when it wants to leave. So it says how
// many it has had, and goes only if the door has given no more.

import fs from 'node:fs'
import type { Socket } from 'node:net'
import os from 'node:os'
import type { Recorder } from '../capture/recorder.ts'
import { log } from '../log.ts'
import { type Session, Sessions } from '../session/sessions.ts'
import { isOver, problemOf } from '../session/state.ts'
import { openStore } from '../session/store.ts'
import type { Target } from '../target/find.ts'
import { captureSlots, readLimits } from '../target/limits.ts'
import { version } from '../version.ts'
import { doorkeeper } from './authorize.ts'
import {
  type DaemonSettings,
  type FromHouse,
  settingsVariable,
  type ToHouse,
} from './door-words.ts'
import { eventHub } from './events.ts'
import type { House } from './house-parts.ts'
import { type Counted, keyOf, startMetrics } from './metrics.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { startResending } from './resend.ts'
import { type Server, startServer } from './server.ts'
import { type TlsFiles, watchTls } from './tls.ts'
import { viewOf } from './view.ts'

const idleMs = Number(process.env.SP_HOUSE_IDLE_MS ?? 60_000)
const lookMs = Math.min(1000, idleMs / 4)
const liveMs = 1000
// Whoever asked has come for the files by then.
const fetchMs = Math.min(5000, idleMs)

const { settings, state, tokenFile, counted, ...daemon } = JSON.parse(
  process.env[settingsVariable]!,
) as DaemonSettings

// A terminal's Ctrl-C reaches the whole group; the door decides what it means.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

// What is not caught ends the house, and with it nothing but the house: captures go on by themselves.
process.on('uncaughtException', err => {
  log.error({ err }, 'the house falls')
  process.exit(1)
})

let given = 0
let isDraining = false
let recorder = daemon.recorder
let server: Server | undefined
let hasCaptured = false
const early: [Socket, Buffer, boolean][] = []

process.on('message', (message: ToHouse, socket?: Socket) => {
  if ('connection' in message) {
    given++
    tell({ took: message.connection.number })
    // It has closed while it was on its way.
    if (socket === undefined) return
    const each = [
      socket,
      Buffer.from(message.connection.head, 'base64'),
      message.connection.isTls,
    ] as [Socket, Buffer, boolean]
    if (server === undefined) early.push(each)
    else server.take(...each)
  } else if ('recorder' in message) recorder = message.recorder
  else if ('drain' in message) void drain()
  else if ('leave' in message) process.exit(0)
})
// The door was killed: what is captured is still to be published, and nobody else will come.
process.on('disconnect', () => void drain())

const hub = eventHub()
const lives = new Map<string, unknown>()
const metrics = startMetrics(counted, gauges)
const store = await openStore(state)
const limits = {
  slots: settings.slots ?? captureSlots(readLimits(), os.availableParallelism()),
  queue: settings.queue,
  maxDiskBytes: settings.maxDisk * 1e6,
  budget: { maxBytes: settings.maxMemory * 1e6, maxCpuShare: settings.maxCpu / 100 },
}
const resender = startResending(settings)
const sessions = new Sessions(store, limits, { changed, live, recorderOf }, version())
const token = fs.readFileSync(tokenFile, 'utf8').trim()
const house: House = {
  settings,
  doorkeeper: doorkeeper(settings.clients, token),
  sessions,
  hub,
  metrics,
  version: version(),
  log,
  isDraining: () => isDraining,
  liveOf: id => lives.get(id),
  targets: oneAtATime(async (_: undefined) => (await import('./look.ts')).lookAtTargets(settings)),
  doctor: oneAtATime(async query => (await import('./look.ts')).lookAsDoctor(query, settings)),
}
const tls = settings.tlsListen === undefined ? undefined : watchTls(settings as TlsFiles)
server = await startServer(house, tls)
metrics.count('house_starts_total', {})
for (const each of early) server.take(...each)

let workedMs = performance.now()
if (settings.recorder !== 'off' && recorder === undefined) void record(settings.recorder)
setInterval(() => {
  for (const id of hub.watched()) sessions.look(id)
}, liveMs).unref()
setInterval(() => {
  const isWorking = server!.connections > 0 || sessions.active().length > 0 || resender.isBusy
  if (isWorking) workedMs = performance.now()
  const restedMs = performance.now() - workedMs
  if (settings.once && hasCaptured && resender.nextMs === undefined && restedMs >= fetchMs) {
    tell({ done: true })
  } else if (restedMs >= idleMs) leave()
}, lookMs)

function changed(session: Session): void {
  if (isOver(session.state)) {
    lives.delete(session.id)
    countEnd(session)
    resender.kick()
    hasCaptured = true
  }
  hub.send(session.id, 'state', viewOf(session, lives.get(session.id)))
  if (isOver(session.state)) hub.end(session.id)
}

function live(session: Session, view: unknown): void {
  lives.set(session.id, view)
  hub.send(session.id, 'live', view)
}

function recorderOf({ pid, startTicks }: Target): Recorder | undefined {
  const isSame = recorder?.target.pid === pid && recorder.target.startTicks === startTicks
  return isSame ? recorder : undefined
}

function countEnd({ state, id, requester }: Session): void {
  if (state.name === 'failed') {
    const { code } = state.problem
    metrics.count('captures_total', { state: 'failed', runtime: '' })
    metrics.count('capture_problems_total', { code })
    log.warn({ capture: id, by: requester, code }, 'capture failed')
  } else if (state.name === 'finished') {
    const { record, quality, tally, afterMs, place } = state.receipt
    const runtime = record.target?.runtime ?? ''
    metrics.count('captures_total', { state: 'finished', runtime })
    metrics.count('samples_total', { runtime }, quality.samples)
    metrics.count('samples_expected_total', { runtime }, quality.expectedSamples ?? 0)
    for (const [stage, ms] of [
      ['capture', record.durationMs ?? 0],
      ['publish', afterMs],
    ] as const) {
      metrics.count('stage_seconds_sum', { stage }, ms / 1000)
      metrics.count('stage_seconds_count', { stage })
    }
    for (const [name, { values }] of Object.entries(tally)) {
      metrics.count('redacted_values_total', { class: name }, values)
    }
    log.info({ capture: id, by: requester, place, level: quality.level }, 'capture published')
  }
}

function gauges(): Counted {
  const byState = Object.groupBy(sessions.active(), ({ state }) => state.name)
  const states = ['queued', 'planning', 'capturing', 'publishing'] as const
  return {
    ...Object.fromEntries(
      states.map(name => [keyOf('captures_active', { state: name }), byState[name]?.length ?? 0]),
    ),
    watchers: hub.watchers,
    spool_entries: resender.entries,
    ...(tls !== undefined && {
      certificate_expiry_seconds: (tls.current?.notAfter.getTime() ?? 0) / 1000,
    }),
  }
}

/** The door lets it go, if it has given nothing more. */
function leave(): void {
  tell({ leaving: { given, counted: metrics.counted(), wakeInMs: resender.nextMs } })
}

/** Where nothing can be recorded now, the next house tries again. */
async function record(which: number | 'busy'): Promise<void> {
  try {
    const { planRecorder } = await import('../session/recorder.ts')
    tell({ record: await planRecorder(which, settings, state) })
  } catch (error) {
    const { code, message } = problemOf(error)
    log.warn({ code, reason: message }, 'nothing is recorded')
  }
}

async function drain(): Promise<void> {
  if (isDraining) return
  isDraining = true
  log.info({ active: sessions.active().length }, 'draining')
  // Those who watch see the end of it: the server stays until the captures are over.
  await sessions.drain()
  hub.close()
  resender.stop()
  leave()
  await server?.close()
  process.exit(0)
}

function tell(message: FromHouse): void {
  if (process.connected) process.send!(message, undefined, undefined, () => {})
}
