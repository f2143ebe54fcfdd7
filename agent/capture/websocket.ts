// A WebSocket to a port of the loopback address: text messages both ways, each of
// a bounded size. https://www.rfc-editor.org/rfc/rfc6455
//
// Node's own `WebSocket` would do, but cannot be told how large a message may
// grow, and who answers here is the target, which may send without end. What a
// debugging port does not use (binary messages, extensions) is an error here.

import { createHash, randomBytes } from 'node:crypto'
import net from 'node:net'
import { ProfilerError, systemCode } from '../errors.ts'
import type { Endpoint } from '../runtimes/runtime.ts'

export interface WebSocketHandlers {
  message(text: string): void
  /** Once, however it ended; with the words of what was wrong, if it was that. */
  closed(why: string | undefined): void
}

export interface LoopbackWebSocket {
  send(text: string): void
  /** Sends what waits, and goes without an answer. */
  close(): void
}

// A segment of some seconds of V8 is 20 KB to 5 MB. Parsed, this much is half a gigabyte at worst.
const maxMessageBytes = 32 << 20
// Node sends a message whole.
const maxFragments = 1024
// Pings are answered while the other side reads the answers.
const maxUnread = 64 << 10
const maxHeadBytes = 8 << 10
// The thread that answers is not the one that runs JavaScript: it is never busy for long.
const openMs = 2000
// How long what was sent last may wait before the connection is cut.
const lingerMs = 1000

/** @throws {ProfilerError} `SP_TOOL_FAILED` when nobody answers, or not as a WebSocket */
export function openWebSocket(
  { address, port }: Endpoint,
  path: string,
  handlers: WebSocketHandlers,
): Promise<LoopbackWebSocket> {
  const key = randomBytes(16).toString('base64')
  const socket = net.connect({ host: address, port, noDelay: true })
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown) => {
      socket.destroy()
      reject(
        new ProfilerError('SP_TOOL_FAILED', `port ${port} is no debugging port: ${why}`, { cause }),
      )
    }
    const timer = setTimeout(() => fail('it does not answer'), openMs)
    let head: Buffer = Buffer.alloc(0)
    const onHead = (chunk: Buffer) => {
      head = Buffer.concat([head, chunk])
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) {
        if (head.length > maxHeadBytes) fail('its answer has no end')
        return
      }
      clearTimeout(timer)
      if (!isAccepted(head.toString('latin1', 0, end), key)) {
        fail('it refuses')
        return
      }
      socket.off('data', onHead).off('error', onError).off('close', onClose)
      // What came behind the head is read when whoever waits for the connection has it.
      socket.pause()
      if (head.length > end + 4) socket.unshift(head.subarray(end + 4))
      resolve(converse(socket, handlers))
      setImmediate(() => socket.resume())
    }
    const onError = (error: Error) => {
      clearTimeout(timer)
      fail(systemCode(error) ?? error.message, error)
    }
    const onClose = () => onError(new Error('it hung up'))
    socket.on('data', onHead).on('error', onError).on('close', onClose)
    socket.write(
      [
        `GET ${path} HTTP/1.1`,
        // Node takes no other name than these two, as a defence against DNS rebinding.
        `Host: ${net.isIPv6(address) ? `[${address}]` : address}:${port}`,
        'Upgrade: websocket',
        'Connection: Upgrade',
        `Sec-WebSocket-Key: ${key}`,
        'Sec-WebSocket-Version: 13',
        '\r\n',
      ].join('\r\n'),
    )
  })
}

// Of RFC 6455, section 1.3: no other protocol has it.
const magic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

function isAccepted(head: string, key: string): boolean {
  const accept = createHash('sha1').update(`${key}${magic}`).digest('base64')
  const [status = '', ...lines] = head.split('\r\n')
  return (
    /^HTTP\/1\.1 101\b/.test(status) &&
    lines.some(line => /^sec-websocket-accept:/i.test(line) && line.slice(21).trim() === accept)
  )
}

// Opcodes of section 5.2.
const continuation = 0
const text = 1
const closing = 8
const ping = 9
const pong = 10

