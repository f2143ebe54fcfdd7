// A profiler inside the target that is asked, now and then, for what it has: how
// often, and as a stream that goes on whether or not somebody reads it.

import { ReadableStream } from 'node:stream/web'
import type { Capture, CaptureEnd, Segment } from './capture.ts'

// A first picture at once, another before people look away, then as often as it costs nothing.
export const dumpsAtMs = [1000, 3000]
export const dumpEveryMs = 5000
/** How soon a target that has ended is noticed. */
export const aliveEveryMs = 100

/** @param run gives each dump to `emit`; what it throws ends the segments, too */
export function captureByDumps(
  run: (emit: (segment: Segment) => void) => Promise<CaptureEnd>,
): Capture {
  const { promise: ended, resolve, reject } = Promise.withResolvers<CaptureEnd>()
  // Whoever awaits it gets the rejection; nobody awaiting yet is no reason to crash.
  ended.catch(() => {})
  const segments = new ReadableStream<Segment>({
    start(controller) {
      // It runs whether or not somebody reads: the target has to be left in any case.
      run(segment => controller.enqueue(segment)).then(
        end => {
          controller.close()
          resolve(end)
        },
        error => {
          controller.error(error)
          reject(error)
        },
      )
    },
  })
  return { segments, ended }
}
