// V8's sampling profiler, in the main thread and in every worker of a process.
// https://chromedevtools.github.io/devtools-protocol/v8/Profiler/
// https://github.com/nodejs/node/blob/main/src/inspector/node_protocol.pdl (NodeWorker)
//
// A profile is stopped and started again every few seconds: V8 gives nothing
// before the stop, so that is what a target that dies takes with it. Workers are
// not in the main thread's profile; each is a thread of its own here. The traps: a
// worker that is blocked in native code answers nothing until it is free, so nobody
// waits for it; and one of a pool that rests in Atomics.wait looks busy to V8, so
// the CPU time of each thread is taken beside its profile.

import { setTimeout as sleep } from 'node:timers/promises'
import { ProfilerError } from '../errors.ts'
import { readThreadTicks, ticksPerSecond } from '../target/procfs.ts'
import { type Answer, createSession, recordOf, type Session } from './devtools.ts'

export interface ThreadProfile {
  readonly thread: string
  /** CPU time of the thread meanwhile; undefined where it cannot be told. */
  readonly cpuUs: number | undefined
  /** As V8 gives it. */
  readonly profile: Answer
}

export interface Threads {
  /** Starts in the main thread. @throws {ProfilerError} `SP_TOOL_FAILED` */
  start(timeoutMs: number): Promise<void>
  /** What was sampled since, of all threads that answer; undefined when the main thread does not. */
  collect(goesOn: boolean, timeoutMs: number): Promise<ThreadProfile[] | undefined>
  /** Give it what the main thread says unasked. */
  onEvent(method: string, params: Answer): void
  /** For the next start. */
  intervalUs: number
  readonly hadWorkers: boolean
  /** In sentences: which workers are missing, or parts of them. */
  notes(): string[]
}

interface Thread {
  readonly name: string
  readonly session: Session
  /** Its CPU time since it began. */
  readonly readCpuUs: () => Promise<number | undefined>
  /** What that was when the profile was started. */
  cpuUs: number | undefined
  state: 'starting' | 'sampled' | 'ended'
}

// Beyond that a process has more threads than cores, and its profile more roots than a person reads.
const maxWorkers = 256
// A worker answers when the main thread has, or it is blocked.
const workerMs = 1000

