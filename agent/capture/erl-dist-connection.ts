// A connection to one Erlang node as a hidden node of its cluster, over which its
// own functions are called and nothing else is sent.
// https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html#protocol-between-connected-nodes
//
// A call goes to `rex`, the server behind `rpc:call`. It runs what is asked in a
// process of its own, which ends with its answer: whatever becomes of us, nothing stays.
//
// The trap: a node that hears nothing for a minute takes the other for dead, so it
// sends empty messages and wants some.

import { randomBytes } from 'node:crypto'
import net, { type Socket } from 'node:net'
import { ProfilerError, systemCode } from '../errors.ts'
import type { Endpoint } from '../runtimes/runtime.ts'
import { notSpoken, ourNode, shakeHands } from './erl-dist-handshake.ts'
import { Atom, decodeTerm, encodeTerm, pidOf, type Term, Tuple } from './erlang-terms.ts'

export interface NodeConnection {
  /** `shop@host`. */
  readonly node: string
  /**
   * What `module:function` answers.
   *
   * @throws {ProfilerError} `SP_TOOL_FAILED` where it does not, in time or at all
   */
  call(what: string, args: readonly Term[], timeoutMs: number): Promise<Term>
  /** When the other end has gone, with the words of what was wrong, if anything was. */
  readonly gone: Promise<string | undefined>
  close(): void
}

const handshakeMs = 5000
// A thousand stacks are 1 MB, ten million pids half a gigabyte: whoever has so many is not sampled.
const maxMessageBytes = 64 << 20
const maxHandshakeBytes = 1024
const passThrough = 112
// Of the control messages: what carries an answer to a process, with and without its sender.
const sends = new Set([2, 22])
const registeredSend = 6

/** @throws {ProfilerError} `SP_TOOL_FAILED`, and what `shakeHands` throws */
export async function connectNode(
  { address, port }: Endpoint,
  cookie: string,
  discard: AbortSignal,
): Promise<NodeConnection> {
  const socket = net.connect({ host: address, port, noDelay: true })
  const late = setTimeout(() => {
    socket.destroy(new Error(`no answer within ${handshakeMs / 1000} s`))
  }, handshakeMs)
  const end = () => socket.destroy()
  discard.addEventListener('abort', end, { once: true })
  if (discard.aborted) end()
  // Whoever reads gets it; while nobody does it is no reason to crash.
  socket.on('error', () => {})
  const phase: Phase = { lengthBytes: 2, maxBytes: maxHandshakeBytes }
  const messages = messagesOf(socket, phase)
  try {
    // Never zero, and another one each time, so that a node tells us from who was there before.
    const creation = (randomBytes(4).readUInt32BE(0) | 4) >>> 0
    const next = async () => (await messages.next()).value
    const { node } = await shakeHands(cookie, creation, next, message => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(message.length)
      socket.write(Buffer.concat([length, message]))
    })
    Object.assign(phase, { lengthBytes: 4, maxBytes: maxMessageBytes } satisfies Phase)
    return converse(socket, node, creation, messages)
  } catch (error) {
    socket.destroy()
    if (error instanceof ProfilerError) throw error
    const why = systemCode(error) ?? (error as Error).message
    throw new ProfilerError(
      'SP_TOOL_FAILED',
      `the node on port ${port} cannot be spoken to: ${why}`,
    )
  } finally {
    clearTimeout(late)
  }
}

