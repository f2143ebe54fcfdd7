// Objects in a real server of S3: made once, whole, and each no by its code.

import { createHash } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import {
  CreateBucketCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { publishDraft } from '../../agent/publish/publish.ts'
import { openStore, type Store } from '../../agent/publish/store.ts'
import { describeWith } from '../apps/apps.ts'
import { draftOf, settingsOf } from '../drafts.ts'
import { passed } from '../passed.ts'
import { freePort, objectsIn, s3Environment, startS3 } from '../stores.ts'
import { temporaryFolder } from '../temporary.ts'

function object(key: string, content: string | Uint8Array) {
  const { bytes, sha256 } = passed('x', content)
  return { key, bytes, sha256, contentType: 'text/plain; charset=utf-8' }
}

const never = new AbortController().signal

beforeEach(() => {
  for (const [name, value] of Object.entries(s3Environment)) vi.stubEnv(name, value)
})
afterEach(() => {
  vi.unstubAllEnvs()
})

describeWith(['versitygw'], 'a bucket', () => {
  let bucket: string
  let endpoint: string
  let client: S3Client
  beforeAll(async () => {
    const server = await startS3()
    endpoint = server.endpoint
    bucket = server.bucket('graphs')
    const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = s3Environment
    const credentials = { accessKeyId, secretAccessKey }
    client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true })
  })
  afterAll(() => client?.destroy())

  async function open(to = 's3://graphs/a/b', more: Record<string, unknown> = {}): Promise<Store> {
    return openStore(to, settingsOf({ s3Endpoint: endpoint, ...more }))
  }

  test('gets an object with its prefix, type, checksum and tags', async () => {
    const store = await open('s3://graphs/a/b/', {
      objectTags: 'team=payments,env=prod + more',
    })
    await store.put(object('one', 'hello'), never)
    expect(objectsIn(bucket).get('a/b/one')?.toString()).toBe('hello')
    const at = { Bucket: 'graphs', Key: 'a/b/one' }
    const head = await client.send(new HeadObjectCommand({ ...at, ChecksumMode: 'ENABLED' }))
    expect(head.ContentType).toBe('text/plain; charset=utf-8')
    expect(head.ChecksumSHA256).toBe(createHash('sha256').update('hello').digest('base64'))
    const { TagSet } = await client.send(new GetObjectTaggingCommand(at))
    const tags = new Map(TagSet!.map(({ Key, Value }) => [Key, Value]))
    expect(Object.fromEntries(tags)).toEqual({ team: 'payments', env: 'prod + more' })
  })

  test('has it already: the same bytes are fine, others are not replaced', async () => {
    const store = await open()
    await store.put(object('two', 'hello'), never)
    await store.put(object('two', 'hello'), never)
    await expect(store.put(object('two', 'HELLO'), never)).rejects.toMatchObject({
      code: 'SP_STORE_CONFLICT',
      exit: 6,
    })
    await expect(store.put(object('two', 'longer than it'), never)).rejects.toMatchObject({
      code: 'SP_STORE_CONFLICT',
    })
    expect(objectsIn(bucket).get('a/b/two')?.toString()).toBe('hello')
  })

  test('gets it from 16 at once, who all succeed', async () => {
    const store = await open()
    const content = Buffer.alloc(300_000, 'x')
    await Promise.all(Array.from({ length: 16 }, () => store.put(object('race', content), never)))
    expect(objectsIn(bucket).get('a/b/race')?.equals(content)).toBe(true)
  })

  test('gets a file of 40 MB', async () => {
    const store = await open()
    const content = Buffer.alloc(40 << 20, 'large')
    await store.put(object('large', content), never)
    expect(fs.statSync(`${bucket}/a/b/large`).size).toBe(content.length)
  })

  test.for([
    [
      'a wrong secret',
      { AWS_SECRET_ACCESS_KEY: 'topsecret' },
      {},
      'SP_STORE_CREDENTIALS',
      'does not accept our secret key',
    ],
    [
      'an unknown key',
      { AWS_ACCESS_KEY_ID: 'nobody' },
      {},
      'SP_STORE_CREDENTIALS',
      'does not know our access key',
    ],
    [
      'no such bucket',
      {},
      { to: 's3://nowhere' },
      'SP_STORE_MISSING',
      's3://nowhere at 127.0.0.1:',
    ],
  ] as const)(
    'answers %s with its code',
    async ([, env, { to = 's3://graphs' }, code, words]: readonly [
      string,
      Record<string, string>,
      { to?: string },
      string,
      string,
    ]) => {
      for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
      const store = await open(to)
      const error = await store.put(object('x', 'x'), never).then(
        () => undefined,
        error => error,
      )
      expect(error).toMatchObject({ code, exit: 6, message: expect.stringContaining(words) })
      expect(error.facts.answer).toMatch(/^40[34] /)
      const said = JSON.stringify([error.message, error.facts, error.cause, error.stack])
      expect(said).not.toContain('topsecret')
      expect(said).not.toContain(s3Environment.AWS_SECRET_ACCESS_KEY)
    },
  )

  test('lets go within the deadline of whoever asks', async () => {
    const store = await open()
    const reason = new Error('enough')
    await expect(store.put(object('late', 'x'), AbortSignal.abort(reason))).rejects.toBe(reason)
    expect([...objectsIn(bucket).keys()]).not.toContain('a/b/late')
  })

  test('gets a capture: the manifest last, and it says where it is', async () => {
    await client.send(new CreateBucketCommand({ Bucket: 'captures' }))
    const settings = settingsOf({
      to: 's3://captures/prod/',
      s3Endpoint: endpoint,
      incident: 'INC-7',
      spool: temporaryFolder(),
    })
    const said: string[] = []
    const progress = { state() {}, tick: (words: string) => said.push(words) }
    const receipt = await publishDraft(
      await draftOf('main;work 7\n', settings),
      { settings, formats: settings.format, progress },
      0,
    )
    const id = receipt.record.id
    expect(receipt).toMatchObject({
      isPublished: true,
      place: `s3://captures/prod/incidents/INC-7/${id}`,
    })
    const objects = objectsIn(bucket.replace(/graphs$/, 'captures'))
    const names = [...objects.keys()].map(key => key.replace(`prod/incidents/INC-7/${id}/`, ''))
    expect(names.at(-1)).toBe('manifest.json')
    expect(names.sort()).toEqual(receipt.files.map(({ name }) => name).sort())
    const manifest = JSON.parse(`${[...objects.values()].at(-1)}`)
    expect(manifest.place).toBe(receipt.place)
    expect(said.at(-1)).toBe('Sent 5 of 5 to s3://captures/prod/')
    expect(fs.readdirSync(`${settings.spool}/sp-flamegraph-${process.getuid!()}/spool`)).toEqual([])
  })
})

