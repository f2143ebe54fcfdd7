// The event pipe of a .NET runtime: it samples itself and streams what it sees.
//
// https://learn.microsoft.com/en-us/dotnet/core/diagnostics/eventpipe
//
// No program is run and nothing is put into the target. The rate is the runtime's
// own and cannot be asked for: it sleeps for 1 ms between two looks at all threads,
// which it stops meanwhile, so many threads make it dear.
//
// The trap: names are written after the stop, so a session is not closed but asked
// to stop, over a second connection, and read on to its end.

import { type ErrorCode, ProfilerError } from '../errors.ts'
import type { EventPipeCapture } from '../runtimes/runtime.ts'
import {
  type DiagnosticsSocket,
  findDiagnosticsSocket,
  type NoSocketReason,
} from '../target/diagnostics-socket.ts'
import { readStat } from '../target/procfs.ts'
import {
  type Capture,
  type CaptureEnd,
  type CaptureSignals,
  type Driver,
  monotonicMs,
} from './capture.ts'
import { type Provider, readRuntimeInfo, type Session, startSession } from './eventpipe-ipc.ts'

const sampler: Provider = {
  name: 'Microsoft-DotNETCore-SampleProfiler',
  keywords: 0n,
  level: 5,
}
/** What is loaded (0x8), compiled or thrown away (0x10), and precompiled (0x20) meanwhile, with names. */
const methods: Provider = { name: 'Microsoft-Windows-DotNETRuntime', keywords: 0x38n, level: 5 }
// A session for names only samples too, for the milliseconds until it is stopped: the runtime
// notices that we are gone when it writes, and without samples it may have nothing to write for ever.
const providersFor = { samples: [sampler, methods], names: [sampler] } as const

export const captureEventPipe: Driver<EventPipeCapture> = ({ pid, durationMs }, signals) =>
  capturePipe(pid, 'samples', durationMs, signals)

/**
 * @param content `names`: only those of the methods that are compiled now, for what another tool has
 *   sampled; it ends by itself at once
 * @throws {ProfilerError} `SP_NOT_PERMITTED`, `SP_TARGET_GONE`, `SP_TOOL_FAILED`
 */
export async function capturePipe(
  pid: number,
  content: keyof typeof providersFor,
  durationMs: number,
  signals: CaptureSignals,
): Promise<Capture> {
  const socket = openSocket(pid)
  try {
    const info = await readRuntimeInfo(socket)
    const session = await startSession(socket, providersFor[content], true)
    const ended = run(session, content === 'samples' ? durationMs : 0, signals)
      .then(end => (info?.version === undefined ? end : { ...end, toolVersion: info.version }))
      .finally(socket.close)
    // Whoever awaits it gets the rejection; nobody awaiting yet is no reason to crash.
    ended.catch(() => {})
    return {
      segments: (async function* () {
        yield { format: 'nettrace', chunks: session.chunks }
      })(),
      ended,
    }
  } catch (error) {
    socket.close()
    // A target that ends just now says nothing better; one that is gone does.
    readStat(pid)
    throw error
  }
}

function openSocket(pid: number): DiagnosticsSocket {
  const found = findDiagnosticsSocket(pid)
  if (found.socket !== undefined) return found.socket
  const [code, why] = noSocketWords[found.reason]
  throw new ProfilerError(code, `process ${pid}: ${why.replace('FOLDER', found.folder)}`)
}

const noSocketWords: Readonly<Record<NoSocketReason, readonly [ErrorCode, string]>> = {
  'root not readable': [
    'SP_NOT_PERMITTED',
    'its files may not be read: run as its uid, or add the capability SYS_PTRACE',
  ],
  'no socket': [
    'SP_TOOL_FAILED',
    'it has no diagnostics socket in FOLDER: it was started with DOTNET_EnableDiagnostics=0, or may not write there, or the socket was removed',
  ],
  'folder behind a link': [
    'SP_TOOL_FAILED',
    'its diagnostics socket in FOLDER is behind a symbolic link, which is not followed',
  ],
  'socket of another user': [
    'SP_TOOL_FAILED',
    'the diagnostics socket in FOLDER belongs to another user, so it is not believed',
  ],
}

// It answers in some 100 ms, if it can.
const discardedMs = 2000

/** Lets the session run for its time, or until somebody stops it, and sees it closed. */
async function run(
  session: Session,
  durationMs: number,
  { stop, discard }: CaptureSignals,
): Promise<CaptureEnd> {
  const startedMs = monotonicMs()
  const notes: string[] = []
  let askedMs: number | undefined
  let stopping: Promise<void> | undefined
  const giveUp = new AbortController()
  let givingUp: NodeJS.Timeout | undefined
  const askToStop = () => {
    askedMs ??= monotonicMs()
    stopping ??= session.stop(giveUp.signal).catch(error => {
      if (!(error instanceof ProfilerError)) throw error
      if (!discard.aborted) notes.push(`The session had to be cut off: ${error.message}.`)
      session.destroy()
    })
  }
  const drop = () => {
    // Closing alone ends it at the runtime's next write; asking ends it now, whatever it does.
    askToStop()
    session.destroy()
    // A runtime whose stream nobody reads may be long about its answer.
    givingUp ??= setTimeout(() => giveUp.abort(), discardedMs)
  }
  const timer = setTimeout(askToStop, durationMs)
  stop.addEventListener('abort', askToStop, { once: true })
  discard.addEventListener('abort', drop, { once: true })
  if (stop.aborted) askToStop()
  if (discard.aborted) drop()
  try {
    await session.closed
    const endedMs = askedMs ?? monotonicMs()
    await stopping
    return {
      exitCode: 0,
      signal: undefined,
      killed: discard.aborted || notes.length > 0,
      durationMs: monotonicMs() - startedMs,
      stderrTail: '',
      endedByItself: askedMs === undefined,
      startedMs,
      endedMs,
      loss: new Map(),
      notes,
    }
  } finally {
    clearTimeout(timer)
    clearTimeout(givingUp)
    stop.removeEventListener('abort', askToStop)
    discard.removeEventListener('abort', drop)
  }
}