/** @param pid whose main thread it is */
export function profiledThreads(main: Session, pid: number, intervalUs: number): Threads {
  const first: Thread = {
    name: 'main thread',
    session: main,
    readCpuUs: async () => (readThreadTicks(pid, pid) ?? Number.NaN) * (1e6 / ticksPerSecond),
    cpuUs: undefined,
    state: 'starting',
  }
  const workers = new Map<string, Thread>()
  // Workers that did not answer at times.
  const silent = new Set<string>()
  let hadWorkers = false
  let ended = 0
  let tooMany = 0
  let unmetered = 0

  const begin = async (thread: Thread, timeoutMs: number) => {
    thread.session.tell('Profiler.enable', {})
    thread.session.tell('Profiler.setSamplingInterval', { interval: threads.intervalUs })
    await thread.session.ask('Profiler.start', {}, timeoutMs)
    thread.cpuUs = await thread.readCpuUs()
    thread.state = 'sampled'
  }

  const attach = (sessionId: string, info: Answer) => {
    if (workers.size >= maxWorkers) {
      tooMany++
      return
    }
    const send = (message: string) => {
      main.tell('NodeWorker.sendMessageToWorker', { sessionId, message })
    }
    const session = createSession(send, () => {})
    const worker: Thread = {
      name: workerName(info),
      session,
      readCpuUs: () => askCpuUs(session),
      cpuUs: undefined,
      state: 'starting',
    }
    workers.set(sessionId, worker)
    hadWorkers = true
    // It answers when it is free: minutes later, or never.
    begin(worker, maxStartMs).catch(() => {})
  }

  const stop = async (thread: Thread, goesOn: boolean, timeoutMs: number) => {
    const stopped = thread.session.ask('Profiler.stop', {}, timeoutMs)
    if (goesOn) {
      // Right behind it, so that no time is lost between the two.
      thread.session.tell('Profiler.setSamplingInterval', { interval: threads.intervalUs })
      thread.session.tell('Profiler.start', {})
    }
    const profile = recordOf((await stopped)['profile'])
    if (profile === undefined) return undefined
    const before = thread.cpuUs
    thread.cpuUs = await thread.readCpuUs()
    const cpuUs =
      before === undefined || thread.cpuUs === undefined ? undefined : thread.cpuUs - before
    if (cpuUs === undefined) unmetered++
    return { thread: thread.name, cpuUs, profile }
  }

  const threads: Threads = {
    intervalUs,
    get hadWorkers() {
      return hadWorkers
    },
    async start(timeoutMs) {
      main.tell('NodeWorker.enable', { waitForDebuggerOnStart: false })
      await begin(first, timeoutMs)
    },
    async collect(goesOn, timeoutMs) {
      const mainStopped = stop(first, goesOn, timeoutMs)
      const answered = mainStopped.then(
        () => sleep(workerMs, undefined, { ref: false }),
        () => {},
      )
      const asked = [...workers.values()]
        .filter(({ state }) => state === 'sampled')
        .map(async worker => {
          const stopped = stop(worker, goesOn, timeoutMs + workerMs).catch(() => undefined)
          const profile = await Promise.race([stopped, answered])
          if (profile === undefined && worker.state !== 'ended') silent.add(worker.name)
          return profile ?? undefined
        })
      try {
        const profiles = [await mainStopped, ...(await Promise.all(asked))]
        return profiles.filter(each => each !== undefined)
      } catch (error) {
        if (error instanceof ProfilerError) return undefined
        throw error
      }
    },
    onEvent(method, params) {
      const { sessionId, message } = params
      if (typeof sessionId !== 'string') return
      if (method === 'NodeWorker.attachedToWorker') {
        attach(sessionId, recordOf(params['workerInfo']) ?? {})
      }
      const worker = workers.get(sessionId)
      if (worker === undefined) return
      if (method === 'NodeWorker.receivedMessageFromWorker') {
        worker.session.receive(String(message))
      } else if (method === 'NodeWorker.detachedFromWorker') {
        if (worker.state === 'sampled') ended++
        worker.state = 'ended'
        worker.session.end()
        workers.delete(sessionId)
      }
    },
    notes() {
      for (const { name, state } of workers.values()) if (state === 'starting') silent.add(name)
      return [
        ...[...silent]
          .slice(0, maxNamed)
          .map(
            name =>
              `${name} did not answer at times, as it waits or is blocked: what it did is missing.`,
          ),
        ...(silent.size > maxNamed ? [`So did ${silent.size - maxNamed} more workers.`] : []),
        ...(ended > 0 ? [`${ended} workers ended: the last seconds of each are missing.`] : []),
        ...(unmetered > 0
          ? [
              'The CPU time of workers is not known (it is from Node.js 22.19 on): one that waits in native code looks busy.',
            ]
          : []),
        ...(tooMany > 0
          ? [`${tooMany} workers are missing: ${maxWorkers} are sampled at most.`]
          : []),
      ]
    },
  }
  return threads
}

/** Of a worker, from within: its thread cannot be told from the others of the process. */
async function askCpuUs(session: Session): Promise<number | undefined> {
  try {
    const expression = '(({ user, system }) => user + system)(process.threadCpuUsage())'
    const question = { expression, returnByValue: true, silent: true }
    const answer = await session.ask('Runtime.evaluate', question, workerMs)
    const value = recordOf(answer['result'])?.['value']
    return typeof value === 'number' ? value : undefined
  } catch {
    // It has ended meanwhile.
    return undefined
  }
}

const maxStartMs = 3_600_000
const maxNamed = 5
const maxNameLength = 100

/** `[worker 1] crunch` of Node 22, `Worker 1` of Node 20. */
function workerName(info: Answer): string {
  const { title, workerId } = info
  const said = typeof title === 'string' ? title.replace(/^\[(worker \d+)\]/, '$1').trim() : ''
  return said.slice(0, maxNameLength) || `worker ${String(workerId).slice(0, 20)}`
}
