// The port that the network reaches: who comes in, and as what.

import fs from 'node:fs'
import net from 'node:net'
import tls from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compile, start } from '../apps/apps.ts'
import { temporaryFolder } from '../temporary.ts'
import { expired, makeAuthority, type Pair } from './authority.ts'
import { type Daemon, openDaemon, openDescriptors, startDaemon, until } from './daemon.ts'

const authority = makeAuthority(temporaryFolder())
const server = authority.issue('server', 'DNS:daemon,IP:127.0.0.1')
const viewer = authority.issue('viewer', 'URI:spiffe://shop/viewer')
const capturer = authority.issue('capturer', 'URI:spiffe://shop/capturer')
const clients = [
  'URI:spiffe://shop/viewer=viewer',
  'URI:spiffe://shop/capturer=capturer',
  'URI:spiffe://shop/admin=admin',
  'DNS:ops.shop=capturer',
].join(',')

let daemon: Daemon
let end: () => Promise<void>

beforeAll(async () => {
  ;({ daemon, end } = await openDaemon({
    tls: { server, ca: authority.ca },
    args: [`--client=${clients}`],
  }))
})
afterAll(() => end())

const look = (as: Pair | 'none') => daemon.ask('GET', '/v1/captures', { as })
const askFor = (as: Pair) =>
  daemon.ask('POST', '/v1/captures', { as, body: { target: { pid: 4_000_000 } } })

describe('a certificate', () => {
  test('of a viewer is good for looking', async () => {
    expect((await look(viewer)).status).toBe(200)
    expect((await askFor(viewer)).json).toMatchObject({ code: 'SP_FORBIDDEN', status: 403 })
    expect((await daemon.ask('DELETE', '/v1/captures/abc', { as: viewer })).status).toBe(403)
  })

  test('of a capturer or an admin is good for a capture', async () => {
    const admin = authority.issue('admin', 'URI:spiffe://shop/admin')
    for (const as of [capturer, admin]) {
      expect((await look(as)).status).toBe(200)
      expect((await askFor(as)).json.code).toBe('SP_TARGET_GONE')
    }
  })

  test('with several names has the best of their roles', async () => {
    const several = authority.issue('several', 'DNS:nobody,URI:spiffe://shop/viewer,DNS:ops.shop')
    expect((await askFor(several)).json.code).toBe('SP_TARGET_GONE')
  })

  test.for<[string, string | undefined]>([
    ['nobody we know', 'URI:spiffe://shop/other'],
    ['a name within a longer one', 'URI:spiffe://shop/admin/x'],
    ['the name of another kind', 'DNS:spiffe.shop.admin'],
    ['an address', 'IP:127.0.0.1'],
    ['no name at all', undefined],
    ['a comma, to pass for two', '[san]\nURI.1=URI:x\nURI=spiffe://a/b, URI:spiffe://shop/admin\n'],
    ['a quote', '[san]\nURI=spiffe://shop/viewer\\"\n'],
    ['a comma in a host', '[san]\nDNS=x, DNS:ops.shop\n'],
  ])('that says %s lets nobody in', async ([, san]) => {
    const { json } = await look(authority.issue('other', san))
    expect(json).toMatchObject({ code: 'SP_FORBIDDEN', status: 403 })
    expect(json.detail).toContain('--client')
  })

  test('is needed: without one, of another authority or ended, not a byte is said', async () => {
    const stranger = makeAuthority(temporaryFolder(), 'stranger').issue(
      'admin',
      'URI:spiffe://shop/admin',
    )
    const ended = authority.issue('ended', 'URI:spiffe://shop/admin', expired)
    for (const as of ['none', stranger, ended] as const) {
      await expect(look(as)).rejects.toMatchObject({
        code: expect.stringMatching(/^(?:ERR_SSL_|ECONNRESET|EPIPE)/),
      })
    }
  })

  test('of its own is not the token: what holds inside does not hold outside', async () => {
    const other = authority.issue('other', 'URI:spiffe://shop/other')
    const headers = { authorization: `Bearer ${daemon.token}`, cookie: `sp_token=${daemon.token}` }
    expect((await daemon.ask('GET', '/v1/captures', { as: other, headers })).status).toBe(403)
  })

  test('chooses no place that the daemon was not given', async () => {
    for (const to of ['file:/etc', `file:${daemon.output}/../x`, `file:${daemon.output}x`]) {
      const body = { target: { pid: process.pid }, to }
      const { json } = await daemon.ask('POST', '/v1/captures', { as: capturer, body })
      expect(json.code).toMatch(/^SP_(?:FORBIDDEN|CONFIG_INVALID)$/)
    }
  })
})