describe('without a server', () => {
  test.for([
    [
      'no credentials',
      { AWS_ACCESS_KEY_ID: '' },
      'SP_STORE_CREDENTIALS',
      'there are no credentials',
    ],
    ['no region', { AWS_REGION: '' }, 'SP_STORE_CREDENTIALS', 'no region is set'],
    [
      'a password in the endpoint',
      { AWS_ENDPOINT_URL: 'https://me:topsecret@host' },
      'SP_CONFIG_INVALID',
      'no password',
    ],
    [
      'a web identity whose token is gone',
      {
        AWS_ACCESS_KEY_ID: '',
        AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/graphs',
        AWS_WEB_IDENTITY_TOKEN_FILE: '/nowhere/token',
      },
      'SP_STORE_CREDENTIALS',
      '/nowhere/token',
    ],
  ] as const)('%s is told', async ([, env, code, words]) => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
    const opening = openStore('s3://graphs', settingsOf({}))
    await expect(opening).rejects.toMatchObject({ code, message: expect.stringContaining(words) })
    await expect(opening).rejects.not.toThrow('topsecret')
  })

  test('nothing that listens is told after some tries', async () => {
    const s3Endpoint = `http://127.0.0.1:${await freePort()}`
    const store = await openStore('s3://graphs', settingsOf({ s3Endpoint }))
    await expect(store.put(object('x', 'x'), never)).rejects.toMatchObject({
      code: 'SP_STORE_UNREACHABLE',
      message: expect.stringContaining('nothing listens there'),
    })
  })
})

