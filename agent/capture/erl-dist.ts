// The stacks of a BEAM's processes, asked of the node itself over its distribution.
//
//     which port, which cookie → connect → { processes; who runs; their stacks } at each tick → leave
//
// A tick is calls of functions that every node has: `erlang:processes()`, then
// `lists:zipwith(fun erlang:process_info/2, Processes, Items)`. Nothing is loaded and
// nothing is changed; with the connection all of it is over, however it ends.
//
// The traps: a list that is one tick old lacks every process that lives for a request,
// so it is asked for anew each time. And a process is woken to show its stack, but not
// its status: so of thousands that wait only those are asked for it that run, and who
// has stopped before it was asked is counted as lost.
//
// What it writes is what `profile/erl-dist.ts` reads.

import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { ProfilerError } from '../errors.ts'
import { findCookie } from '../runtimes/erlang-cookie.ts'
import type { Endpoint, ErlDistCapture } from '../runtimes/runtime.ts'
import { withFacts } from '../target/facts.ts'
import { type CaptureEnd, type CaptureSignals, type Driver, monotonicMs } from './capture.ts'
import { askNames } from './epmd.ts'
import { connectNode, type NodeConnection } from './erl-dist-connection.ts'
import { type ProcessSample, readSample, readStatus, textOf } from './erl-dist-samples.ts'
import { Atom, externalFun, type Term } from './erlang-terms.ts'

export const captureErlDist: Driver<ErlDistCapture> = async (description, signals) => {
  const endpoint = await findEndpoint(description)
  const cookie = withFacts(description.pid, findCookie)
  if (typeof cookie === 'string') throw new ProfilerError('SP_NOT_PERMITTED', cookie)
  const connection = await connectNode(endpoint, cookie.value, signals.discard)
  try {
    const release = textOf(
      await connection.call('erlang:system_info', [new Atom('otp_release')], answerMs),
    )
    const output = new Readable({ read() {} })
    // Whoever reads it gets the error; nobody reading yet is no reason to crash.
    output.on('error', () => {})
    const ended = run(description, signals, connection, output).then(
      end => ({ ...end, toolVersion: `OTP ${release.slice(0, 20)}` }),
      error => {
        output.destroy(error)
        throw error
      },
    )
    ended.catch(() => {})
    return {
      segments: (async function* () {
        yield { format: 'erl-dist', chunks: output as AsyncIterable<Uint8Array> }
      })(),
      ended,
    }
  } catch (error) {
    connection.close()
    throw error
  }
}

// A scheduler that is held up by native code answers afterwards.
const answerMs = 10_000
const flushMs = 1000

/** The port of its own that is registered, or that it was told to use. @throws {ProfilerError} `SP_TOOL_FAILED` */
async function findEndpoint({ endpoints, epmdPort, toldPort }: ErlDistCapture): Promise<Endpoint> {
  const names = await askNames(epmdPort)
  const ports = typeof names === 'string' ? [] : names.map(({ port }) => port)
  const found = endpoints.find(({ port }) => ports.includes(port) || port === toldPort)
  if (found !== undefined) return found
  const why =
    typeof names === 'string' ? names : `epmd on port ${epmdPort} knows no node on one of its ports`
  throw new ProfilerError('SP_TOOL_FAILED', `the distribution of the node is not found: ${why}`)
}

