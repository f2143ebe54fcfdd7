// py-spy: https://github.com/benfred/py-spy
//
// Non-blocking: the target is never stopped, at the price of a stack that is
// now and then read while it changes (py-spy counts those as errors, and so do
// we): 2 % on a quiet machine, a third where py-spy has to wait for a core. A
// person may choose to have it stopped for each sample instead. The traps: `-d` counts samples, so the wall clock stops it; only SIGINT
// makes it write its file, SIGTERM loses everything; `-o -` makes a file named `-`.

import fs from 'node:fs'
import { ProfilerError } from '../errors.ts'
import type { PySpyCapture } from '../runtimes/runtime.ts'
import { notePause } from '../target/leftovers.ts'
import type { CaptureEnd, CaptureSignals, Driver } from './capture.ts'
import { startTool, type ToolEnd } from './run.ts'
import { hungError, runFor } from './run-for.ts'
import { captureInTurns, type Turn } from './turns.ts'
import { fullDisk, openNamelessFile, readAndClose } from './workdir.ts'

export const capturePySpy: Driver<PySpyCapture> = (description, signals) =>
  captureInTurns(description, signals, startTurn)

async function startTurn(description: PySpyCapture, signals: CaptureSignals): Promise<Turn> {
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  const output = openNamelessFile()
  const forget = notePause(description)
  try {
    const tool = await startTool({
      path: description.toolPath,
      args: pySpyArguments(description),
      outputFd: output,
    })
    const run = runFor(tool, description.durationMs, signals)
    let said = ''
    tool.stdout.setEncoding('utf8').on('data', (piece: string) => {
      // Its banner says that it is attached and samples.
      run.begin()
      begin()
      said = (said + piece).slice(-maxSaid)
    })
    const ended = tool.ended.finally(forget).then((end): CaptureEnd => {
      if (run.hung()) throw hungError('py-spy')
      if (end.exitCode !== 0 && !signals.discard.aborted) throw pySpyError(description, end)
      const errors = Number(/Errors: (\d+)/.exec(said)?.[1] ?? 0)
      const late = /([\d.]+)s behind in sampling/.exec(said + end.stderrTail)?.[1]
      return {
        ...end,
        endedByItself: !run.wasAsked(),
        startedMs: run.startedMs(),
        endedMs: run.endedMs(),
        loss: new Map(errors > 0 ? [['whose stack changed while it was read', errors]] : []),
        notes: [
          ...(late === undefined ? [] : [`py-spy could not keep up: it was ${late} s behind.`]),
          ...(isMuch(errors, said) ? [pauseAdvice] : []),
        ],
      }
    })
    ended.catch(() => fs.closeSync(output))
    return {
      begun,
      segments: (async function* () {
        await ended
        yield { format: 'py-spy raw', chunks: readAndClose(output) }
      })(),
      ended,
    }
  } catch (error) {
    forget()
    fs.closeSync(output)
    throw error
  }
}

const pauseAdvice =
  'Many stacks changed while they were read: `--pause` stops the target for each sample, and loses none.'

/** More than one in ten: what quality does not trust any more. */
function isMuch(errors: number, said: string): boolean {
  const samples = Number(/Samples: (\d+)/.exec(said)?.[1] ?? 0)
  return errors * 9 > samples
}

// Its banner and its closing line; warnings come between.
const maxSaid = 16 << 10

export function pySpyArguments({ pid, hertz, withIdle, pause }: PySpyCapture): string[] {
  return [
    'record',
    `--pid=${pid}`,
    `--rate=${hertz}`,
    '--format=raw',
    // A function is one frame, at its first line, not one frame for each line of it.
    '--function',
    '--full-filenames',
    '--output=/proc/self/fd/3',
    ...(withIdle ? ['--idle'] : []),
    ...(pause ? [] : ['--nonblocking']),
  ]
}

function pySpyError({ pid }: PySpyCapture, end: ToolEnd): ProfilerError {
  const said = end.stderrTail
    .split('\n')
    .map(line => line.trim())
    .filter(Boolean)
    .join(' ')
  const full = fullDisk(said)
  if (full !== undefined) return full
  // Its sentences mislead ("Check that the process is running"); the errno does not.
  const errno = /os error (\d+)/.exec(said)?.[1]
  if (errno === '1' || errno === '13' || /permission denied/i.test(said)) {
    return new ProfilerError(
      'SP_NOT_PERMITTED',
      `py-spy may not read the memory of process ${pid}: grant the capability SYS_PTRACE`,
    )
  }
  if (errno === '2' || errno === '3') {
    return new ProfilerError('SP_TARGET_GONE', `process ${pid} ended before py-spy could sample it`)
  }
  return new ProfilerError(
    'SP_TOOL_FAILED',
    `py-spy ended with ${end.signal ?? `exit code ${end.exitCode}`}: ${said || 'it said nothing'}`,
  )
}
