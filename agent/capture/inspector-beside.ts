// perf beside V8's profiler, in the same window: what runs outside of JavaScript.
// `profile/merge-native.ts` makes one picture of the two.

import { setTimeout as sleep } from 'node:timers/promises'
import type { InspectorCapture } from '../runtimes/runtime.ts'
import type { CaptureSignals, Segment } from './capture.ts'
import { capturePerf } from './perf.ts'

export interface Beside {
  readonly segments: AsyncIterable<Segment>
  /** When it samples, or has failed, or is not waited for any longer. */
  readonly begun: Promise<unknown>
  /** A sentence, where it failed: what V8 gives is whole without it. */
  readonly ended: Promise<string | undefined>
}

/** perf in the same window, where that was asked for. */
export async function startBeside(
  { perf }: InspectorCapture,
  signals: CaptureSignals,
): Promise<Beside | undefined> {
  if (perf === undefined) return undefined
  const failed = (error: unknown) => `Native code is left out: ${(error as Error).message}.`
  try {
    const { segments, ended } = await capturePerf(perf, signals)
    const { promise, resolve } = Promise.withResolvers<void>()
    const outcome = ended.then(() => undefined, failed)
    return {
      segments: (async function* () {
        for await (const { format, chunks } of segments) {
          yield { format, chunks: watched(chunks, resolve) }
        }
      })(),
      begun: Promise.race([promise, outcome, sleep(beginMs, undefined, { ref: false })]),
      ended: outcome,
    }
  } catch (error) {
    const ended = Promise.resolve(failed(error))
    return { segments: (async function* () {})(), begun: ended, ended }
  }
}

// perf gives its first bytes after 0.2 to 0.35 s.
const beginMs = 3000

async function* watched<T>(chunks: AsyncIterable<T>, begun: () => void): AsyncGenerator<T> {
  for await (const chunk of chunks) {
    begun()
    yield chunk
  }
}
