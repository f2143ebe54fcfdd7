// phpspy: https://github.com/adsr/phpspy
//
// It writes each sample as it is taken, so whatever ends it, what was sampled
// until then is here. The traps: it finds the interpreter with a shell that is
// given the path of the target's binary (`runtimes/php.ts` refuses paths that a
// shell could take for more); at its end it may say nothing at all; and it
// complains on standard error for each sample that came late.

import { ProfilerError } from '../errors.ts'
import type { PhpspyCapture } from '../runtimes/runtime.ts'
import type { CaptureEnd, Driver } from './capture.ts'
import { startTool, type ToolEnd } from './run.ts'
import { runFor } from './run-for.ts'

export const capturePhpspy: Driver<PhpspyCapture> = async (description, signals) => {
  const tool = await startTool({
    path: description.toolPath,
    args: phpspyArguments(description),
  })
  const run = runFor(tool, description.durationMs, signals)
  // Not at its first sample: a worker that waits for a request gives none, and that is no fault.
  run.begin()
  let late = 0
  let failed = 0
  tool.stderr.on('data', (piece: string) => {
    late += piece.match(/decrease sample rate/g)?.length ?? 0
    failed += piece.match(/copy_proc_mem: Failed/g)?.length ?? 0
  })
  let bytes = 0
  async function* chunks() {
    for await (const chunk of tool.stdout as AsyncIterable<Buffer>) {
      bytes += chunk.length
      yield chunk
    }
  }
  const ended = tool.ended.then((end): CaptureEnd => {
    if (!run.wasAsked() && end.exitCode !== 0 && bytes === 0) throw phpspyError(description, end)
    return {
      ...end,
      endedByItself: !run.wasAsked(),
      startedMs: run.startedMs(),
      endedMs: run.endedMs(),
      loss: new Map(failed > 0 ? [['whose stack could not be read', failed]] : []),
      notes: late === 0 ? [] : [`phpspy could not keep up: ${late} samples came late.`],
    }
  })
  ended.catch(() => {})
  return {
    segments: (async function* () {
      yield { format: 'phpspy', chunks: chunks() }
    })(),
    ended,
  }
}

export function phpspyArguments({ pid, hertz, durationMs }: PhpspyCapture): string[] {
  return [
    `--pid=${pid}`,
    `--rate-hz=${hertz}`,
    '--single-line',
    // Somebody else's end of it, should ours fail.
    `--time-limit-ms=${durationMs + spareMs}`,
    '--output=-',
  ]
}

const spareMs = 5000

function phpspyError({ pid }: PhpspyCapture, end: ToolEnd): ProfilerError {
  const said = end.stderrTail
    .split('\n')
    .map(line => line.trim())
    .filter(Boolean)
    .join(' ')
  if (/permission denied|not permitted/i.test(said)) {
    return new ProfilerError(
      'SP_NOT_PERMITTED',
      `phpspy may not read the memory of process ${pid}: grant the capability SYS_PTRACE`,
    )
  }
  if (/no such process/i.test(said)) {
    return new ProfilerError('SP_TARGET_GONE', `process ${pid} ended before phpspy could sample it`)
  }
  return new ProfilerError(
    'SP_TOOL_FAILED',
    `phpspy ended with ${end.signal ?? `exit code ${end.exitCode}`}: ${said || 'it said nothing'}`,
  )
}
