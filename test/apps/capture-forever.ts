// Starts a capture of TOOL on PID, says so, and never ends by itself: to be killed.

import { drivers } from '../../agent/capture/drivers.ts'
import { findTool } from '../../agent/plan/privileges.ts'
import type { Tool } from '../../agent/runtimes/runtime.ts'

const [tool, pid] = process.argv.slice(2) as [Tool, string]
const never = new AbortController().signal
const capture = await drivers[tool](
  { tool, toolPath: findTool(tool)!, pid: Number(pid), hertz: 99, durationMs: 3_600_000 },
  { stop: never, discard: never },
)
console.log('capturing')
for await (const segment of capture.segments) for await (const _ of segment.chunks);
