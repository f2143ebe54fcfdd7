// What a .NET runtime is asked over its diagnostics socket, and what it answers.
//
//     "DOTNET_IPC_V1\0", u16 size of all, u8 set of commands, u8 command, u16 0, payload
//
// https://github.com/dotnet/diagnostics/blob/main/documentation/design-docs/ipc-protocol.md
//
// One connection for each question. A session's stream follows the answer to the
// question that began it, on the same connection, and the question that ends it
// goes over a second one. The trap: that is answered only when all of the stream has
// been written, names last, so the stream has to be read on meanwhile.
//
// A session ends with its connection, but not before the runtime's next write fails:
// at most 100 ms later while threads are sampled, and perhaps never where nothing is.
// So no session is begun without the sampler, and none is left when we are killed.

import net from 'node:net'
import { ProfilerError, systemCode } from '../errors.ts'
import type { DiagnosticsSocket } from '../target/diagnostics-socket.ts'

export interface RuntimeInfo {
  /** `8.0.4`; undefined from runtimes before 7, which do not say. */
  readonly version: string | undefined
  readonly architecture: string
}

export interface Provider {
  readonly name: string
  readonly keywords: bigint
  /** 1 critical only, 4 informational, 5 verbose. */
  readonly level: number
}

export interface Session {
  /** The NetTrace stream, to its end. Ends early, without an error, when the target does. */
  readonly chunks: AsyncIterable<Uint8Array>
  /**
   * Asks the runtime to end the session. The stream goes on to its end, which has to be read.
   *
   * @param giveUp once aborted the answer is not waited for any more
   */
  stop(giveUp?: AbortSignal): Promise<void>
  /** Closes the stream, which ends the session at the runtime's next write. */
  destroy(): void
  /** When the stream is closed, by whomever. */
  readonly closed: Promise<void>
}

const magic = 'DOTNET_IPC_V1\0'
const headerSize = 20
const commands = {
  stopTracing: [2, 1],
  collectTracing2: [2, 3],
  processInfo: [4, 0],
  processInfo2: [4, 4],
} as const
const serverSet = 0xff
const answerOk = 0

// A runtime answers in milliseconds, one that is stopped or out of CPU never.
const answerLimitMs = 10_000
// A command line of 128 KiB, in UTF-16, is the longest thing that is answered. u16 allows no more anyway.
const maxAnswer = 0xffff

/**
 * What the runtime says of itself; undefined if it is one before 5, which does not.
 *
 * @throws {ProfilerError} as `startSession`
 */
export async function readRuntimeInfo(socket: DiagnosticsSocket): Promise<RuntimeInfo | undefined> {
  for (const command of [commands.processInfo2, commands.processInfo] as const) {
    const { answer, connection } = await ask(socket, command, Buffer.alloc(0))
    connection.destroy()
    const info = answer.error === undefined ? readInfo(answer.payload) : undefined
    if (info !== undefined) return info
  }
  return undefined
}

/**
 * Begins a session.
 *
 * @param wantsNames at its end the runtime names every method that it has compiled
 * @throws {ProfilerError} `SP_NOT_PERMITTED`, `SP_TARGET_GONE`, `SP_TOOL_FAILED`
 */
export async function startSession(
  socket: DiagnosticsSocket,
  providers: readonly Provider[],
  wantsNames: boolean,
): Promise<Session> {
  const { answer, rest, connection } = await ask(
    socket,
    commands.collectTracing2,
    sessionRequest(providers, wantsNames),
  )
  const id = answer.payload
  if (answer.error !== undefined || id.length < 8 || isZero(id)) {
    connection.destroy()
    throw refusal(answer.error)
  }
  // Errors are for who reads; without a reader they end the connection and nothing else.
  connection.on('error', () => {})
  return {
    chunks: streamOf(connection, rest),
    async stop(giveUp) {
      const { answer: stopped, connection: second } = await ask(
        socket,
        commands.stopTracing,
        id,
        stopLimitMs,
        giveUp,
      )
      second.destroy()
      if (stopped.error !== undefined) throw refusal(stopped.error)
    },
    destroy: () => connection.destroy(),
    closed: new Promise(resolve => connection.once('close', () => resolve())),
  }
}

// As much as dotnet-trace asks for, in MB. It is taken only as it fills: the runtime writes every
// 100 ms, but the names of a large service come all at once, and what has no room is lost.
const bufferMegabytes = 256
const netTrace = 1
// The names of the largest services take the runtime some seconds.
const stopLimitMs = 60_000

function sessionRequest(providers: readonly Provider[], wantsNames: boolean): Buffer {
  return Buffer.concat([
    uint32(bufferMegabytes),
    uint32(netTrace),
    Buffer.from([wantsNames ? 1 : 0]),
    uint32(providers.length),
    ...providers.flatMap(({ keywords, level, name }) => {
      const mask = Buffer.alloc(8)
      mask.writeBigUInt64LE(keywords)
      // No arguments: an empty string is its length alone.
      return [mask, uint32(level), text(name), uint32(0)]
    }),
  ])
}

interface Answer {
  /** An HRESULT. */
  readonly error: number | undefined
  readonly payload: Buffer
}

interface Reply {
  readonly answer: Answer
  /** What came behind the answer. */
  readonly rest: Buffer
  readonly connection: net.Socket
}

