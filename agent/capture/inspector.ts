// V8's CPU profiler in a running Node.js process, over its inspector.
// https://chromedevtools.github.io/devtools-protocol/v8/Profiler/
//
//     ask the port → prove who answers → start in each thread → stop and start again → close
//
// V8 samples by the clock, also a thread that rests; each sample says for how long
// it stands. Its sampler sleeps for the interval and then works, so it is always
// a little late: the interval is shortened by what the last segment was late.
//
// The trap: a Node that ends waits for whoever is connected. It says so, and then
// the last profile is taken and we go.

import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { ProfilerError } from '../errors.ts'
import type { InspectorCapture } from '../runtimes/runtime.ts'
import { readStat } from '../target/procfs.ts'
import {
  type CaptureEnd,
  type CaptureSignals,
  type Driver,
  monotonicMs,
  type Segment,
} from './capture.ts'
import type { Answer } from './devtools.ts'
import { startBeside } from './inspector-beside.ts'
import { type Connection, connect } from './inspector-connection.ts'
import { count, cpuNotes, idleNote, sampledSeconds, type Tally } from './inspector-notes.ts'
import { profiledThreads, type ThreadProfile, type Threads } from './inspector-threads.ts'

export const captureInspector: Driver<InspectorCapture> = async (description, signals) => {
  const startedAt = performance.now()
  const connection = await connect(description, signals.discard)
  const threads = profiledThreads(
    connection.session,
    description.pid,
    Math.round(1e6 / description.hertz),
  )
  const { promise: isEnding, resolve: ending } = Promise.withResolvers<void>()
  connection.onEvent = (method, params) => {
    if (method === 'NodeRuntime.waitingForDisconnect') ending()
    else threads.onEvent(method, params)
  }
  try {
    await threads.start(graceMs)
  } catch (error) {
    await connection.close()
    throw error
  }
  const isOver = new AbortController()
  const stop = AbortSignal.any([signals.stop, isOver.signal])
  const beside = await startBeside(description, { ...signals, stop })
  const segments = new Readable({ objectMode: true, read() {} })
  // Whoever reads it gets the error; nobody reading yet is no reason to crash.
  segments.on('error', () => {})
  // perf begins a moment later, and both are of one window.
  const begun = beside === undefined ? Promise.resolve() : beside.begun
  const run = begun.then(() =>
    sampleUntilEnd(description, signals, { connection, threads, isEnding, segments }),
  )
  const ended = run.then(
    async (sampled): Promise<CaptureEnd> => {
      segments.push(null)
      isOver.abort()
      const problem = await beside?.ended
      return {
        ...sampled,
        notes: [...sampled.notes, ...(problem === undefined ? [] : [problem])],
        exitCode: 0,
        signal: undefined,
        killed: signals.discard.aborted,
        durationMs: performance.now() - startedAt,
        stderrTail: '',
        loss: new Map(),
        toolVersion: connection.version,
      }
    },
    error => {
      isOver.abort()
      segments.destroy(error)
      throw error
    },
  )
  ended.catch(() => {})
  return {
    segments: (async function* () {
      // First, so that its bytes are read as they come.
      if (beside !== undefined) yield* beside.segments
      yield* segments as AsyncIterable<Segment>
    })(),
    ended,
  }
}

// A picture exists after the first; a target that dies takes at most the last with it, and each
// costs it a few ms of work in V8.
const firstSegmentMs = 1000
const segmentMs = 4000
// What a main thread may be blocked beyond the time asked.
const graceMs = 10_000
// A process that is asked to end has a moment; one that waits for us has none.
const lastProfileMs = 1000

interface Run {
  readonly connection: Connection
  readonly threads: Threads
  /** Resolves when the target waits for us so that it can end. */
  readonly isEnding: Promise<void>
  readonly segments: Readable
}

type Sampled = Pick<
  CaptureEnd,
  'endedByItself' | 'startedMs' | 'endedMs' | 'notes' | 'sampledSeconds'
>