describe('a handshake', () => {
  const offer = (options: tls.ConnectionOptions) =>
    new Promise<string>(resolve => {
      const socket = tls.connect({
        host: '127.0.0.1',
        port: daemon.tlsPort,
        ca: fs.readFileSync(authority.ca),
        cert: fs.readFileSync(viewer.cert),
        key: fs.readFileSync(viewer.key),
        servername: 'daemon',
        ...options,
      })
      socket.on('secureConnect', () => {
        resolve(socket.getProtocol() ?? 'none')
        socket.destroy()
      })
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    })

  test('is of TLS 1.3, and of nothing older', async () => {
    expect(await offer({})).toBe('TLSv1.3')
    for (const version of ['TLSv1', 'TLSv1.1', 'TLSv1.2'] as const) {
      const old = { minVersion: version, maxVersion: version, ciphers: 'ALL:@SECLEVEL=0' }
      expect(await offer(old)).toMatch(/ALERT_PROTOCOL_VERSION/)
    }
  })

  test('of TLS 1.2 is for those who ask for it', async () => {
    const older = await startDaemon({
      tls: { server, ca: authority.ca },
      args: [`--client=${clients}`, '--tls-min=1.2'],
    })
    const of = (version: 'TLSv1.1' | 'TLSv1.2') =>
      offer({
        port: older.tlsPort,
        minVersion: version,
        maxVersion: version,
        ciphers: 'ALL:@SECLEVEL=0',
      })
    const weak = offer({
      port: older.tlsPort,
      maxVersion: 'TLSv1.2',
      ciphers: 'ECDHE-ECDSA-AES256-SHA:ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES256-CCM',
    })
    expect(await weak).toMatch(/ALERT_HANDSHAKE_FAILURE/)
    expect(await of('TLSv1.2')).toBe('TLSv1.2')
    expect(await of('TLSv1.1')).toMatch(/ALERT_PROTOCOL_VERSION/)
  })

  test('is not resumed: a certificate may have ended since', async () => {
    const talk = (session?: Buffer) =>
      new Promise<{ session: Buffer | undefined; isReused: boolean }>((resolve, reject) => {
        let later: Buffer | undefined
        let isReused = false
        const socket = tls.connect({
          host: '127.0.0.1',
          port: daemon.tlsPort,
          ca: fs.readFileSync(authority.ca),
          cert: fs.readFileSync(viewer.cert),
          key: fs.readFileSync(viewer.key),
          servername: 'daemon',
          ...(session !== undefined && { session }),
        })
        socket.on('session', each => {
          later = each
        })
        socket.on('secureConnect', () => {
          isReused = socket.isSessionReused()
        })
        socket.on('error', reject).on('close', () => {
          resolve({ session: later, isReused })
        })
        socket.end('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        socket.resume()
      })
    const { session } = await talk()
    expect(session).toBeDefined()
    expect((await talk(session)).isReused).toBe(false)
  })

  test('that never ends, or is none, is let go and leaves nothing open', async () => {
    await look(viewer)
    const house = daemon.house()!
    const before = openDescriptors(house)
    const began = (bytes: string) =>
      new Promise<string>(resolve => {
        let said = ''
        // Whoever half closes nothing and reads on is the one who would stay.
        const socket = net.connect({ port: daemon.tlsPort, host: '127.0.0.1', allowHalfOpen: true })
        socket.on('data', (piece: Buffer) => {
          said += piece.toString('latin1')
        })
        socket.on('error', () => {}).on('close', () => resolve(said))
        socket.on('end', () => resolve(said))
        socket.write(bytes)
      })
    const said = await Promise.all([
      began('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
      began('\x16\x03\x01\x02\x00\x01'),
      began('\x16\x03'),
      began('\x00\x00\x00\x00\x00\x00'),
    ])
    for (const each of said) expect(each).not.toContain('HTTP/1.1')
    await until(() => openDescriptors(house) <= before, 'the house closes them')
    expect((await look(viewer)).status).toBe(200)
  })
})

describe('a certificate that ends', () => {
  test('ends the events that it was let in to', { timeout: 60_000 }, async () => {
    const { pid } = start(compile('burn'), ['60'])
    const asked = await daemon.ask('POST', '/v1/captures', {
      as: capturer,
      body: { target: { pid }, seconds: 60, publish: false },
    })
    const { id } = asked.json
    const brief = authority.issueBriefly('brief', 'URI:spiffe://shop/viewer', 3)
    const began = performance.now()
    const socket = tls.connect({
      host: '127.0.0.1',
      port: daemon.tlsPort,
      ca: fs.readFileSync(authority.ca),
      cert: fs.readFileSync(brief.cert),
      key: fs.readFileSync(brief.key),
      servername: 'daemon',
    })
    socket.write(`GET /v1/captures/${id}/events HTTP/1.1\r\nHost: daemon\r\n\r\n`)
    let said = ''
    socket.on('data', piece => {
      said += piece
    })
    await new Promise(resolve => socket.on('error', () => {}).on('close', resolve))
    expect(said).toContain('event: state')
    expect(performance.now() - began).toBeLessThan(30_000)
    expect((await daemon.ask('GET', `/v1/captures/${id}`, { as: capturer })).json.state).not.toBe(
      'finished',
    )
    await daemon.ask('DELETE', `/v1/captures/${id}?keep=false`, { as: capturer })
  })
})

describe('renewed certificates', () => {
  const comesIn = (to: Daemon) =>
    to.ask('GET', '/v1/captures', { as: viewer }).then(
      ({ status }) => status === 200,
      () => false,
    )

  test('are taken for new connections; a pair that does not fit together is not', async () => {
    const folder = fs.mkdtempSync(`${daemon.output}/tls-`)
    const files = { cert: `${folder}/tls.crt`, key: `${folder}/tls.key` }
    const put = (pair: Partial<Pair>) => {
      for (const [name, file] of Object.entries(pair)) {
        fs.copyFileSync(file, `${folder}/new`)
        fs.renameSync(`${folder}/new`, files[name as keyof Pair])
      }
    }
    put(server)
    const renewed = await startDaemon({
      tls: { server: files, ca: authority.ca },
      args: [`--client=${clients}`],
      env: { SP_TLS_LOOK_MS: '100', SP_HOUSE_IDLE_MS: '600000' },
    })
    const serial = () =>
      new Promise<string>((resolve, reject) => {
        const socket = tls.connect({
          host: '127.0.0.1',
          port: renewed.tlsPort,
          ca: fs.readFileSync(authority.ca),
          cert: fs.readFileSync(viewer.cert),
          key: fs.readFileSync(viewer.key),
          servername: 'daemon',
        })
        socket.on('secureConnect', () => {
          resolve(socket.getPeerCertificate().serialNumber)
          socket.destroy()
        })
        socket.on('error', reject)
      })
    const first = await serial()
    const next = authority.issue('renewed', 'DNS:daemon,IP:127.0.0.1')
    put({ cert: next.cert })
    await until(() => renewed.log().includes('certificates not loaded'), 'it says so')
    expect(await serial()).toBe(first)
    put({ key: next.key })
    await until(() => renewed.log().includes('certificates reloaded'), 'it says so')
    expect(await serial()).not.toBe(first)
    // What does not fit is said once, not every time that it is looked at.
    expect(renewed.log().match(/certificates not loaded/g)).toHaveLength(1)
  })

  test('of another CA put out those who came under the one before', async () => {
    const ca = `${daemon.output}/ca.pem`
    fs.copyFileSync(authority.ca, ca)
    const changed = await startDaemon({
      tls: { server, ca },
      args: [`--client=${clients}`],
      env: { SP_TLS_LOOK_MS: '100', SP_HOUSE_IDLE_MS: '600000' },
    })
    const socket = tls.connect({
      host: '127.0.0.1',
      port: changed.tlsPort,
      ca: fs.readFileSync(authority.ca),
      cert: fs.readFileSync(viewer.cert),
      key: fs.readFileSync(viewer.key),
      servername: 'daemon',
    })
    socket.on('error', () => {})
    const isClosed = new Promise(resolve => socket.once('close', resolve))
    // Long enough, for an idle connection ends by itself after 5 s.
    const busy = setInterval(() => socket.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n'), 500)
    socket.on('close', () => clearInterval(busy))
    await new Promise(resolve => socket.once('data', resolve))
    fs.copyFileSync(makeAuthority(temporaryFolder(), 'next').ca, ca)
    await isClosed
    await until(() => changed.log().includes('certificates reloaded'), 'it says so')
    await expect(changed.ask('GET', '/v1/captures', { as: viewer })).rejects.toThrow()
  })

  test('that are broken when the house begins shut this port, and not the one in the pod', async () => {
    const files = { cert: `${daemon.output}/b.crt`, key: `${daemon.output}/b.key` }
    fs.copyFileSync(server.cert, files.cert)
    fs.copyFileSync(server.key, files.key)
    const broken = await startDaemon({
      tls: { server: files, ca: authority.ca },
      args: [`--client=${clients}`],
      env: { SP_TLS_LOOK_MS: '100' },
    })
    fs.writeFileSync(files.key, '')
    expect((await broken.ask('GET', '/readyz')).status).toBe(200)
    await expect(broken.ask('GET', '/v1/captures', { as: viewer })).rejects.toThrow()
    fs.copyFileSync(server.key, files.key)
    await until(() => comesIn(broken), 'the port opens')
  })

  test('that come after the daemon open the port then; the shell in the pod waits for none', async () => {
    const files = { cert: `${daemon.output}/later.crt`, key: `${daemon.output}/later.key` }
    const early = await startDaemon({
      tls: { server: files, ca: authority.ca },
      args: [`--client=${clients}`],
      env: { SP_TLS_LOOK_MS: '100' },
    })
    expect(early.log()).toMatch(
      /SP_TLS_INVALID: nobody comes in over TLS .* cannot be read: ENOENT/,
    )
    await expect(early.ask('GET', '/v1/captures', { as: viewer })).rejects.toThrow()
    const { text } = await early.ask('GET', '/metrics')
    expect(text).toContain('sp_flamegraph_certificate_expiry_seconds 0\n')
    fs.copyFileSync(server.cert, files.cert)
    fs.copyFileSync(server.key, files.key)
    await until(() => comesIn(early), 'the port opens')
  })
})
