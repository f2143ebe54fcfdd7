// Starts a capture of TOOL on PID, says so, and never ends by itself: to be killed.

import { startCapture } from '../../agent/capture/drivers.ts'
import type { Tool } from '../../agent/runtimes/runtime.ts'
import { planned } from '../planned.ts'

const [tool, pid] = process.argv.slice(2) as [Tool, string]
const never = new AbortController().signal
const capture = await startCapture(planned(Number(pid), { tool, durationMs: 3_600_000 }), {
  stop: never,
  discard: never,
})
console.log('capturing')
for await (const segment of capture.segments) for await (const _ of segment.chunks);
