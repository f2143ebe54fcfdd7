// Java's flight recorder, from its start in the target to its end.
//
// It records in the JVM and is asked for a dump now and then, whose new chunks are a
// segment: a target that dies loses only what came after the last.

import { setTimeout as sleep } from 'node:timers/promises'
import type { JfrCapture } from '../runtimes/runtime.ts'
import { isRunning, type Target, targetOf } from '../target/find.ts'
import {
  type CaptureEnd,
  type CaptureSignals,
  type Driver,
  monotonicMs,
  type Segment,
} from './capture.ts'
import { aliveEveryMs, captureByDumps, dumpEveryMs, dumpsAtMs } from './dumps.ts'
import { type JfrRecording, startRecording } from './jfr-recording.ts'

export const captureJfr: Driver<JfrCapture> = async (description, signals) => {
  const target = targetOf(description.pid)
  const recording = await startRecording(description, target, signals.discard)
  return captureByDumps(emit => run(recording, target, description, signals, emit))
}

async function run(
  recording: JfrRecording,
  target: Target,
  { durationMs }: JfrCapture,
  signals: CaptureSignals,
  emit: (segment: Segment) => void,
): Promise<CaptureEnd> {
  const startedMs = monotonicMs()
  const endMs = startedMs + durationMs
  const asked = AbortSignal.any([signals.stop, signals.discard])
  let hasSome = false
  let takenMs = startedMs
  let trouble: Error | undefined
  const take = async (written: Promise<Buffer[]>) => {
    const atMs = monotonicMs()
    try {
      const chunks = await written
      if (chunks.length > 0) {
        emit({ format: 'jfr', chunks: each(chunks), startedMs: takenMs, endedMs: atMs })
        hasSome = true
        takenMs = atMs
      }
      trouble = undefined
    } catch (error) {
      trouble = error as Error
    }
  }
  let dumps = 0
  let nextDumpMs = startedMs + dumpsAtMs[0]!
  while (monotonicMs() < endMs && !asked.aborted && isRunning(target)) {
    const pause = Math.min(aliveEveryMs, endMs - monotonicMs())
    await sleep(Math.max(0, pause), undefined, { signal: asked }).catch(() => {})
    // The last one is not far then, and has all of this.
    if (monotonicMs() < nextDumpMs || endMs - monotonicMs() < dumpsAtMs[0]!) continue
    await take(recording.dump())
    dumps++
    const at = dumpsAtMs[dumps]
    nextDumpMs = at === undefined ? monotonicMs() + dumpEveryMs : startedMs + at
  }
  const endedMs = monotonicMs()
  const isGone = !isRunning(target)
  if (!isGone) await take(recording.stop(!signals.discard.aborted))
  const kept = recording.close()
  if (!hasSome && trouble !== undefined && isRunning(target)) throw trouble
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
    notes: [
      ...(trouble === undefined || isGone
        ? []
        : [`The end of the recording is missing: ${trouble.message}.`]),
      ...(recording.others === 0
        ? []
        : [
            'Another recording of the flight recorder runs in the JVM; it is left alone, and where it samples faster, so does ours.',
          ]),
      ...(kept === undefined ? [] : [kept]),
    ],
  }
}

async function* each(chunks: readonly Buffer[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}
