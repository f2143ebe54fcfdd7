// A connection to the inspector of one process: made, proved to be with that
// process, and ended so that nothing of ours stays open.
//
// A port that we opened we close, with `process._debugEnd()`: the answer never
// comes, the listener's disappearance is the proof. If we are killed before, it
// closes itself: a wait of some seconds is left in the target, which ends the
// inspector unless it is renewed or cancelled in time. The wait is
// `Atomics.waitAsync`, not a timer of Node's: a request may arrive in the middle
// of any JavaScript, Node's own timer lists among it, and this touches none of
// it. V8 holds its delayed tasks without keeping the event loop alive, so a
// target that has nothing else to do still ends.
//
// The other trap: a Node that ends while somebody is connected waits for him to
// go. It says so when it is asked to, and then we go.

import { setTimeout as sleep } from 'node:timers/promises'
import { ProfilerError } from '../errors.ts'
import type { Endpoint, InspectorCapture } from '../runtimes/runtime.ts'
import { readStat, readUptime, ticksPerSecond } from '../target/procfs.ts'
import { type Answer, createSession, recordOf, type Session } from './devtools.ts'
import { askPort, isListening, openPort } from './inspector-port.ts'
import { openWebSocket } from './websocket.ts'

export interface Connection {
  /** With the main thread. */
  readonly session: Session
  /** The version that it says it has. */
  readonly version: string
  /** What the target says, and nobody asked for. */
  onEvent: (method: string, params: Answer) => void
  /** When the other end has gone, with the words of what was wrong, if anything was. */
  readonly gone: Promise<string | undefined>
  /** Puts off the moment when the port closes by itself. */
  renew(): void
  /** Ends it; answers in a sentence what could not be undone. */
  close(): Promise<string | undefined>
}

/** How long a port that we opened stays open after the last sign of us. */
const leaseMs = 10_000
// A main thread that is busy with JavaScript answers in between; one in native code, afterwards.
const firstAnswerMs = 5000
const closeMs = 2000
const closePollMs = 5

/** @throws {ProfilerError} `SP_TOOL_FAILED` and what `openPort` throws */
export async function connect(
  description: InspectorCapture,
  discard: AbortSignal,
): Promise<Connection> {
  const isOurs = description.openAt === undefined
  const endpoint =
    description.openAt ??
    (await openPort(description, discard, async late => {
      const connection = await converse(description, late)
      return connection.close()
    }))
  try {
    return await converse(description, endpoint)
  } catch (error) {
    if (!isOurs || !(error instanceof ProfilerError)) throw error
    throw new ProfilerError(
      error.code,
      `${error.message}; its inspector may be left open on port ${endpoint.port}`,
      { cause: error },
    )
  }
}

async function converse(description: InspectorCapture, endpoint: Endpoint): Promise<Connection> {
  const port = await askPort(endpoint)
  const { promise: gone, resolve: goneBecause } = Promise.withResolvers<string | undefined>()
  const socket = await openWebSocket(port, port.path, {
    message: text => session.receive(text),
    closed: why => {
      session.end()
      goneBecause(why)
    },
  })
  const session: Session = createSession(socket.send, (method, params) => {
    connection.onEvent(method, params)
  })
  const isOurs = description.openAt === undefined
  let version = ''
  // The object in the target that the wait is kept in. Requests are answered in their order, so nobody
  // has to wait for the answer of one before the next.
  let holder: string | undefined
  const call = (functionDeclaration: string) => {
    const args = [{ value: leaseMs }]
    const params = { objectId: holder, functionDeclaration, arguments: args, silent: true }
    session.tell('Runtime.callFunctionOn', params)
  }
  const connection: Connection = {
    session,
    get version() {
      return version
    },
    onEvent() {},
    gone,
    renew() {
      if (holder !== undefined) call(takeLease)
    },
    async close() {
      if (!isOurs) {
        session.tell('Profiler.disable', {})
        socket.close()
        return undefined
      }
      if (holder === undefined) session.tell('Runtime.evaluate', { expression: end, silent: true })
      else call(endLease)
      const isClosed = await waitUntilClosed(description, endpoint.port)
      socket.close()
      return isClosed
        ? undefined
        : `The inspector of process ${description.pid} is still open on port ${endpoint.port}: its main ` +
            'thread is blocked or stopped, and closes it when it goes on.'
    },
  }
  try {
    version = await verify(session, description)
    if (isOurs) holder = await makeHolder(session)
  } catch (error) {
    socket.close()
    throw error
  }
  session.tell('NodeRuntime.notifyWhenWaitingForDisconnect', { enabled: true })
  connection.renew()
  return connection
}

