// async-profiler, from its start in the target to its end.
// https://github.com/async-profiler/async-profiler
//
// It collects in the JVM and is asked for a dump now and then: each holds all of
// the ones before, so a target that dies loses only what came after the last.
//
// The traps: a profiler that somebody else has started says "already started", and
// must not be stopped; after any other failure it may run, and must be. And where
// we die, nobody stops it: so it gets a timeout at its start, a dead man's switch.

import { setTimeout as sleep } from 'node:timers/promises'
import { ProfilerError } from '../errors.ts'
import type { AsprofCapture } from '../runtimes/runtime.ts'
import { isRunning, type Target, targetOf } from '../target/find.ts'
import { noteLeftover } from '../target/leftovers.ts'
import { busy, openProfiler, type Profiler } from './asprof-library.ts'
import {
  type CaptureEnd,
  type CaptureSignals,
  type Driver,
  monotonicMs,
  type Segment,
} from './capture.ts'
import { aliveEveryMs, captureByDumps, dumpEveryMs, dumpsAtMs } from './dumps.ts'
import { type PerfServer, startPerfServer } from './perf-server.ts'

export const captureAsprof: Driver<AsprofCapture> = async (description, signals) => {
  const { pid, toolPath, handsOverPerf } = description
  const target = targetOf(pid)
  const profiler = openProfiler(description, target, signals.discard)
  let server: PerfServer | undefined
  let forget = () => {}
  const leave = async () => {
    profiler.close()
    forget()
    await server?.close()
  }
  try {
    await refuseOthers(profiler, pid)
    if (handsOverPerf) server = await startPerfServer(toolPath, pid)
    await start(profiler, description, server, library => {
      forget()
      forget = noteLeftover({
        kind: 'profiler',
        target,
        stop: ['load', library, 'true', 'stop,file=/dev/null,loglevel=none'],
        asTarget: description.asTarget,
        untilMs: monotonicMs() + description.durationMs + deadManGraceS * 1000,
      })
    })
  } catch (error) {
    await leave()
    throw error
  }
  return captureByDumps(emit => run(profiler, target, description, signals, emit).finally(leave))
}

// So that we are surely the ones who end it, unless we are gone.
const deadManGraceS = 5

/** @throws {ProfilerError} `SP_TOOL_BUSY` */
async function refuseOthers(profiler: Profiler, pid: number): Promise<void> {
  const [other] = await profiler.othersAtWork()
  if (other !== undefined) throw busy(pid)
}

async function start(
  profiler: Profiler,
  { options, durationMs }: AsprofCapture,
  server: PerfServer | undefined,
  running: (library: string) => void,
): Promise<void> {
  const command = [
    'start',
    ...options,
    `timeout=${Math.ceil(durationMs / 1000) + deadManGraceS}`,
    ...(server === undefined ? [] : [`fdtransfer=${server.name}`]),
  ]
  try {
    await profiler.command(command, 'log', running)
    // It keeps the log open until it is told of another.
    await profiler.command(['status'], 'none')
  } catch (error) {
    // Another's is left alone. A JVM that does not answer would not answer to this either.
    const isOut = error instanceof ProfilerError && error.facts.everyWay === true
    if (!isOut) await stop(profiler)
    throw error
  }
}

/** Whatever it answers: it is stopped, or was not running, or does not answer and the dead man's switch ends it. */
async function stop(profiler: Profiler): Promise<void> {
  await profiler.command(['stop', 'collapsed'], 'none').catch(() => {})
}

async function run(
  profiler: Profiler,
  target: Target,
  description: AsprofCapture,
  signals: CaptureSignals,
  emit: (segment: Segment) => void,
): Promise<CaptureEnd> {
  const { durationMs, unit } = description
  const startedMs = monotonicMs()
  const asked = AbortSignal.any([signals.stop, signals.discard])
  let dumps = 0
  const dump = async () => {
    const weights = unit === undefined ? ['samples'] : [unit, 'events']
    const taken: Segment[] = []
    const atMs = monotonicMs()
    for (const weight of weights) {
      const counter = weight === unit ? ['total'] : []
      const bytes = await profiler.command(['dump', 'collapsed', 'ann', ...counter], 'dump')
      const supersedes = taken.length === 0
      const between = { startedMs, endedMs: atMs }
      taken.push({ format: `asprof ${weight}`, chunks: one(bytes), supersedes, ...between })
    }
    for (const segment of taken) emit(segment)
    dumps++
  }
  const endMs = startedMs + durationMs
  let nextDumpMs = startedMs + dumpsAtMs[0]!
  let trouble: Error | undefined
  while (monotonicMs() < endMs && !asked.aborted && isRunning(target)) {
    const pause = Math.min(aliveEveryMs, endMs - monotonicMs())
    await sleep(Math.max(0, pause), undefined, { signal: asked }).catch(() => {})
    // The last one is not far then, and has all of this.
    if (monotonicMs() < nextDumpMs || endMs - monotonicMs() < dumpsAtMs[0]! / 2) continue
    trouble = await dump().then(
      () => undefined,
      error => error,
    )
    nextDumpMs = startedMs + (dumpsAtMs[dumps] ?? monotonicMs() - startedMs + dumpEveryMs)
  }
  const endedMs = monotonicMs()
  const isGone = !isRunning(target)
  if (!isGone) {
    await stop(profiler)
    if (!signals.discard.aborted) {
      trouble = await dump().then(
        () => undefined,
        error => error,
      )
    }
  }
  if (dumps === 0 && trouble !== undefined && isRunning(target)) throw trouble
  return {
    exitCode: 0,
    signal: undefined,
    killed: signals.discard.aborted,
    durationMs: monotonicMs() - startedMs,
    stderrTail: '',
    endedByItself: isGone,
    startedMs,
    endedMs,
    loss: new Map(),
    notes:
      trouble === undefined || isGone
        ? []
        : [
            `The last dump is missing, and with it up to ${dumpEveryMs / 1000} s: ${trouble.message}.`,
          ],
  }
}

async function* one(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}
