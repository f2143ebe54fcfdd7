// Starts a capture of TOOL on PID, says so, and does not end by itself for an hour, or for SECONDS: to be killed.

import { startCapture } from '../../agent/capture/drivers.ts'
import type { Tool } from '../../agent/runtimes/runtime.ts'
import { planned } from '../planned.ts'

const [tool, pid, seconds = '3600'] = process.argv.slice(2) as [Tool, string, string?]
const never = new AbortController().signal
const capture = await startCapture(
  planned(Number(pid), { tool, durationMs: Number(seconds) * 1000 }),
  {
    stop: never,
    discard: never,
  },
)
console.log('capturing')
for await (const segment of capture.segments) for await (const _ of segment.chunks);
