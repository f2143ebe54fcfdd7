// The drivers, one for each tool.

import type { CaptureDescription, Tool } from '../runtimes/runtime.ts'
import { captureAsprof } from './asprof.ts'
import type { Capture, CaptureSignals, Driver } from './capture.ts'
import { captureEventPipe } from './eventpipe.ts'
import { captureInspector } from './inspector.ts'
import { capturePerf } from './perf.ts'
import { capturePhpspy } from './phpspy.ts'
import { capturePprof } from './pprof.ts'
import { capturePySpy } from './py-spy.ts'
import { captureRbspy } from './rbspy.ts'

type DescriptionFor<T extends Tool> = Extract<CaptureDescription, { readonly tool: T }>

const drivers: { readonly [T in Tool]: Driver<DescriptionFor<T>> } = {
  asprof: captureAsprof,
  perf: capturePerf,
  pprof: capturePprof,
  eventpipe: captureEventPipe,
  inspector: captureInspector,
  'py-spy': capturePySpy,
  rbspy: captureRbspy,
  phpspy: capturePhpspy,
}

/** Runs what is described with the driver of its tool. */
export function startCapture<T extends Tool>(
  description: DescriptionFor<T>,
  signals: CaptureSignals,
): Promise<Capture> {
  return drivers[description.tool as T](description, signals)
}
