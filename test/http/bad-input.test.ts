// What comes over the wire and should not: each is answered by a code, and the daemon goes on.

import fs from 'node:fs'
import net from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compile, start } from '../apps/apps.ts'
import { type Answer, type Daemon, openDaemon, openDescriptors, until } from './daemon.ts'

let daemon: Daemon
let end: () => Promise<void>

beforeAll(async () => {
  ;({ daemon, end } = await openDaemon())
})
afterAll(() => end())

function head(...lines: string[]): string {
  return `${[...lines, 'Host: localhost', `Authorization: Bearer ${daemon.token}`].join('\r\n')}\r\n`
}

const post = (body: unknown, headers = {}) => daemon.ask('POST', '/v1/captures', { body, headers })

function expectProblem({ status, json, headers }: Answer, code: string, wanted: number): void {
  expect({ status, code: json?.code }).toEqual({ status: wanted, code })
  expect(headers['content-type']).toMatch(/^application\/problem\+json\b/)
  expect(json.detail).not.toBe('')
}

async function expectAlive(): Promise<void> {
  expect((await daemon.ask('GET', '/healthz', { token: '' })).text).toBe('ok\n')
}

describe('a body', () => {
  const deep = `${'{"target":'.repeat(5000)}1${'}'.repeat(5000)}`
  test.for<[string, unknown]>([
    ['an unknown field', { tarjet: { pid: 1 } }],
    ['an unknown field within', { target: { pid: 1, uid: 0 } }],
    ['a wrong type', { target: { pid: '1' } }],
    ['a pid below one', { target: { pid: 0 } }],
    ['a pid beyond what there can be', { target: { pid: 2 ** 53 } }],
    ['a fraction', { hertz: 9.5 }],
    ['no object', [1]],
    ['null', 'null'],
    ['nothing', ''],
    ['half of it', '{"mode":'],
    ['__proto__', '{"__proto__":{"mode":"cpu"}}'],
    ['a constructor', '{"constructor":{"prototype":{"a":1}}}'],
    ['a duplicated key, wrong the last time', '{"hertz":99,"hertz":"x"}'],
    ['depth', deep],
    ['no UTF-8', '{"incident":"\udcff"}'],
    ['an incident that is a path', { incident: '../../etc' }],
    ['an incident with a line break', { incident: 'INC-1\r\nSet-Cookie: a=b' }],
    ['an incident that runs backwards', { incident: 'INC-‮gpj.exe' }],
    ['an incident with a zero byte', { incident: 'INC\u0000' }],
    ['a place that is no URL', { to: 'somewhere' }],
    ['a place with a zero byte', { to: 'file:/tmp/a\u0000b' }],
    ['a duration that is no number', '{"seconds":1e999}'],
  ])('with %s is refused', async ([, body]) => {
    const answer = await post(body)
    expect(answer.status).toBe(400)
    expect(['SP_REQUEST_INVALID', 'SP_CONFIG_INVALID', 'SP_USAGE']).toContain(answer.json.code)
    expect(answer.json.detail).not.toBe('')
    await expectAlive()
  })

  test('that is larger than an ask can be is not read', async () => {
    expectProblem(await post(`{"incident":"${'x'.repeat(100_000)}"}`), 'SP_REQUEST_TOO_LARGE', 413)
  })

  test.for(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])(
    'of %s is not taken: a form of another site sends it',
    async type => {
      expectProblem(await post('{}', { 'content-type': type }), 'SP_MEDIA_TYPE', 415)
    },
  )
})

describe('a path', () => {
  test.for([
    '/v1/captures/..%2f..%2fetc',
    '/v1/captures/%00',
    '/v1/captures/a%0d%0aSet-Cookie:%20a=b',
    `/v1/captures/${'a'.repeat(150)}`,
    '/v1/captures/%ff',
    '/v1/captures/a/artefacts/..%2fsession.json',
    '/v1/captures/a/artefacts/%2e%2e',
    '/v1/captures/a/artefacts/flame.svg%00.png',
    `/v1/captures/a/artefacts/${encodeURIComponent('函'.repeat(90))}`,
  ])('%s is refused', async target => {
    const { status, json } = await daemon.ask('GET', target)
    expect([400, 404]).toContain(status)
    expect(json.code).toMatch(/^SP_(?:REQUEST_INVALID|CAPTURE_UNKNOWN|ROUTE_UNKNOWN)$/)
  })

  test('that is unknown, or not asked so, is told apart', async () => {
    expectProblem(await daemon.ask('GET', '/v2'), 'SP_ROUTE_UNKNOWN', 404)
    const wrong = await daemon.ask('PUT', '/v1/captures/abc')
    expectProblem(wrong, 'SP_METHOD_UNKNOWN', 405)
    expect(wrong.headers.allow).toBe('GET, HEAD, DELETE')
    expectProblem(await daemon.ask('OPTIONS', '/v1/captures'), 'SP_METHOD_UNKNOWN', 405)
    expectProblem(await daemon.ask('TRACE', '/'), 'SP_METHOD_UNKNOWN', 405)
    expectProblem(await daemon.ask('QUERY', '/'), 'SP_METHOD_UNKNOWN', 405)
    expect((await daemon.ask('HEAD', '/v1/captures')).status).toBe(200)
    expect((await daemon.ask('HEAD', '/v1/captures/abc/events')).status).toBe(405)
  })
})