function converse(socket: net.Socket, handlers: WebSocketHandlers): LoopbackWebSocket {
  const waiting = new Pending()
  let wrong: string | undefined
  // The pieces of a message that has not ended.
  let parts: Buffer[] = []
  let length = 0
  const take = ({ opcode, isLast, payload }: Frame): boolean => {
    if (opcode === ping && socket.writableLength < maxUnread) socket.write(frame(pong, payload))
    else if (opcode === closing) socket.end(frame(closing, payload.subarray(0, 2)))
    if (opcode >= closing) return true
    const isExpected = opcode === (parts.length > 0 ? continuation : text)
    length += payload.length
    if (!isExpected || length > maxMessageBytes || parts.length === maxFragments) return false
    parts.push(payload)
    if (!isLast) return true
    const message = Buffer.concat(parts).toString('utf8')
    parts = []
    length = 0
    handlers.message(message)
    return true
  }
  const onData = (chunk: Buffer) => {
    waiting.push(chunk)
    for (let next = readFrame(waiting); next !== undefined; next = readFrame(waiting)) {
      if (next === 'malformed' || !take(next)) {
        wrong = `it sent what is no message, or one of more than ${maxMessageBytes >> 20} MiB`
        socket.destroy()
        return
      }
    }
  }
  socket.on('data', onData)
  // What is wrong with a connection ends it, and that is all there is to know.
  socket.on('error', () => {})
  socket.on('close', () => handlers.closed(wrong))
  return {
    send: message => socket.write(frame(text, Buffer.from(message))),
    close() {
      if (socket.destroyed) return
      socket.end(frame(closing, Buffer.alloc(0)))
      setTimeout(() => socket.destroy(), lingerMs).unref()
    },
  }
}

/** Bytes that have come and are not read yet, put together only when a frame is whole. */
class Pending {
  #chunks: Buffer[] = []
  length = 0

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.length += chunk.length
  }

  /** The first bytes of what waits, which stay. */
  peek(count: number): Buffer {
    if ((this.#chunks[0]?.length ?? 0) < count) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? Buffer.alloc(0)
  }

  take(count: number): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
    this.#chunks = [all.subarray(count)]
    this.length -= count
    return all.subarray(0, count)
  }
}

interface Frame {
  readonly opcode: number
  readonly isLast: boolean
  readonly payload: Buffer
}

/** The next frame; undefined while it has not come whole. A server's frames are never masked. */
function readFrame(waiting: Pending): Frame | 'malformed' | undefined {
  if (waiting.length < 2) return undefined
  const short = waiting.peek(2)
  const [first, second] = [short[0]!, short[1]!]
  const opcode = first & 0x0f
  const known = opcode <= text || (opcode >= closing && opcode <= pong)
  // Reserved bits belong to extensions, and none was asked for.
  if ((first & 0x70) !== 0 || (second & 0x80) !== 0 || !known) return 'malformed'
  const extended = second === 127 ? 8 : second === 126 ? 2 : 0
  if (waiting.length < 2 + extended) return undefined
  const head = waiting.peek(2 + extended)
  const length =
    extended === 0
      ? second
      : extended === 2
        ? head.readUInt16BE(2)
        : Number(head.readBigUInt64BE(2))
  if (length > maxMessageBytes) return 'malformed'
  if (waiting.length < 2 + extended + length) return undefined
  const payload = waiting.take(2 + extended + length).subarray(2 + extended)
  return { opcode, isLast: (first & 0x80) !== 0, payload }
}

/** A whole message in one frame, masked as a client's has to be. */
function frame(opcode: number, payload: Buffer): Buffer {
  const extended = payload.length > 0xffff ? 8 : payload.length > 125 ? 2 : 0
  const head = Buffer.alloc(2 + extended + 4)
  head[0] = 0x80 | opcode
  head[1] = 0x80 | (extended === 8 ? 127 : extended === 2 ? 126 : payload.length)
  if (extended === 2) head.writeUInt16BE(payload.length, 2)
  if (extended === 8) head.writeBigUInt64BE(BigInt(payload.length), 2)
  const mask = randomBytes(4)
  mask.copy(head, 2 + extended)
  const masked = Buffer.from(payload)
  for (let at = 0; at < masked.length; at++) masked[at]! ^= mask[at & 3]!
  return Buffer.concat([head, masked])
}
