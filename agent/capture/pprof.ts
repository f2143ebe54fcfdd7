// pprof over HTTP: what a Go program with net/http/pprof answers of itself.
// https://pkg.go.dev/net/http/pprof
//
//     GET /debug/pprof/cmdline                  its arguments, joined by NUL
//     GET /debug/pprof/profile?seconds=5        CPU time, 100 Hz whatever is asked
//     GET /debug/pprof/allocs?seconds=5         what was allocated in between
//     GET /debug/pprof/heap, /goroutine         as it is at this moment
//
// Only ports on which the target itself listens are asked, and only GET. The
// trap: in another network namespace the same number is somebody else's port, so
// whoever answers must first say the target's own arguments.
//
// A profile is lost whole when the program dies within it, or when its server
// limits how long it writes: so it is taken in segments.

import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { ProfilerError, systemCode } from '../errors.ts'
import type { Endpoint, PprofCapture } from '../runtimes/runtime.ts'
import {
  type CaptureEnd,
  type CaptureSignals,
  type Driver,
  monotonicMs,
  type Segment,
} from './capture.ts'

export const capturePprof: Driver<PprofCapture> = async (description, signals) => {
  const endpoint = await findEndpoint(description, signals.discard)
  const startedMs = monotonicMs()
  const run = segmentsOf(description, endpoint, signals, startedMs)
  const { promise: ended, resolve, reject } = Promise.withResolvers<CaptureEnd>()
  // Whoever awaits it gets the rejection; nobody awaiting yet is no reason to crash.
  ended.catch(() => {})
  return {
    segments: (async function* () {
      try {
        for (;;) {
          const { value, done } = await run.next()
          if (done === true) {
            const endedMs = monotonicMs()
            resolve({
              exitCode: 0,
              signal: undefined,
              killed: signals.discard.aborted,
              durationMs: endedMs - startedMs,
              stderrTail: '',
              endedByItself: value === 'gone',
              startedMs,
              endedMs,
              loss: new Map(),
              notes: [],
            })
            return
          }
          yield { format: 'pprof', chunks: one(value.bytes), ...value.between }
        }
      } catch (error) {
        reject(error)
        throw error
      }
    })(),
    ended,
  }
}

// Where a server limits its answers to ten seconds, as many do, this fits; and what a dying target loses is this much.
const segmentMs = 5000
// A picture exists after it.
const firstSegmentMs = 2000
// A snapshot stops the program for a moment: one a second is seen by nobody.
const snapshotMs = 1000
const shortestMs = 1000
// Go rounds up to whole seconds; a first answer may take a garbage collection.
const graceMs = 5000
// Heap profiles of large services are some tens of megabytes.
const maxBytes = 64 << 20
const probeMs = 1000
const maxProbeBytes = 64 << 10

interface Profiled {
  readonly bytes: Buffer
  readonly between: Pick<Segment, 'startedMs' | 'endedMs'>
}

/** Yields each profile, and returns why there are no more. */
async function* segmentsOf(
  { profile, durationMs }: PprofCapture,
  endpoint: Endpoint,
  { stop, discard }: CaptureSignals,
  startedMs: number,
): AsyncGenerator<Profiled, 'asked' | 'gone'> {
  let isFirst = true
  const left = () => startedMs + durationMs - monotonicMs()
  while (isFirst || (left() >= shortestMs && !stop.aborted)) {
    const beganMs = monotonicMs()
    const longestMs = isFirst ? firstSegmentMs : segmentMs
    const wantedMs = Math.max(shortestMs, Math.min(longestMs, left()))
    const seconds = Math.ceil(wantedMs / 1000)
    const timed = isSnapshot(profile) ? '' : `?seconds=${seconds}`
    const path = `/debug/pprof/${profile}${timed}`
    // A segment that is cut gives nothing: who stops waits for the one that runs.
    const answer = await get(endpoint, path, discard, seconds * 1000 + graceMs, maxBytes).catch(
      error => {
        if (discard.aborted || isFirst || !(error instanceof ProfilerError)) throw error
        return undefined
      },
    )
    if (answer === undefined) return 'gone'
    if (answer.status !== 200) throw refused(answer)
    isFirst = false
    yield { bytes: answer.body, between: { startedMs: beganMs, endedMs: monotonicMs() } }
    if (isSnapshot(profile)) {
      await sleep(Math.max(0, Math.min(snapshotMs, left())), undefined, { signal: stop }).catch(
        () => {
          // Stopped: what there is is kept.
        },
      )
    }
  }
  return 'asked'
}

function isSnapshot(profile: PprofCapture['profile']): boolean {
  return profile === 'heap' || profile === 'goroutine'
}

/** The first of its ports that answers as the target. @throws {ProfilerError} `SP_TOOL_FAILED` */
async function findEndpoint(
  { endpoints, identity, pid }: PprofCapture,
  discard: AbortSignal,
): Promise<Endpoint> {
  const said: string[] = []
  for (const endpoint of endpoints) {
    try {
      const path = '/debug/pprof/cmdline'
      const { status, body } = await get(endpoint, path, discard, probeMs, maxProbeBytes)
      if (status === 200 && normal(body.toString('utf8')) === normal(identity)) return endpoint
      said.push(`port ${endpoint.port}: ${status === 200 ? 'another program' : `HTTP ${status}`}`)
    } catch (error) {
      if (discard.aborted) throw error
      said.push(`port ${endpoint.port}: ${(error as Error).message}`)
    }
  }
  throw new ProfilerError(
    'SP_TOOL_FAILED',
    `no port of process ${pid} answers /debug/pprof/ (${said.join('; ')})`,
  )
}

function normal(identity: string): string {
  return identity.split('\0').filter(Boolean).join('\0')
}

interface HttpAnswer {
  readonly status: number
  readonly body: Buffer
}

function get(
  { address, port }: Endpoint,
  path: string,
  signal: AbortSignal,
  timeoutMs: number,
  most: number,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    const fail = (cause: Error) => {
      const why = deadline.aborted ? `no answer within ${timeoutMs / 1000} s` : systemCode(cause)
      reject(new ProfilerError('SP_TOOL_FAILED', why ?? cause.message, { cause }))
    }
    const request = http.get(
      // Not kept open: a server that is asked to end waits for its connections.
      { host: address, port, path, signal: deadline, agent: false },
      response => {
        const parts: Buffer[] = []
        let length = 0
        response.on('data', (part: Buffer) => {
          length += part.length
          if (length <= most) parts.push(part)
          else request.destroy(new Error(`more than ${most} bytes`))
        })
        response.on('error', fail)
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts) })
        })
      },
    )
    request.on('error', fail)
  })
}

/** Go says in one line why it refuses. It is the target's own text: cut, and shown as a fact. */
function refused({ status, body }: HttpAnswer): ProfilerError {
  const said = body.toString('utf8', 0, 200).split('\n')[0]!.trim()
  if (/already in use/.test(said)) {
    return new ProfilerError(
      'SP_TOOL_BUSY',
      'another CPU profile of this process runs, and Go takes one at a time',
    )
  }
  return new ProfilerError('SP_TOOL_FAILED', `/debug/pprof/ answers HTTP ${status}`, {
    facts: { said },
  })
}

async function* one(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}