function converse(
  socket: Socket,
  node: string,
  creation: number,
  messages: AsyncIterable<Buffer>,
): NodeConnection {
  const us = pidOf(ourNode, 1, creation)
  const waiting = new Map<number, (answer: Term | ProfilerError) => void>()
  let last = 0
  const run = async () => {
    for await (const message of messages) {
      if (message.length === 0) socket.write(Buffer.alloc(4))
      const answer = readAnswer(message)
      if (answer === undefined) continue
      waiting.get(answer.number)?.(answer.term)
    }
  }
  const gone = run()
    .then(() => undefined)
    .catch(error => (error instanceof ProfilerError ? error.message : systemCode(error)))
    .finally(() => {
      socket.destroy()
      const left = new ProfilerError('SP_TOOL_FAILED', `node ${node} has gone`)
      for (const settle of waiting.values()) settle(left)
    })
  return {
    node,
    gone,
    async call(what, args, timeoutMs) {
      const [module, name] = what.split(':') as [string, string]
      const number = ++last
      const { promise, resolve } = Promise.withResolvers<Term | ProfilerError>()
      waiting.set(number, resolve)
      const timer = setTimeout(() => {
        resolve(
          new ProfilerError(
            'SP_TOOL_FAILED',
            `node ${node} did not answer ${what} within ${timeoutMs / 1000} s`,
          ),
        )
      }, timeoutMs)
      // `user`: what is called writes where the node itself does.
      const call = new Tuple(...['call', module, name].map(atom), args, new Atom('user'))
      const request = new Tuple(new Atom('$gen_call'), new Tuple(us, number), call)
      const control = new Tuple(registeredSend, us, new Atom(''), new Atom('rex'))
      socket.write(framed(encodeTerm(control), encodeTerm(request)))
      try {
        if (socket.destroyed) throw new ProfilerError('SP_TOOL_FAILED', `node ${node} has gone`)
        const answer = await promise
        if (answer instanceof ProfilerError) throw answer
        if (isBadRpc(answer)) {
          throw new ProfilerError('SP_TOOL_FAILED', `node ${node} could not run ${what}`)
        }
        return answer
      } finally {
        clearTimeout(timer)
        waiting.delete(number)
      }
    },
    close() {
      socket.destroy()
    },
  }
}

function atom(name: string): Atom {
  return new Atom(name)
}

function framed(control: Buffer, message: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(1 + control.length + message.length)
  head[4] = passThrough
  return Buffer.concat([head, control, message])
}

/** `{Number, Answer}`, sent to us; undefined for everything else that a node may say. */
function readAnswer(message: Buffer): { readonly number: number; readonly term: Term } | undefined {
  if (message[0] !== passThrough) return undefined
  const control = decodeTerm(message, 1)
  const kind = control.term instanceof Tuple ? control.term.items[0] : undefined
  if (!sends.has(Number(kind)) || control.end >= message.length) return undefined
  const { term } = decodeTerm(message, control.end)
  if (!(term instanceof Tuple) || term.items.length !== 2) return undefined
  const [number, answer] = term.items
  return typeof number === 'number' ? { number, term: answer! } : undefined
}

function isBadRpc(answer: Term): boolean {
  const first = answer instanceof Tuple ? answer.items[0] : undefined
  return first instanceof Atom && first.name === 'badrpc'
}

interface Phase {
  lengthBytes: 2 | 4
  maxBytes: number
}

/** Each message, without the length before it. What stands in `phase` is looked at before each one. */
async function* messagesOf(
  socket: Socket,
  phase: Readonly<Phase>,
): AsyncGenerator<Buffer, undefined, void> {
  let parts: Buffer[] = []
  let length = 0
  for await (const part of socket as AsyncIterable<Buffer>) {
    parts.push(part)
    length += part.length
    for (;;) {
      const { lengthBytes, maxBytes } = phase
      if (length < lengthBytes) break
      // The length may lie across two parts; the rest is put together once it has come.
      if (parts[0]!.length < lengthBytes) parts = [Buffer.concat(parts)]
      const size = parts[0]!.readUIntBE(0, lengthBytes)
      if (size > maxBytes) {
        // In the handshake it is the beginning of another protocol: 0x1503 of TLS, `HT` of HTTP.
        const isOther = maxBytes === maxHandshakeBytes
        const what = isOther ? notSpoken : `it sends a message of ${size} bytes`
        throw new ProfilerError('SP_TOOL_FAILED', what)
      }
      const end = lengthBytes + size
      if (length < end) break
      const all = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
      parts = [all.subarray(end)]
      length -= end
      yield all.subarray(lengthBytes, end)
    }
  }
  return undefined
}
