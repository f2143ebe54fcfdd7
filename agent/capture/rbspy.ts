// rbspy: https://rbspy.github.io
//
// Non-blocking unless it is told to pause: the target is not stopped, at the price of a stack that is now
// and then read while it changes. rbspy drops those without telling, so they
// are counted as samples that are missing. The traps: it writes a raw file into
// $HOME unless it is told where; it clears the screen on its standard output; it
// says `Wrote formatted output` when it wrote nothing; only SIGINT makes it write
// its file; and it says nothing when it has attached, unless its log is asked.

import fs from 'node:fs'
import { ProfilerError } from '../errors.ts'
import type { RbspyCapture } from '../runtimes/runtime.ts'
import { notePause } from '../target/leftovers.ts'
import type { CaptureEnd, CaptureSignals, Driver } from './capture.ts'
import { startTool, type ToolEnd } from './run.ts'
import { hungError, runFor, type TimedRun } from './run-for.ts'
import { captureInTurns, type Turn } from './turns.ts'
import { fullDisk, openNamelessFile, readAndClose } from './workdir.ts'

export const captureRbspy: Driver<RbspyCapture> = (description, signals) =>
  captureInTurns(description, signals, startTurn)

async function startTurn(description: RbspyCapture, signals: CaptureSignals): Promise<Turn> {
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  const output = openNamelessFile()
  const forget = notePause(description)
  try {
    const tool = await startTool({
      path: description.toolPath,
      args: rbspyArguments(description),
      outputFd: output,
      // What it says when it has found the interpreter, right before its first sample.
      env: { RUST_LOG: 'rbspy::core::address_finder=info' },
    })
    const run = runFor(tool, description.durationMs, signals)
    // Codes that clear a screen: nobody reads them, and a full pipe would stop it.
    tool.stdout.resume()
    let late = ''
    tool.stderr.on('data', (piece: string) => {
      if (piece.includes('Ruby VM addresses')) {
        run.begin()
        begin()
      }
      late = /[\d.]+% \(\d+\/\d+\) of stack traces were sampled late/.exec(piece)?.[0] ?? late
    })
    const ended = tool.ended.finally(forget).then((end): CaptureEnd => {
      if (run.hung()) throw hungError('rbspy')
      const isEmpty = fs.fstatSync(output).size === 0
      if (end.exitCode !== 0 && isEmpty && !signals.discard.aborted) {
        throw rbspyError(description, end)
      }
      return {
        ...end,
        endedByItself: !run.wasAsked(),
        startedMs: run.startedMs(),
        endedMs: run.endedMs(),
        loss: lossOf(description, end, run, output),
        notes: late === '' ? [] : [`rbspy could not keep up: ${late}.`],
      }
    })
    ended.catch(() => fs.closeSync(output))
    return {
      begun,
      segments: (async function* () {
        await ended
        yield { format: 'rbspy collapsed', chunks: readAndClose(output) }
      })(),
      ended,
    }
  } catch (error) {
    forget()
    fs.closeSync(output)
    throw error
  }
}

export function rbspyArguments({ pid, hertz, mode, forceVersion, pause }: RbspyCapture): string[] {
  return [
    'record',
    `--pid=${pid}`,
    `--rate=${hertz}`,
    '--format=collapsed',
    ...(pause ? [] : ['--nonblocking']),
    ...(mode === 'cpu' ? ['--on-cpu'] : []),
    ...(forceVersion === undefined ? [] : [`--force-version=${forceVersion}`]),
    '--file=/proc/self/fd/3',
    '--raw-file=/dev/null',
  ]
}

/**
 * What it did not get. With more failures than successes it gives up, and says how many; fewer it
 * never tells. Of a wall clock it is known how many there should be; of CPU time quality says it.
 */
function lossOf(
  { mode, hertz }: RbspyCapture,
  { stderrTail }: ToolEnd,
  run: TimedRun,
  output: number,
): Map<string, number> {
  const dropped = Number(/Dropped (\d+)\/\d+ stack traces/.exec(stderrTail)?.[1] ?? 0)
  if (dropped > 0) return new Map([['whose stack could not be read', dropped]])
  if (mode !== 'wall' || !run.wasAsked()) return new Map()
  const expected = Math.floor((hertz * (run.endedMs() - run.startedMs())) / 1000)
  const missing = expected - countSamples(output)
  return new Map(missing > expected * jitter ? [['that rbspy could not take', missing]] : [])
}

// What its start and its end take of a second, and a timer that is late by one tick.
const jitter = 0.02

/** The numbers at the ends of the lines, added up. */
function countSamples(fd: number): number {
  const bytes = Buffer.alloc(Math.min(fs.fstatSync(fd).size, maxCounted))
  fs.readSync(fd, bytes, 0, bytes.length, 0)
  let samples = 0
  for (const [, count] of bytes.toString('latin1').matchAll(/ (\d{1,9})$/gm))
    samples += Number(count)
  return samples
}

// 30 s at 999 Hz, were every stack another one of 60 frames, is half of it.
const maxCounted = 256 << 20

function rbspyError({ pid }: RbspyCapture, end: ToolEnd): ProfilerError {
  // Above it stands what it printed each second, below it what was never written.
  const said = (end.stderrTail.split("Here's what we know:").at(-1) ?? '')
    .split('\n')
    .map(line => line.replace(/^- /, '').trim())
    .filter(line => line !== '' && !/^(?:\[|Wrote |Warning: no profile)/.test(line))
    .join(': ')
  const full = fullDisk(said)
  if (full !== undefined) return full
  if (
    /permission denied|operation not permitted|permissions error|os error (?:1|13)\b/i.test(said)
  ) {
    return new ProfilerError(
      'SP_NOT_PERMITTED',
      `rbspy may not read the memory of process ${pid}: grant the capability SYS_PTRACE`,
    )
  }
  if (/no such (?:process|file)|os error (?:2|3)\b|isn't running/i.test(said)) {
    return new ProfilerError('SP_TARGET_GONE', `process ${pid} ended before rbspy could sample it`)
  }
  return new ProfilerError(
    'SP_TOOL_FAILED',
    `rbspy ended with ${end.signal ?? `exit code ${end.exitCode}`}: ${said || 'it said nothing'}`,
  )
}
