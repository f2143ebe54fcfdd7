// Objects in Google Cloud Storage: a real server of its protocol, which asks nobody who they are; and
// for the ways to say who we are a few lines of HTTP, for there is only one Google.

import { createHash, generateKeyPairSync, verify } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { publishDraft } from '../../agent/publish/publish.ts'
import { openStore, type Store } from '../../agent/publish/store.ts'
import { describeWith } from '../apps/apps.ts'
import { draftOf, settingsOf } from '../drafts.ts'
import { passed } from '../passed.ts'
import { freePort, objectsIn, startGcs } from '../stores.ts'
import { temporaryFolder } from '../temporary.ts'

function object(key: string, content: string | Uint8Array) {
  const { bytes, sha256 } = passed('x', content)
  return { key, bytes, sha256, contentType: 'image/svg+xml' }
}

const never = new AbortController().signal

beforeEach(() => {
  // No cloud is asked who we are.
  vi.stubEnv('METADATA_SERVER_DETECTION', 'none')
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '')
  vi.stubEnv('GOOGLE_CLOUD_PROJECT', 'project')
  vi.stubEnv('CLOUDSDK_CONFIG', '/nowhere')
  vi.stubEnv('STORAGE_EMULATOR_HOST', '')
})
afterEach(() => {
  vi.unstubAllEnvs()
})

describeWith(['fake-gcs-server'], 'a bucket', () => {
  let bucket: string
  let endpoint: string
  beforeAll(async () => {
    const server = await startGcs()
    endpoint = server.endpoint
    bucket = server.bucket('graphs')
  })

  async function open(to = 'gs://graphs/a/b', more: Record<string, unknown> = {}): Promise<Store> {
    vi.stubEnv('STORAGE_EMULATOR_HOST', endpoint)
    return openStore(to, settingsOf(more))
  }

  test('gets an object with its prefix, type, checksum and tags', async () => {
    const store = await open(undefined, { objectTags: 'team=payments' })
    await store.put(object('one', '<svg/>'), never)
    expect(objectsIn(bucket).get('a/b/one')?.toString()).toBe('<svg/>')
    const answer = await fetch(`${endpoint}/storage/v1/b/graphs/o/a%2Fb%2Fone`)
    expect(await answer.json()).toMatchObject({
      contentType: 'image/svg+xml',
      metadata: { team: 'payments', sha256: createHash('sha256').update('<svg/>').digest('hex') },
    })
  })

  test('has it already: the same bytes are fine, others are not replaced', async () => {
    const store = await open()
    await store.put(object('two', 'hello'), never)
    await store.put(object('two', 'hello'), never)
    await expect(store.put(object('two', 'HELLO'), never)).rejects.toMatchObject({
      code: 'SP_STORE_CONFLICT',
    })
    expect(objectsIn(bucket).get('a/b/two')?.toString()).toBe('hello')
  })

  test('that is not there is told', async () => {
    const store = await open('gs://nowhere')
    await expect(store.put(object('x', 'x'), never)).rejects.toMatchObject({
      code: 'SP_STORE_MISSING',
      message: expect.stringMatching(/^gs:\/\/nowhere at 127\.0\.0\.1:\d+ is not there$/),
    })
  })

  test('gets a capture, the manifest last', async () => {
    vi.stubEnv('STORAGE_EMULATOR_HOST', endpoint.replace('http://', ''))
    const settings = settingsOf({ to: 'gs://graphs/captures', spool: temporaryFolder() })
    const draft = await draftOf('main;work 7\n', settings)
    const receipt = await publishDraft(draft, { settings, formats: settings.format }, 0)
    const names = [...objectsIn(bucket).keys()].filter(key => key.startsWith('captures/'))
    expect(names).toHaveLength(5)
    expect(`gs://graphs/${names.at(-1)}`).toBe(`${receipt.place}/manifest.json`)
  })
})