async function waitUntilClosed(description: InspectorCapture, port: number): Promise<boolean> {
  const until = performance.now() + closeMs
  while (performance.now() < until) {
    if (!isListening(description, port)) return true
    await sleep(closePollMs)
  }
  return false
}

// These run in the target, at any moment, so they call nothing that a program may have replaced
// but `process` itself, and nothing of theirs can be thrown at it.

const end = '(() => { try { process._debugEnd() } catch {} })()'

const endLease = `function () {
  try { Atomics.notify(this.cell, 0); process._debugEnd() } catch {}
}`

/** Begins to wait, and cancels the wait before. */
const takeLease = `function (ms) {
  const cell = new Int32Array(new SharedArrayBuffer(4))
  const wait = Atomics.waitAsync(cell, 0, 0, ms).value
  ;(async () => { try { if ((await wait) === 'timed-out') process._debugEnd() } catch {} })()
  if (this.cell !== undefined) Atomics.notify(this.cell, 0)
  this.cell = cell
}`

async function makeHolder(session: Session): Promise<string | undefined> {
  const question = { expression: '({ __proto__: null })', silent: true }
  const answer = await session.ask('Runtime.evaluate', question, firstAnswerMs)
  const id = recordOf(answer['result'])?.['objectId']
  return typeof id === 'string' ? id : undefined
}

const who = 'JSON.stringify([process.pid, process.version, process.uptime(), process.cpuUsage()])'

/** Whether who answers is the process that was meant. @throws {ProfilerError} `SP_TOOL_FAILED` */
async function verify(session: Session, description: InspectorCapture): Promise<string> {
  const { pid, nspid, seesSockets } = description
  const cpuBefore = readStat(pid).cpuTicks
  const question = { expression: who, returnByValue: true, silent: true }
  const answer = await session.ask('Runtime.evaluate', question, firstAnswerMs)
  const value = recordOf(answer['result'])?.['value']
  const [itsPid, version, uptime, cpu] = readList(value)
  const stat = readStat(pid)
  let isIt = itsPid === nspid && stat.startTicks === description.startTicks
  // Where the socket could not be seen to be its own: the pid alone may be that of a process of
  // another container, so its age and its CPU time have to agree too.
  if (!seesSockets) {
    const age = readUptime() - stat.startTicks / ticksPerSecond
    const { user = Number.NaN, system = Number.NaN } = (recordOf(cpu) ?? {}) as Cpu
    const ticks = ((user + system) / 1e6) * ticksPerSecond
    const isAge = Math.abs(age - Number(uptime)) < maxAgeDifference
    isIt &&= isAge && ticks >= cpuBefore - tickError && ticks <= stat.cpuTicks + tickError
  }
  if (!isIt) {
    throw new ProfilerError(
      'SP_TOOL_FAILED',
      `the inspector on the port of process ${pid} is that of another process`,
    )
  }
  return /^v\d[\w.-]{0,40}$/.test(String(version)) ? String(version).slice(1) : 'unknown'
}

interface Cpu {
  readonly user?: number
  readonly system?: number
}

// Node starts its clock when it has been loaded, up to a second after the process on a busy machine.
const maxAgeDifference = 2
// The kernel's account is rounded twice.
const tickError = 3

function readList(value: unknown): unknown[] {
  try {
    const list: unknown = JSON.parse(String(value))
    return Array.isArray(list) ? list : []
  } catch {
    return []
  }
}
