// The drivers, one for each tool, and what is the same for all of them.
//
// The trap: a tool whose target ends while it starts says whatever it was doing
// just then, and perf says nothing at all. So where one fails it is looked whether
// there still is a target, before the tool is blamed.

import { setTimeout as sleep } from 'node:timers/promises'
import { ProfilerError } from '../errors.ts'
import type { CaptureDescription, Tool } from '../runtimes/runtime.ts'
import { isRunning, type Target, targetOf } from '../target/find.ts'
import { captureAsprof } from './asprof.ts'
import type { Capture, CaptureSignals, Driver, Segment } from './capture.ts'
import { captureErlDist } from './erl-dist.ts'
import { captureEventPipe } from './eventpipe.ts'
import { captureInspector } from './inspector.ts'
import { captureJfr } from './jfr.ts'
import { capturePerf } from './perf.ts'
import { capturePhpspy } from './phpspy.ts'
import { capturePprof } from './pprof.ts'
import { capturePySpy } from './py-spy.ts'
import { captureRbspy } from './rbspy.ts'

type DescriptionFor<T extends Tool> = Extract<CaptureDescription, { readonly tool: T }>

const drivers: { readonly [T in Tool]: Driver<DescriptionFor<T>> } = {
  asprof: captureAsprof,
  jfr: captureJfr,
  perf: capturePerf,
  pprof: capturePprof,
  eventpipe: captureEventPipe,
  inspector: captureInspector,
  'py-spy': capturePySpy,
  rbspy: captureRbspy,
  phpspy: capturePhpspy,
  'erl-dist': captureErlDist,
}

/**
 * Runs what is described with the driver of its tool.
 *
 * @throws {ProfilerError} `SP_TARGET_GONE` where the target has ended, whatever the tool said of it; the same
 *   holds of the segments and of the end
 */
export async function startCapture<T extends Tool>(
  description: DescriptionFor<T>,
  signals: CaptureSignals,
): Promise<Capture> {
  const target = targetOrNone(description.pid)
  const blame = (error: unknown) => blamed(error, description.pid, target)
  try {
    const capture = await drivers[description.tool as T](description, signals)
    const ended = capture.ended.catch(async error => {
      throw await blame(error)
    })
    // Whoever awaits it gets the rejection; nobody awaiting yet is no reason to crash.
    ended.catch(() => {})
    return { segments: blaming(capture.segments, blame), ended }
  } catch (error) {
    throw await blame(error)
  }
}

/** What comes, with the chunks of segments alike, until an error that is given another cause. */
async function* blaming(
  segments: AsyncIterable<Segment>,
  blame: (error: unknown) => Promise<unknown>,
): AsyncGenerator<Segment> {
  async function* inOrder<Each>(each: AsyncIterable<Each>): AsyncGenerator<Each> {
    try {
      yield* each
    } catch (error) {
      throw await blame(error)
    }
  }
  for await (const segment of inOrder(segments)) {
    yield { ...segment, chunks: inOrder(segment.chunks) }
  }
}

// A process that is about to end is there until its memory is given back.
const looks = 10
const betweenLooksMs = 20

/** The same error, or that the target is gone. */
async function blamed(error: unknown, pid: number, target: Target | undefined): Promise<unknown> {
  if (!(error instanceof ProfilerError)) return error
  if (error.code !== 'SP_TOOL_FAILED' && error.code !== 'SP_NOT_PERMITTED') return error
  for (let look = 0; look < looks; look++) {
    if (target === undefined || !isRunning(target)) {
      return new ProfilerError('SP_TARGET_GONE', `process ${pid} has ended: ${error.message}`, {
        cause: error,
      })
    }
    await sleep(betweenLooksMs)
  }
  return error
}

function targetOrNone(pid: number): Target | undefined {
  try {
    return targetOf(pid)
  } catch {
    // The driver says why.
    return undefined
  }
}