describe('a header', () => {
  test.for<[string, Record<string, string | string[]>]>([
    ['an Idempotency-Key with a space', { 'idempotency-key': 'a b' }],
    ['an Idempotency-Key that is too long', { 'idempotency-key': 'x'.repeat(201) }],
    ['two of them', { 'idempotency-key': ['a', 'b'] }],
    ['an Idempotency-Key that is no ASCII', { 'idempotency-key': 'Ã¼' }],
  ])('%s is refused', async ([, headers]) => {
    expectProblem(await post({ target: { pid: 1 } }, headers), 'SP_REQUEST_INVALID', 400)
  })

  test('of 20 KB is not read', async () => {
    expect(await daemon.raw(`GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 431 /,
    )
  })

  test('a name that is not local is what another site makes a browser ask', async () => {
    for (const host of [
      'attacker.example',
      '127.0.0.1.attacker.example',
      'localhost.attacker.example:80',
    ]) {
      expectProblem(
        await daemon.ask('GET', '/v1/captures', { headers: { host } }),
        'SP_UNAUTHENTICATED',
        401,
      )
    }
    for (const host of ['localhost:1', '127.0.0.1', '[::1]:6110']) {
      expect((await daemon.ask('GET', '/v1/captures', { headers: { host } })).status).toBe(200)
    }
  })

  test('a token that is wrong or not there lets nobody in', async () => {
    for (const token of ['', 'x', `${daemon.token}x`, daemon.token.slice(1), 'Ã¼']) {
      const answer = await daemon.ask('GET', '/v1/captures', { token })
      expectProblem(answer, 'SP_UNAUTHENTICATED', 401)
      expect(answer.headers['www-authenticate']).toBe('Bearer')
    }
  })

  test('a cookie is good for looking, and for nothing else', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const login = await daemon.ask('POST', '/login', { headers, body: `token=${daemon.token}` })
    const [cookie] = login.headers['set-cookie']![0]!.split(';') as [string]
    // The browser sends it to every port of this host: whoever has it must not have the token by it.
    expect(cookie).not.toContain(daemon.token)
    const asToken = await daemon.ask('GET', '/v1/captures', { token: cookie.split('=')[1]! })
    expect(asToken.status).toBe(401)
    const as = { token: '', headers: { cookie: `a=b; ${cookie}` } }
    expect((await daemon.ask('GET', '/v1/captures', as)).status).toBe(200)
    expect((await daemon.ask('POST', '/v1/captures', { ...as, body: {} })).status).toBe(401)
    expect((await daemon.ask('DELETE', '/v1/captures/abc', as)).status).toBe(401)
  })
})

test('an incident that is named after a customer is shown to nobody', async () => {
  const incident = 'INC-4111111111111111'
  const { pid } = start(compile('burn'), ['60'])
  const { json } = await post({ target: { pid }, seconds: 0.2, incident })
  const over = await daemon.untilOver(json.id)
  expect(json.asked.incident).toMatch(/^INC-\[card:/)
  expect(over.asked.incident).toBe(over.receipt.record.incident)
  const list = await daemon.ask('GET', '/v1/captures')
  for (const text of [JSON.stringify([json, over]), list.text, daemon.log()])
    expect(text).not.toContain('4111111111111111')
})

test('requests that are sent on and on, without waiting, are answered without being done', async () => {
  const each = `${head('GET /v1/captures HTTP/1.1')}\r\n`
  const last = `${head('GET /healthz HTTP/1.1', 'Connection: close')}\r\n`
  const said = await daemon.raw(`${each.repeat(200)}${last}`)
  const answers = said.match(/HTTP\/1\.1 \d+/g)!
  expect(answers).toHaveLength(201)
  const done = answers.filter(each => each === 'HTTP/1.1 200').length
  expect(done).toBeGreaterThanOrEqual(16)
  expect(done).toBeLessThan(150)
  expect(answers.filter(each => each === 'HTTP/1.1 400')).toHaveLength(201 - done)
  // Nobody else's are counted with them.
  const few = await daemon.raw(`${each.repeat(10)}${last}`)
  expect(few.match(/HTTP\/1\.1 200/g)).toHaveLength(11)
})

describe('bytes', () => {
  test.for<[string, () => string]>([
    [
      'a length and chunks',
      () =>
        `${head('POST /v1/captures HTTP/1.1', 'Content-Length: 4', 'Transfer-Encoding: chunked')}\r\n0\r\n\r\nGET /v1/captures HTTP/1.1\r\n\r\n`,
    ],
    [
      'two lengths',
      () =>
        `${head('POST /v1/captures HTTP/1.1', 'Content-Length: 2', 'Content-Length: 30')}\r\n{}`,
    ],
    [
      'a length with a sign',
      () => `${head('POST /v1/captures HTTP/1.1', 'Content-Length: +2')}\r\n{}`,
    ],
    [
      'chunks spelled otherwise',
      () => `${head('POST /v1/captures HTTP/1.1', 'Transfer-Encoding: xchunked')}\r\n0\r\n\r\n`,
    ],
    [
      'a space before the colon',
      () => `${head('POST /v1/captures HTTP/1.1', 'Content-Length : 2')}\r\n{}`,
    ],
    ['a folded header', () => `${head('GET / HTTP/1.1', 'X: a', ' b')}\r\n`],
    ['bare line feeds', () => head('GET / HTTP/1.1').replaceAll('\r\n', '\n')],
    [
      'a chunk of no size',
      () =>
        `${head('POST /v1/captures HTTP/1.1', 'Transfer-Encoding: chunked')}\r\nzz\r\n{}\r\n0\r\n\r\n`,
    ],
    ['no host', () => 'GET / HTTP/1.1\r\n\r\n'],
    ['a method that there is not', () => `${head('FOO / HTTP/1.1')}\r\n`],
    ['HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['TLS on the plain port', () => '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00'],
    ['noise', () => '\x00\xff\xfe\r\n\r\n'],
  ])('%s are one bad request, and no second one', async ([, bytes]) => {
    const said = await daemon.raw(bytes())
    expect(said.match(/HTTP\/1.1 \d+/g) ?? []).toEqual(['HTTP/1.1 400'])
    await expectAlive()
  })

  test('of several requests at once are answered in their order', async () => {
    const one = (path: string, last = '') => `${head(`GET ${path} HTTP/1.1`)}${last}\r\n`
    const said = await daemon.raw(
      one('/healthz') + one('/v2') + one('/readyz', 'Connection: close\r\n'),
    )
    expect(said.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200'])
  })

  test('that come too slowly are let go, of headers and of a body', async () => {
    const [headers, body] = await Promise.all([
      daemon.raw('GET / HTTP/1.1\r\nX: '),
      daemon.raw(
        `${head('POST /v1/captures HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 50')}\r\n{`,
      ),
    ])
    expect(headers).toMatch(/^HTTP\/1.1 408 /)
    expect(body).toMatch(/^HTTP\/1.1 408 /)
  })
})

test('connections without end are bounded, on each side by itself, and let go', async () => {
  await expectAlive()
  const before = openDescriptors(daemon.pid)
  const sockets: net.Socket[] = []
  const open = (byte: string) =>
    new Promise<void>(resolve => {
      const socket = net.connect(daemon.port, '127.0.0.1', () =>
        socket.write(byte, () => resolve()),
      )
      socket.on('error', () => resolve())
      sockets.push(socket)
    })
  for (let count = 0; count < 10_000; count += 250) {
    await Promise.all(Array.from({ length: 250 }, () => open(count % 500 === 0 ? 'G' : '')))
    if (sockets.length > 2000) for (const socket of sockets.splice(0, 1000)) socket.destroy()
    expect(openDescriptors(daemon.pid)).toBeLessThan(before + 200)
    expect(openDescriptors(daemon.house()!)).toBeLessThan(400)
  }
  // The socket in the pod is another side.
  expect((await daemon.ask('GET', '/v1/captures', { overSocket: true })).status).toBe(200)
  for (const socket of sockets) socket.destroy()
  await until(() => openDescriptors(daemon.pid) <= before + 2, 'descriptors come back')
  await expectAlive()
})

test('who asks on and on and is refused does not fill the log', async () => {
  const lines = () => daemon.log().match(/request refused/g)?.length ?? 0
  const before = lines()
  for (let ask = 0; ask < 60; ask++) await daemon.ask('GET', '/metrics', { token: 'wrong' })
  expect(lines() - before).toBeLessThanOrEqual(40)
  const { text } = await daemon.ask('GET', '/metrics')
  const counted = /refused_total\{code="SP_UNAUTHENTICATED"\} (\d+)/.exec(text)?.[1]
  expect(Number(counted)).toBeGreaterThanOrEqual(60)
})

test('nothing of what was sent is in the log', () => {
  const lines = daemon
    .log()
    .split('\n')
    .filter(line => line.startsWith('{'))
  expect(lines.length).toBeGreaterThan(5)
  for (const line of lines) JSON.parse(line)
  expect(daemon.log()).not.toContain(daemon.token)
  expect(daemon.log()).not.toMatch(/Set-Cookie|attacker|our fault|has died/)
  expect(fs.statSync(`${daemon.state}/token`).mode & 0o777).toBe(0o600)
})