interface Asked {
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

describe('a server that', () => {
  let asked: Asked[]
  let answer: (request: Asked) => { status: number; body?: unknown } | undefined
  let endpoint: string
  let server: http.Server
  beforeAll(async () => {
    server = http.createServer(async (request, response) => {
      const pieces: Buffer[] = await request.toArray()
      const one = { url: request.url!, headers: request.headers, body: Buffer.concat(pieces) }
      asked.push(one)
      const { status, body = {} } = answer(one) ?? { status: 0 }
      if (status === 0) return void request.socket.destroy()
      response.writeHead(status, {
        'content-type': 'application/json',
        'metadata-flavor': 'Google',
      })
      response.end(JSON.stringify(body))
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

  async function put(): Promise<void> {
    const store = await openStore('gs://graphs', settingsOf({ gcsEndpoint: endpoint }))
    await store.put(object('x', 'x'), never)
  }

  function credentials(content: object): void {
    const file = path.join(temporaryFolder(), 'credentials.json')
    fs.writeFileSync(file, JSON.stringify(content))
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', file)
  }

  function serviceAccount() {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    credentials({
      type: 'service_account',
      project_id: 'project',
      private_key_id: 'k1',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      client_email: 'graphs@project.iam.gserviceaccount.com',
    })
    return publicKey
  }

  test('knows a service account gets what the account has signed for this use', async () => {
    const key = serviceAccount()
    answer = () => ({ status: 200 })
    await put()
    expect(asked.map(({ url }) => url)).toEqual([
      '/upload/storage/v1/b/graphs/o?uploadType=multipart&ifGenerationMatch=0&name=x',
    ])
    const jwt = asked[0]!.headers.authorization!.replace('Bearer ', '')
    const [head, claims, signature] = jwt.split('.') as [string, string, string]
    const signed = Buffer.from(`${head}.${claims}`)
    expect(verify('sha256', signed, key, Buffer.from(signature, 'base64url'))).toBe(true)
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
      iss: 'graphs@project.iam.gserviceaccount.com',
      scope: 'https://www.googleapis.com/auth/devstorage.read_write',
    })
  })

  test('knows a workload identity gets its token', async () => {
    const subject = path.join(temporaryFolder(), 'token')
    fs.writeFileSync(subject, 'SUBJECT')
    credentials({
      type: 'external_account',
      audience:
        '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `${endpoint}/sts`,
      credential_source: { file: subject },
    })
    answer = ({ url }) =>
      url === '/sts'
        ? {
            status: 200,
            body: {
              access_token: 'FEDERATED',
              token_type: 'Bearer',
              expires_in: 3600,
              issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
            },
          }
        : { status: 200 }
    await put()
    expect(asked.find(({ url }) => url === '/sts')!.body.toString()).toContain('SUBJECT')
    expect(asked.at(-1)!.headers.authorization).toBe('Bearer FEDERATED')
  })

  test('is the metadata server of a machine gets us its token', async () => {
    vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present')
    vi.stubEnv('GCE_METADATA_HOST', endpoint.replace('http://', ''))
    answer = ({ url }) =>
      url.startsWith('/computeMetadata/')
        ? { status: 200, body: { access_token: 'MACHINE', token_type: 'Bearer', expires_in: 3600 } }
        : { status: 200 }
    await put()
    expect(asked.at(-1)!.headers.authorization).toBe('Bearer MACHINE')
  })

  test('does not know us is told by its answer, and not by what was signed', async () => {
    serviceAccount()
    answer = () => ({ status: 401, body: { error: { message: 'Invalid Credentials' } } })
    const error = await put().then(
      () => undefined,
      error => error,
    )
    expect(error).toMatchObject({
      code: 'SP_STORE_CREDENTIALS',
      facts: { answer: expect.stringContaining('Invalid Credentials') },
    })
    const said = JSON.stringify([error.message, error.facts, error.cause, error.stack])
    expect(said).not.toContain('eyJ')
  })

  test.for([
    [401, 'authError', 'SP_STORE_CREDENTIALS', 1],
    [403, 'forbidden', 'SP_STORE_REFUSED', 1],
    [404, 'notFound', 'SP_STORE_MISSING', 1],
    [400, 'invalid', 'SP_STORE_REFUSED', 1],
    [429, 'rateLimitExceeded', 'SP_STORE_UNREACHABLE', 4],
    [503, 'backendError', 'SP_STORE_UNREACHABLE', 4],
    [0, 'the connection was', 'SP_STORE_UNREACHABLE', 4],
  ] as const)('says %d %s is tried as often as can help', async ([status, reason, code, tries]) => {
    vi.stubEnv('STORAGE_EMULATOR_HOST', endpoint)
    answer = () => {
      return { status, body: { error: { message: 'Said by a test.', errors: [{ reason }] } } }
    }
    await expect(put()).rejects.toMatchObject({ code })
    expect(asked).toHaveLength(tries)
  })

  test('answers late what it has taken finds it there', async () => {
    vi.stubEnv('STORAGE_EMULATOR_HOST', endpoint)
    const md5Hash = createHash('md5').update('x').digest('base64')
    answer = ({ url }) => {
      if (asked.length === 1) return undefined
      return url.startsWith('/upload') ? { status: 412 } : { status: 200, body: { md5Hash } }
    }
    await put()
    expect(asked).toHaveLength(3)
  })
})

describe('without a server', () => {
  test('no credentials are told', async () => {
    await expect(openStore('gs://graphs', settingsOf({}))).rejects.toMatchObject({
      code: 'SP_STORE_CREDENTIALS',
      message: expect.stringContaining('there are no credentials for Google Cloud Storage'),
    })
  })

  test('nothing that listens is told', async () => {
    vi.stubEnv('STORAGE_EMULATOR_HOST', `127.0.0.1:${await freePort()}`)
    const store = await openStore('gs://graphs', settingsOf({}))
    await expect(store.put(object('x', 'x'), never)).rejects.toThrow('nothing listens there')
  })

  test('a password for an emulator is refused', async () => {
    vi.stubEnv('STORAGE_EMULATOR_HOST', 'http://me:topsecret@127.0.0.1:1')
    await expect(openStore('gs://graphs', settingsOf({}))).rejects.toMatchObject({
      code: 'SP_CONFIG_INVALID',
      message: expect.not.stringContaining('topsecret'),
    })
  })
})