/** Asks one question; whoever calls closes the connection. */
async function ask(
  { path }: DiagnosticsSocket,
  [set, command]: readonly [number, number],
  payload: Buffer,
  limitMs = answerLimitMs,
  giveUp?: AbortSignal,
): Promise<Reply> {
  const connection = net.connect({ path })
  const header = Buffer.alloc(headerSize)
  header.write(magic, 'latin1')
  header.writeUInt16LE(headerSize + payload.length, 14)
  header[16] = set
  header[17] = command
  const end = (within: string) => {
    const words = `the .NET runtime gave no answer ${within}`
    connection.destroy(new ProfilerError('SP_TOOL_FAILED', words))
  }
  const timer = setTimeout(() => end(`in ${limitMs / 1000} s`), limitMs)
  const leave = () => end('before it was given up')
  giveUp?.addEventListener('abort', leave, { once: true })
  try {
    connection.write(Buffer.concat([header, payload]))
    return { ...(await readAnswer(connection)), connection }
  } catch (error) {
    connection.destroy()
    throw connectionError(error)
  } finally {
    clearTimeout(timer)
    giveUp?.removeEventListener('abort', leave)
  }
}

function readAnswer(connection: net.Socket): Promise<{ answer: Answer; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0)
    const settle = (how: () => void) => {
      connection.pause()
      connection.off('data', take).off('end', fail).off('error', reject)
      how()
    }
    const fail = () => settle(() => reject(malformed('it closed the connection')))
    function take(chunk: Buffer) {
      bytes = Buffer.concat([bytes, chunk])
      if (bytes.length < headerSize) return
      const size = bytes.readUInt16LE(14)
      const isAnswer = bytes.toString('latin1', 0, magic.length) === magic
      if (!isAnswer || bytes[16] !== serverSet || size < headerSize || size > maxAnswer) {
        settle(() => reject(malformed('what it said is no answer')))
      } else if (bytes.length >= size) {
        const payload = bytes.subarray(headerSize, size)
        const isOk = bytes[17] === answerOk
        const error = isOk ? undefined : payload.length >= 4 ? payload.readUInt32LE(0) : 0
        settle(() => resolve({ answer: { error, payload }, rest: bytes.subarray(size) }))
      }
    }
    connection.on('data', take).on('end', fail).on('error', reject)
  })
}

async function* streamOf(connection: net.Socket, first: Buffer): AsyncGenerator<Uint8Array> {
  try {
    if (first.length > 0) yield first
    yield* connection as AsyncIterable<Buffer>
  } catch (error) {
    // The target is gone, or we have closed it: what came is all there is.
    if (!isCut(error)) throw error
  } finally {
    connection.destroy()
  }
}

function isCut(error: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(systemCode(error) ?? '')
}

function connectionError(error: unknown): unknown {
  switch (systemCode(error)) {
    case 'EACCES':
    case 'EPERM':
      return new ProfilerError(
        'SP_NOT_PERMITTED',
        'the diagnostics socket of the .NET runtime may not be opened: run as the uid of the target, or add the capability DAC_OVERRIDE',
      )
    // It was killed and left its socket, or it ends just now.
    case 'ECONNREFUSED':
    case 'ENOENT':
    case 'ECONNRESET':
    case 'EPIPE':
      return new ProfilerError(
        'SP_TOOL_FAILED',
        'nobody listens on the diagnostics socket of the .NET runtime',
      )
    case 'EAGAIN':
      return new ProfilerError(
        'SP_TOOL_FAILED',
        'the .NET runtime does not answer: its diagnostics socket is full',
      )
    default:
      return error
  }
}

/** What the runtime's error codes say: https://github.com/dotnet/diagnostics/blob/main/documentation/design-docs/ipc-protocol.md#errors */
function refusal(code: number | undefined): ProfilerError {
  const why =
    code === 0x80131385
      ? 'it does not know the question: .NET Core 3.0 or newer is needed'
      : code === undefined || code === 0x80004005
        ? 'it would not begin another session: it allows 64 at a time'
        : `it answered with the error 0x${code.toString(16)}`
  return new ProfilerError('SP_TOOL_FAILED', `the .NET runtime refused: ${why}`)
}

function malformed(why: string): ProfilerError {
  return new ProfilerError('SP_TOOL_FAILED', `the .NET runtime gave no answer: ${why}`)
}

/** u64 pid, 16 bytes of cookie, then strings: the command line (personal: skipped), system, architecture, … */
function readInfo(payload: Buffer): RuntimeInfo | undefined {
  let at = 24
  const strings: string[] = []
  while (at + 4 <= payload.length && strings.length < 5) {
    const end = at + 4 + 2 * payload.readUInt32LE(at)
    if (end > payload.length) return undefined
    // With its NUL.
    strings.push(payload.toString('utf16le', at + 4, Math.max(at + 4, end - 2)))
    at = end
  }
  const [, , architecture, , version] = strings
  // `8.0.4+2d7eea252964e69be94cb9c847b371b23e4dd470`: what follows the plus is a commit.
  return architecture === undefined ? undefined : { architecture, version: version?.split('+')[0] }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** Its length with the NUL, in units of UTF-16. */
function text(value: string): Buffer {
  return Buffer.concat([uint32(value.length + 1), Buffer.from(`${value}\0`, 'utf16le')])
}

function isZero(id: Buffer): boolean {
  return id.every(byte => byte === 0)
}