// What no server here can be made to say is said by a few lines of HTTP.
describe('a server that says', () => {
  let asked: http.IncomingMessage[]
  let answer: (tries: number) => { status: number; body?: string; headers?: Record<string, string> }
  let server: http.Server
  let endpoint: string
  beforeAll(async () => {
    server = http.createServer((request, response) => {
      asked.push(request)
      request.resume().on('end', () => {
        const { status, body = '', headers = {} } = answer(asked.length)
        response.writeHead(status, { 'x-amz-request-id': 'REQ1', ...headers }).end(body)
      })
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    endpoint = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  })
  beforeEach(() => {
    asked = []
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  const xml = (code: string, message = 'Said by a test.') =>
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`

  async function put(more: Record<string, unknown> = {}): Promise<void> {
    const store = await openStore('s3://graphs', settingsOf({ s3Endpoint: endpoint, ...more }))
    await store.put(object('x', 'x'), never)
  }

  test.for([
    [403, 'AccessDenied', 'SP_STORE_REFUSED', 1],
    [403, 'RequestTimeTooSkewed', 'SP_STORE_CREDENTIALS', 1],
    [400, 'ExpiredToken', 'SP_STORE_CREDENTIALS', 1],
    [400, 'KMS.DisabledException', 'SP_STORE_REFUSED', 1],
    [501, 'NotImplemented', 'SP_STORE_REFUSED', 1],
    [500, 'InternalError', 'SP_STORE_UNREACHABLE', 4],
    [503, 'SlowDown', 'SP_STORE_UNREACHABLE', 4],
  ] as const)(
    '%d %s is answered by a code, after as many tries as can help',
    async ([status, name, code, tries]) => {
      answer = () => ({ status, body: xml(name) })
      await expect(put()).rejects.toMatchObject({
        code,
        facts: { answer: `${status} ${name}: Said by a test.`, request: 'REQ1' },
      })
      expect(asked.length).toBeLessThanOrEqual(tries)
      if (tries === 4) expect(asked.length).toBeGreaterThan(1)
    },
  )

  test('503 twice, then takes it', async () => {
    answer = tries => (tries < 3 ? { status: 503, body: xml('SlowDown') } : { status: 200 })
    await put()
    expect(asked).toHaveLength(3)
  })

  test('that it has another time is asked again with that time', async () => {
    const date = new Date(Date.now() - 3_600_000).toUTCString()
    answer = tries =>
      tries === 1
        ? { status: 403, body: xml('RequestTimeTooSkewed'), headers: { date } }
        : { status: 200 }
    await put()
    const [now, then] = asked.map(({ headers }) => `${headers['x-amz-date']}`)
    expect(now!.slice(0, 11)).not.toBe(then!.slice(0, 11))
  })

  test('nothing more about an object that is there is asked for its bytes', async () => {
    const bodies = { PUT: 412, HEAD: 200, GET: 200 }
    answer = () => {
      const { method } = asked.at(-1)!
      const status = bodies[method as keyof typeof bodies]
      return method === 'PUT'
        ? { status, body: xml('PreconditionFailed') }
        : { status, body: 'x', headers: { 'content-length': '1' } }
    }
    await put()
    expect(asked.map(({ method }) => method)).toEqual(['PUT', 'HEAD', 'GET'])
  })

  test('409 is asked until the other has ended', async () => {
    answer = () => {
      const { method } = asked.at(-1)!
      if (method === 'HEAD') return { status: 404 }
      return asked.length < 3
        ? { status: 409, body: xml('ConditionalRequestConflict') }
        : { status: 200 }
    }
    await put()
    expect(asked.map(({ method }) => method)).toEqual(['PUT', 'HEAD', 'PUT'])
  })

  test.for([
    ['AES256', { 'x-amz-server-side-encryption': 'AES256' }],
    ['aws:kms', { 'x-amz-server-side-encryption': 'aws:kms' }],
    [
      'aws:kms:alias/graphs',
      {
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'alias/graphs',
      },
    ],
  ] as const)(
    'nothing is told to encrypt with %s, to make it only once, and its checksum',
    async ([s3Encryption, headers]) => {
      answer = () => ({ status: 200 })
      await put({ s3Encryption })
      expect(asked[0]!.headers).toMatchObject({
        ...headers,
        'if-none-match': '*',
        'x-amz-checksum-sha256': createHash('sha256').update('x').digest('base64'),
      })
    },
  )

  test('a bucket is in the path where there is an endpoint', async () => {
    answer = () => ({ status: 200 })
    await put()
    expect(asked[0]!.url).toBe('/graphs/x?x-id=PutObject')
  })
})
