// What the flight recorder kept, as windows before the first one that was asked for.
//
// The ring is one perf.data; it is read once for each minute that it holds, and of
// that minute alone. The names are the living target's, as in a capture: what the
// ring holds is minutes old, and the files are still mapped.

import { monotonicMs } from '../capture/capture.ts'
import { askRecorder, type Recorder } from '../capture/recorder.ts'
import { readToolVersion } from '../capture/run.ts'
import { weightOf } from '../profile/call-tree.ts'
import { perfDataReader } from '../profile/perf-data.ts'
import type { PerfDataSummary } from '../profile/perf-summary.ts'
import type { Window } from '../profile/perf-waiting.ts'
import { type Profile, ProfileBuilder } from '../profile/profile.ts'
import type { PerfCapture } from '../runtimes/runtime.ts'
import type { CapturedWindow } from './capture-series.ts'
import { moduleFiles } from './module-files.ts'
import { nameSources } from './sources.ts'
import { symbolize } from './symbolize.ts'

const isRecorded = true
const windowMs = 60_000
// What an on-caller asks for: what changed in the last minutes. More are columns that nobody reads.
const mostWindows = 5

/**
 * The minutes before now, oldest first, numbered from 1; empty if the ring holds nothing.
 *
 * @throws {ProfilerError} `SP_TOOL_FAILED` if perf does not answer; `SP_PERF_DATA_MALFORMED`
 */
export async function recordedWindows(
  recorder: Recorder,
  perfPath: string,
): Promise<CapturedWindow[]> {
  const { target, hertz } = recorder
  const nowMs = monotonicMs()
  const bytes = await askRecorder(recorder)
  const toolVersion = await readToolVersion(perfPath)
  const files = moduleFiles(target.pid)
  const names = nameSources(files)
  const read = (between?: Window) => {
    const builder = new ProfileBuilder()
    const reader = perfDataReader(builder, {
      ...(between !== undefined && { between }),
      onModule: module => names.hold(module),
      onUse: module => names.prepare(module),
    })
    reader.push(bytes)
    const perf = reader.end()
    return { profile: builder.build(), perf }
  }
  const windowOf = (startMs: number, endMs: number, window: number): CapturedWindow => {
    const { profile, perf } = read({ startNs: startMs * 1e6, endNs: endMs * 1e6 })
    const startedAt = new Date(Date.now() - (monotonicMs() - startMs))
    if (!(weightOf(profile) > 0)) {
      const failure = 'the recorder saw no CPU time then'
      return { window, isRecorded, startedAt, captured: undefined, failure }
    }
    return { window, isRecorded, startedAt, captured: captured(profile, perf, startMs, endMs) }
  }
  const captured = (raw: Profile, perf: PerfDataSummary, startMs: number, endMs: number) => ({
    description: describe(recorder, perfPath, endMs - startMs),
    toolVersion,
    profile: symbolize(raw, module => names.of(module)),
    perf,
    trace: undefined,
    end: { ...quietEnd, startedMs: startMs, endedMs: endMs, durationMs: endMs - startMs },
    // The ring began long ago, and nobody metered the target minute by minute.
    cpuSeconds: undefined,
    symbols: names.used().sources,
    remarks: [`It is of the flight recorder, which samples at ${hertz} Hz.`],
  })
  try {
    const { firstSampleNs } = read().perf
    if (firstSampleNs === undefined) return []
    const firstMs = Math.max(firstSampleNs / 1e6, nowMs - mostWindows * windowMs)
    const count = Math.max(1, Math.ceil((nowMs - firstMs) / windowMs))
    return Array.from({ length: count }, (_, at) => {
      const endMs = nowMs - (count - 1 - at) * windowMs
      return windowOf(Math.max(firstMs, endMs - windowMs), endMs, at + 1)
    })
  } finally {
    files.close()
  }
}

const quietEnd = {
  exitCode: undefined,
  signal: undefined,
  killed: false,
  stderrTail: '',
  endedByItself: false,
  loss: new Map<string, number>(),
  notes: [],
}

/** As a capture that somebody had asked for then. */
function describe({ target, hertz }: Recorder, toolPath: string, durationMs: number): PerfCapture {
  return {
    tool: 'perf',
    toolPath,
    pid: target.pid,
    mode: 'cpu',
    hertz,
    durationMs,
    event: 'cpu-clock',
    countsCpuTime: true,
    callGraph: 'fp',
    mostBufferPages: 0,
  }
}
