// The drivers, one for each tool.

import type { Tool } from '../runtimes/runtime.ts'
import type { Driver } from './capture.ts'
import { capturePerf } from './perf.ts'
import { capturePySpy } from './py-spy.ts'

export const drivers: Readonly<Record<Tool, Driver>> = {
  perf: capturePerf,
  'py-spy': capturePySpy,
}
