// A WebSocket client against servers that answer wrongly: a clear error or an end,
// never a hang, and never more memory than it may take.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openWebSocket } from '../../agent/capture/websocket.ts'

/** A server that does this with each connection. */
async function serve(act: (socket: net.Socket) => void) {
  const server = net.createServer(socket => {
    socket.on('error', () => {})
    act(socket)
  })
  onTestFinished(() => {
    server.close()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { address: '127.0.0.1', port: (server.address() as net.AddressInfo).port }
}

/** One that accepts, then sends these bytes. */
function accepting(...pieces: Buffer[]) {
  return serve(socket => {
    socket.once('data', data => {
      const key = /Sec-WebSocket-Key: (.*)\r\n/.exec(data.toString())![1]
      const accept = createHash('sha1')
        .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
        .digest('base64')
      socket.write(`HTTP/1.1 101 Fine\r\nsec-websocket-accept: ${accept}\r\n\r\n`)
      for (const piece of pieces) socket.write(piece)
    })
  })
}

const frame = (first: number, payload: string, length = payload.length) =>
  Buffer.concat([
    length < 126
      ? Buffer.from([first, length])
      : Buffer.from([first, 127, ...lengthBytes(BigInt(length))]),
    Buffer.from(payload),
  ])

function lengthBytes(length: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(length)
  return bytes
}

/** What comes until it ends, or until there are `count` messages. */
async function receive(endpoint: { address: string; port: number }, count = Infinity) {
  const messages: string[] = []
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const socket = await openWebSocket(endpoint, '/x', {
    message(text) {
      messages.push(text)
      if (messages.length === count) resolve(undefined)
    },
    closed: resolve,
  })
  const why = await promise
  socket.close()
  return { messages, why }
}

describe('messages come whole', () => {
  test.for([
    ['in one frame', [frame(0x81, 'hello')]],
    [
      'in three, with a ping in between',
      [frame(0x01, 'he'), frame(0x89, 'p'), frame(0x00, 'l'), frame(0x80, 'lo')],
    ],
    ['byte by byte', [...frame(0x81, 'hello')].map(byte => Buffer.from([byte]))],
  ] as const)('%s', async ([, pieces]) => {
    expect((await receive(await accepting(...pieces), 1)).messages).toEqual(['hello'])
  })

  test('also of a size that needs more than one read', async () => {
    const long = '函'.repeat(500_000)
    const bytes = Buffer.from(long)
    const sent = Buffer.concat([frame(0x81, '', bytes.length), bytes])
    expect((await receive(await accepting(sent), 1)).messages).toEqual([long])
  })
})

describe('a server is left that', () => {
  test.for([
    ['sends a message that is too large', [frame(0x81, '', 2 ** 40)]],
    ['sends too many fragments', [frame(0x01, 'a'), ...Array(2000).fill(frame(0x00, ''))]],
    ['sends a binary message', [frame(0x82, 'x')]],
    ['sends a masked frame', [Buffer.from([0x81, 0x81, 1, 2, 3, 4, 5])]],
    ['sets a bit of an extension', [frame(0xc1, 'x')]],
    ['goes on with a message that has not begun', [frame(0x80, 'x')]],
    ['begins a message within another', [frame(0x01, 'x'), frame(0x81, 'y')]],
  ] as const)('%s', async ([, pieces]) => {
    const { messages, why } = await receive(await accepting(...(pieces as readonly Buffer[])))
    expect(messages).toEqual([])
    expect(why).toContain('no message')
  })

  test('closes', async () => {
    expect(await receive(await accepting(frame(0x88, '')))).toEqual({
      messages: [],
      why: undefined,
    })
  })
})

describe('what is no WebSocket is said to be none', () => {
  test.for([
    ['an HTTP server', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['a wrong proof', 'HTTP/1.1 101 Fine\r\nSec-WebSocket-Accept: nonsense\r\n\r\n'],
    ['a head without end', 'x'.repeat(100_000)],
  ] as const)('%s', async ([, answer]) => {
    const endpoint = await serve(socket => socket.write(answer))
    await expect(receive(endpoint)).rejects.toMatchObject({ code: 'SP_TOOL_FAILED' })
  })

  test('a server that hangs up', async () => {
    const endpoint = await serve(socket => socket.destroy())
    await expect(receive(endpoint)).rejects.toMatchObject({ code: 'SP_TOOL_FAILED' })
  })

  test('a server that says nothing', async () => {
    const endpoint = await serve(() => {})
    await expect(receive(endpoint)).rejects.toThrow('it does not answer')
  })

  test('a port that nobody has', async () => {
    await expect(receive({ address: '127.0.0.1', port: 1 })).rejects.toThrow('ECONNREFUSED')
  })
})