async function sampleUntilEnd(
  description: InspectorCapture,
  { stop, discard }: CaptureSignals,
  { connection, threads, isEnding, segments }: Run,
): Promise<Sampled> {
  const { pid, hertz, durationMs } = description
  const startedMs = monotonicMs()
  const untilMs = startedMs + durationMs
  const cpu = cpuNotes(pid)
  const notes: string[] = []
  const tally: Tally = { samples: 0, idle: 0, busyUs: 0, cpuUs: 0 }
  const state: { why: 'asked' | 'ending' | 'gone' } = { why: 'asked' }
  let endedMs = startedMs
  const gone = connection.gone.then(wrong => {
    state.why = 'gone'
    if (wrong !== undefined) notes.push(`The inspector was left: ${wrong}.`)
  })
  const ends = isEnding.then(() => {
    if (state.why === 'asked') state.why = 'ending'
  })
  const stopped = Promise.race([aborted(stop), aborted(discard), gone, ends])
  for (let lengthMs = firstSegmentMs, goesOn = true; goesOn; lengthMs = segmentMs) {
    const beganMs = endedMs
    const leftMs = untilMs - monotonicMs()
    // What would be shorter than half a segment is added to this one.
    const timeMs = leftMs < 1.5 * lengthMs ? leftMs : lengthMs
    await Promise.race([stopped, sleep(Math.max(0, timeMs), undefined, { ref: false })])
    if (discard.aborted || hasGone()) break
    endedMs = monotonicMs()
    goesOn = !stop.aborted && state.why === 'asked' && endedMs < untilMs
    const limitMs =
      state.why === 'ending' ? lastProfileMs : Math.max(0, untilMs - endedMs) + graceMs
    const collected = Promise.race([
      threads.collect(goesOn, limitMs),
      aborted(discard).then(() => undefined),
    ])
    const profiles = await collected
    if (profiles === undefined) {
      if (!discard.aborted && !hasGone()) notes.push(notAnswered)
      break
    }
    for (const each of profiles) {
      count(each, tally)
      segments.push(segmentOf(each, description, { startedMs: beganMs, endedMs }))
    }
    threads.intervalUs = nextInterval(threads.intervalUs, hertz, profiles[0]?.profile)
    connection.renew()
  }
  // Closing it makes it go, which is no news.
  const { why } = state
  const problem = hasGone() ? undefined : await connection.close()
  if (problem !== undefined && !hasEnded(description)) notes.push(problem)
  if (why !== 'asked') await untilGone(description)
  return {
    endedByItself: why !== 'asked' && !stop.aborted && !discard.aborted,
    startedMs,
    endedMs,
    sampledSeconds: sampledSeconds(hertz, tally),
    notes: [
      ...notes,
      ...threads.notes(),
      ...idleNote(description.mode, tally),
      ...cpu.sentences(threads.hadWorkers, tally),
    ],
  }

  function hasGone(): boolean {
    return state.why === 'gone'
  }
}

const notAnswered =
  `The main thread did not answer within ${graceMs / 1000} s, as it is stopped or blocked in native ` +
  'code: its last seconds are missing.'

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

// Twice late is a busy machine; later than that, nobody ran.
const longestIntervals = 3

function segmentOf(
  sampled: ThreadProfile,
  { mode, hertz }: InspectorCapture,
  between: Pick<Segment, 'startedMs' | 'endedMs'>,
): Segment {
  const longestUs = mode === 'cpu' ? Math.round((longestIntervals * 1e6) / hertz) : undefined
  return {
    format: 'cpuprofile of a thread',
    chunks: (async function* () {
      yield Buffer.from(JSON.stringify({ mode, longestUs, ...sampled }))
    })(),
    raw: { format: 'cpuprofile', bytes: () => Buffer.from(JSON.stringify(sampled.profile)) },
    ...between,
  }
}

// Below this a sampler that cannot keep up would only be made busier.
const shortestShare = 0.7

/** The interval that would have given the rate, had it been used for this profile. */
function nextInterval(intervalUs: number, hertz: number, profile: Answer | undefined): number {
  const { startTime, endTime, samples } = profile ?? {}
  const us = Number(endTime) - Number(startTime)
  const taken = Array.isArray(samples) ? samples.length : 0
  // A few samples say nothing of the rate.
  if (!(us > 0) || taken < 50) return intervalUs
  const wantedUs = 1e6 / hertz
  const late = us / taken / intervalUs
  return Math.round(Math.min(wantedUs, Math.max(shortestShare * wantedUs, wantedUs / late)))
}

// From the last word of a process to its end.
const goneMs = 1000

async function untilGone(description: InspectorCapture): Promise<void> {
  const until = performance.now() + goneMs
  while (performance.now() < until && !hasEnded(description)) await sleep(10)
}

function hasEnded({ pid, startTicks }: InspectorCapture): boolean {
  try {
    const stat = readStat(pid)
    return stat.startTicks !== startTicks || stat.state === 'Z' || stat.state === 'X'
  } catch (error) {
    if (error instanceof ProfilerError) return true
    throw error
  }
}
