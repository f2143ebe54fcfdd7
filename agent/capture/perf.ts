// perf in pipe mode: what it samples comes out of its stdout while it records.
//
// https://man7.org/linux/man-pages/man1/perf-record.1.html
//
// perf only samples. It is told not to look at files (`-B -N`), for from a
// sidecar without SYS_ADMIN it opens our file at the target's path and names
// the wrong function. It runs without a workload, so no `sleep` outlives it, and
// stops at SIGINT, after which it drains its buffers and ends by that signal.
//
// The trap: it sleeps until a buffer is half full, which one busy core at 99 Hz
// takes twelve seconds for. Who looks meanwhile has it woken up.

import { ProfilerError } from '../errors.ts'
import type { PerfCapture } from '../runtimes/runtime.ts'
import type { CaptureEnd, Driver } from './capture.ts'
import { writeJvmPerfMap } from './jvm-perf-map.ts'
import { readToolVersion, startTool, type ToolEnd } from './run.ts'
import { hungError, runFor } from './run-for.ts'

export const capturePerf: Driver<PerfCapture> = async (description, signals) => {
  const map =
    description.perfMap && (await writeJvmPerfMap(description.pid, description.perfMap.asTarget))
  const isControlled = listens(await readToolVersion(description.toolPath))
  const tool = await startTool({
    path: description.toolPath,
    args: [...perfArguments(description), ...(isControlled ? ['--control=fd:3'] : [])],
    isControlled,
  })
  const waking = setInterval(() => {
    if (signals.isWatched?.() === true) tool.tell('ping\n')
  }, wakeMs)
  const run = runFor(tool, description.durationMs, signals)
  const { maxBytes = Number.POSITIVE_INFINITY } = description.switches ?? {}
  let bytes = 0
  let isReady = false
  async function* chunks() {
    for await (const chunk of tool.stdout as AsyncIterable<Buffer>) {
      // The first bytes describe the events. Then perf looks at what runs, for 0.2 s on a busy
      // machine; says, since Linux 6.0, that it has done so; and enables the events.
      run.begin()
      if (!isReady && chunk.includes(finishedInit)) {
        isReady = true
        run.beginAgain()
      }
      bytes += chunk.length
      if (bytes > maxBytes) run.stop()
      yield chunk
    }
  }
  const finished = tool.ended.finally(() => {
    clearInterval(waking)
    return map?.finish()
  })
  const ended = finished.then((end): CaptureEnd => {
    if (run.hung()) throw hungError('perf')
    if (!run.wasAsked() && end.exitCode !== 0) throw perfError(description, end)
    return {
      ...end,
      endedByItself: !run.wasAsked(),
      startedMs: run.startedMs(),
      endedMs: run.endedMs(),
      loss: new Map(),
      notes: [
        ...notesOn(bytes, maxBytes, run.endedMs() - run.startedMs()),
        ...(map?.problem === undefined ? [] : [map.problem]),
      ],
    }
  })
  // Whoever awaits it gets the rejection; nobody awaiting yet is no reason to crash.
  ended.catch(() => {})
  return {
    segments: (async function* () {
      yield { format: 'perf.data', chunks: chunks() }
    })(),
    ended,
  }
}

// Two of these rounds put samples in their order.
const wakeMs = 250

/** `--control=fd:` came with perf 5.9. Any word on it wakes perf up, and then it empties its buffers. */
function listens(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 5 || (major === 5 && minor >= 9)
}

// Enough for all but a few stacks in a hundred; a larger copy costs the target and us as much more.
const copiedBytes = 8192

// The record FINISHED_INIT: type 82, a size of 8.
const finishedInit = Buffer.from([82, 0, 0, 0, 0, 0, 8, 0])

/** For the log and the manifest too: nothing in it is personal. */
export function perfArguments({
  pid,
  hertz,
  callGraph,
  switches,
  mostBufferPages,
}: PerfCapture): string[] {
  return [
    'record',
    // Without this perf lingers for 0.9 s after the last sample.
    '--no-bpf-event',
    '--no-buildid',
    '--no-buildid-cache',
    // Not `cycles`: cpu-clock is there in every VM and gives exactly the rate that was asked.
    ...eventArguments(hertz, switches),
    callGraph === 'dwarf' ? `--call-graph=dwarf,${copiedBytes}` : '--call-graph=fp',
    // So that the times of samples can be compared with the target's CPU time.
    '--clockid=CLOCK_MONOTONIC',
    // 128 KiB a CPU: bytes arrive every 0.3 s from one busy core at 999 Hz, and a core that is
    // busy elsewhere for 0.1 s loses nothing. Within what an unprivileged user may lock (516 KiB).
    // Switches come in bursts and copied stacks are large: those need more.
    `--mmap-pages=${switches === undefined && callGraph !== 'dwarf' ? 32 : mostBufferPages}`,
    `--pid=${pid}`,
    '--output=-',
  ]
}

function eventArguments(hertz: number, switches: PerfCapture['switches']): string[] {
  if (switches === undefined) return ['--event=cpu-clock', `--freq=${hertz}`]
  return [
    // As terms, because perf takes no rate of one event beside a period of another.
    `--event=cpu-clock/freq=${hertz},name=cpu-clock/`,
    `--event=context-switches/period=${switches.period},name=context-switches/`,
    '--switch-events',
  ]
}

function notesOn(bytes: number, maxBytes: number, durationMs: number): string[] {
  if (bytes === 0) return ['perf ended without giving anything']
  if (bytes <= maxBytes) return []
  return [
    `Stopped after ${(durationMs / 1000).toFixed(1)} s: the target switches so often that ` +
      `${Math.round(maxBytes / 1e6)} MB were recorded by then.`,
  ]
}

function perfError({ pid }: PerfCapture, end: ToolEnd): ProfilerError {
  const said = end.stderrTail
    .split('\n')
    .map(line => line.trim())
    .filter(Boolean)
    .join(' ')
  if (
    /no permission|not permitted|access to performance monitoring|permission denied/i.test(said)
  ) {
    return new ProfilerError(
      'SP_NOT_PERMITTED',
      `the kernel does not let perf sample process ${pid}: grant the capability PERFMON${process.getuid?.() === 0 ? '' : ', or run as root'}`,
      { facts: { stderr: said } },
    )
  }
  if (/no such process|problems finding/i.test(said)) {
    return new ProfilerError('SP_TARGET_GONE', `process ${pid} ended before perf could sample it`)
  }
  return new ProfilerError(
    'SP_TOOL_FAILED',
    `perf ended with ${exitWords(end)}: ${said || 'it said nothing'}`,
  )
}

function exitWords({ exitCode, signal }: ToolEnd): string {
  return signal === undefined ? `exit code ${exitCode}` : signal
}
