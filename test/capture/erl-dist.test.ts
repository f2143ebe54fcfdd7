// Who may answer instead of the node that is meant. The real one is in test/live/erlang.test.ts.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { askNames, readNames } from '../../agent/capture/epmd.ts'
import { connectNode } from '../../agent/capture/erl-dist-connection.ts'
import { readSample } from '../../agent/capture/erl-dist-samples.ts'
import { Atom, encodeTerm, Tuple } from '../../agent/capture/erlang-terms.ts'

const never = new AbortController().signal
const cookie = 'SECRETCOOKIE'

async function listen(serve: (socket: net.Socket) => void): Promise<number> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as net.AddressInfo).port
}

const connect = (port: number) => connectNode({ address: '127.0.0.1', port }, cookie, never)

function packet(...parts: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map(part => Buffer.from(part as string, 'latin1')))
  return Buffer.concat([Buffer.of(body.length >> 8, body.length), body])
}

const challenge = packet('N', Buffer.alloc(8), Buffer.of(0, 0, 0, 7, 0, 0, 0, 9, 0, 3), 'a@b')

describe('the handshake', () => {
  test.for([
    ['a web server', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'does not speak'],
    ['a TLS server', Buffer.of(0x15, 3, 3, 0, 2, 2, 40), 'does not speak'],
    ['a node of another name for us', packet('snamed:x'), 'does not speak'],
    ['a node that does not want us', packet('snot_allowed'), 'it says not_allowed'],
    ['a node that knows us already', packet('salive'), 'SP_TOOL_BUSY'],
    ['a node of version 5', packet('sok', ''), 'another version'],
    ['a node without a name', packet('sok'), 'it has no name'],
  ] as const)('%s is told', async ([who, says, expected]) => {
    const port = await listen(socket => {
      socket.write(says)
      if (who.includes('version 5')) socket.write(packet('n\0\x05', Buffer.alloc(8), 'a@b'))
      if (who.includes('without')) socket.write(packet('N', Buffer.alloc(16), Buffer.of(0, 1), 'a'))
    })
    const error = await connect(port).catch(error => error)
    expect(`${error.code} ${error.message}`).toContain(expected)
    expect(JSON.stringify(error) + error.message).not.toContain(cookie)
  })

  test('a node that refuses the cookie is no permission', async () => {
    const port = await listen(socket => {
      socket.write(Buffer.concat([packet('sok'), challenge]))
      // Our name, then our answer.
      let heard = 0
      socket.on('data', data => {
        heard += data.length
        if (heard > 60) socket.end()
      })
    })
    const error = await connect(port).catch(error => error)
    expect(error).toMatchObject({ code: 'SP_NOT_PERMITTED' })
    expect(error.message).not.toContain(cookie)
  })

  test('a node that does not know the cookie itself is not believed', async () => {
    const port = await listen(socket => {
      socket.write(Buffer.concat([packet('sok'), challenge, packet('a', Buffer.alloc(16))]))
    })
    await expect(connect(port)).rejects.toThrow('it does not know the cookie')
  })

  test('a port where nobody is says so', async () => {
    await expect(connect(1)).rejects.toMatchObject({
      code: 'SP_TOOL_FAILED',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })
})

describe('a connection', () => {
  /** A node that takes us in, and then says this. */
  async function node(says: (socket: net.Socket) => void) {
    let ours = Buffer.alloc(0)
    const port = await listen(socket => {
      socket.write(Buffer.concat([packet('sok'), challenge]))
      socket.on('data', data => {
        ours = Buffer.concat([ours, data])
        const answer = ours.indexOf('\0\x15r')
        if (answer < 0) return
        const theirs = ours.readUInt32BE(answer + 3)
        const digest = createHash('md5').update(`${cookie}${theirs}`).digest()
        ours = Buffer.alloc(0)
        socket.removeAllListeners('data')
        socket.write(packet('a', digest))
        says(socket)
      })
    })
    return connect(port)
  }

  const answer = (number: number, text: string) => {
    const control = encodeTerm(new Tuple(2, new Atom(''), new Atom('us')))
    const message = encodeTerm(new Tuple(number, new Atom(text)))
    const head = Buffer.alloc(5)
    head.writeUInt32BE(1 + control.length + message.length)
    head[4] = 112
    return Buffer.concat([head, control, message])
  }

  test('gives each call its own answer, in whatever order and pieces', async () => {
    const connection = await node(async socket => {
      await once(socket, 'data')
      const all = Buffer.concat([answer(2, 'second'), Buffer.alloc(4), answer(1, 'first')])
      for (const byte of all) socket.write(Buffer.of(byte))
    })
    const both = [connection.call('a:b', [], 5000), connection.call('c:d', [], 5000)]
    expect(await Promise.all(both)).toEqual([new Atom('first'), new Atom('second')])
    connection.close()
  })

  test.for([
    ['sends a message of a gigabyte', Buffer.of(64, 0, 0, 0, 112)],
    ['sends what is no term', Buffer.of(0, 0, 0, 2, 112, 7)],
  ] as const)('that %s is left', async ([, bytes]) => {
    const connection = await node(socket => socket.write(bytes))
    await expect(connection.call('a:b', [], 5000)).rejects.toThrow('has gone')
    expect(await connection.gone).toMatch(/it sends a message|no Erlang term/)
  })

  test('that does not answer is waited for no longer than was said', async () => {
    const connection = await node(() => {})
    await expect(connection.call('a:b', [], 50)).rejects.toThrow('did not answer a:b within 0.05 s')
    connection.close()
  })
})

describe('epmd', () => {
  test('lists its nodes', async () => {
    const text = '\0\0\x11\x11name shop at port 35401\nname a b at port 7\nother\n'
    const port = await listen(socket => socket.end(Buffer.from(text, 'latin1')))
    expect(await askNames(port)).toEqual([
      { name: 'shop', port: 35401 },
      { name: 'a b', port: 7 },
    ])
  })

  test('that floods, or is not there, is a sentence', async () => {
    const port = await listen(socket => socket.write(Buffer.alloc(1 << 20)))
    expect(await askNames(port)).toContain('says more than')
    expect(await askNames(1)).toContain('ECONNREFUSED')
    expect(readNames(Buffer.alloc(2))).toEqual([])
  })
})

test('the arguments of a call are counted, and are nowhere', () => {
  const frame = new Tuple(new Atom('shop'), new Atom('pay it'), [
    ...[new Atom('card'), Buffer.from('4111')],
  ])
  const info = [new Tuple(new Atom('current_stacktrace'), [frame, 7])]
  expect(readSample(info)).toEqual({ status: '', frames: ['shop:pay_it/2'] })
  expect(readSample(new Atom('undefined'))).toBeUndefined()
})