async function run(
  description: ErlDistCapture,
  { stop, discard }: CaptureSignals,
  connection: NodeConnection,
  output: Readable,
): Promise<CaptureEnd> {
  const { hertz, durationMs, mode } = description
  const startedMs = monotonicMs()
  const untilMs = startedMs + durationMs
  const over = AbortSignal.any([stop, discard])
  const counts = new Map<string, number>()
  const notes: string[] = []
  let isGone = false
  let endedMs = startedMs
  let rounds = 0
  let missed = 0
  let most = 0
  let flushedMs = startedMs
  output.push(`${JSON.stringify({ format: 'erl-dist', version: 1, mode })}\n`)
  const flush = () => {
    let text = ''
    for (const [sample, count] of counts) text += `[${count},${sample}\n`
    counts.clear()
    flushedMs = monotonicMs()
    if (text !== '') output.push(text)
  }
  const take = ({ status, frames }: ProcessSample) => {
    // Without its bracket, for the count goes first.
    const key = JSON.stringify([status, ...frames]).slice(1)
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  const gone = connection.gone.then(wrong => {
    isGone = true
    if (wrong !== undefined) notes.push(`The node was left: ${wrong}.`)
  })
  const stopped = Promise.race([aborted(over), gone])
  try {
    for (let dueMs = startedMs; ; ) {
      const waitMs = Math.min(dueMs, untilMs) - monotonicMs()
      if (waitMs > 0) await Promise.race([stopped, sleep(waitMs, undefined, { ref: false })])
      if (over.aborted || isGone || monotonicMs() >= untilMs) break
      const asked = round(connection, mode, rounds)
      const answer = await Promise.race([asked, stopped.then(() => undefined)])
      // Nobody waits for it any longer.
      asked.catch(() => {})
      if (answer === undefined) break
      for (const sample of answer.samples) take(sample)
      missed += answer.missed
      most = Math.max(most, answer.processes)
      rounds++
      endedMs = monotonicMs()
      if (endedMs - flushedMs >= flushMs) flush()
      // What was late is not caught up: two rounds in a row would be one.
      dueMs = Math.max(dueMs + 1000 / hertz, endedMs)
    }
  } catch (error) {
    if (rounds === 0 || !(error instanceof ProfilerError)) throw error
    if (!isGone) notes.push(`Sampling ended early: ${error.message}.`)
    isGone = true
  } finally {
    connection.close()
  }
  flush()
  output.push(null)
  if (!isGone) endedMs = Math.min(monotonicMs(), untilMs)
  return {
    exitCode: 0,
    signal: undefined,
    killed: discard.aborted,
    durationMs: monotonicMs() - startedMs,
    stderrTail: '',
    endedByItself: isGone && !over.aborted,
    startedMs,
    endedMs,
    loss: new Map(
      missed > 0 ? [['of processes that had stopped before they were asked', missed]] : [],
    ),
    notes: [...notes, ...paceNotes(description, rounds, (endedMs - startedMs) / 1000, most)],
  }
}

// `garbage_collecting` is work of the process, on its scheduler.
const busy = new Set(['running', 'runnable', 'garbage_collecting'])
const status = new Atom('status')
const statusAndStack = [status, new Atom('current_stacktrace')]
// Of more processes, each has its turn at another tick: a list of so many is half a megabyte …
const mostStatuses = 10_000
// … and so many may be woken at once.
const mostStacks = 500

interface Round {
  readonly samples: readonly ProcessSample[]
  /** Ran, and did so no longer when its stack was asked for. */
  readonly missed: number
  readonly processes: number
}

async function round(
  { call }: NodeConnection,
  mode: ErlDistCapture['mode'],
  turn: number,
): Promise<Round> {
  const ask = async (processes: readonly Term[], items: Term): Promise<readonly Term[]> => {
    const args = [externalFun('erlang:process_info/2'), processes, processes.map(() => items)]
    return processes.length === 0 ? [] : listOf(await call('lists:zipwith', args, answerMs))
  }
  const all = listOf(await call('erlang:processes', [], answerMs))
  const processes = all.length
  if (mode === 'wall') {
    const answers = await ask(someOf(all, mostStacks, turn), statusAndStack)
    const samples = answers.map(readSample).filter(each => each !== undefined)
    return { samples, missed: 0, processes }
  }
  const chosen = someOf(all, mostStatuses, turn)
  const statuses = await ask(chosen, status)
  const busyOnes = chosen.filter((_, index) => busy.has(readStatus(statuses[index])))
  const asked = someOf(busyOnes, mostStacks, turn)
  const samples = (await ask(asked, statusAndStack))
    .map(readSample)
    .filter(each => each !== undefined && busy.has(each.status)) as ProcessSample[]
  return { samples, missed: asked.length - samples.length, processes }
}

/** So many of them, others at each turn, all of them equally often. */
function someOf(all: readonly Term[], most: number, turn: number): readonly Term[] {
  if (all.length <= most) return all
  const from = (turn * most) % all.length
  return [...all.slice(from, from + most), ...all.slice(0, Math.max(0, from + most - all.length))]
}

function listOf(answer: Term): readonly Term[] {
  if (Array.isArray(answer)) return answer as readonly Term[]
  throw new ProfilerError('SP_TOOL_FAILED', 'the node answers something else than was asked')
}

// Below it the rate is another one than was asked for.
const nearlyAll = 0.9

function paceNotes(
  { hertz, mode }: ErlDistCapture,
  rounds: number,
  seconds: number,
  most: number,
): string[] {
  const rate = rounds / Math.max(seconds, 1 / hertz)
  const atOnce = mode === 'wall' ? mostStacks : mostStatuses
  return [
    ...(rate < nearlyAll * hertz && rounds > 1
      ? [
          `The node was asked ${rate.toFixed(1)} times a second, not ${hertz}: each answer was waited for.`,
        ]
      : []),
    ...(most > atOnce
      ? [`The node has up to ${most} processes: at each tick ${atOnce} of them had their turn.`]
      : []),
  ]
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}
