// Real object stores on this machine, and a network in front of them that can be broken.

import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { afterAll } from 'vitest'
import { temporaryFolder } from './temporary.ts'

const servers: ChildProcess[] = []

afterAll(() => {
  for (const server of servers) server.kill('SIGKILL')
})

/** What the clients of these stores are told by their environment. No cloud is asked who we are. */
export const s3Environment = {
  AWS_ACCESS_KEY_ID: 'testkey',
  AWS_SECRET_ACCESS_KEY: 'testsecret12',
  AWS_SESSION_TOKEN: '',
  AWS_REGION: 'us-east-1',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_ENDPOINT_URL: '',
  AWS_ENDPOINT_URL_S3: '',
}

export interface FileStore {
  readonly port: number
  readonly endpoint: string
  /** Makes a bucket. @returns its folder: an object is a file in it */
  bucket(name: string): string
}

/** versitygw over a folder: verifies signatures and checksums, and makes an object only once. */
export async function startS3(host = '127.0.0.1'): Promise<FileStore> {
  const [data, port] = [temporaryFolder(), await freePort()]
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = s3Environment
  const args = ['--quiet', '--keep-alive', '--port', `${host}:${port}`, 'posix', data]
  const env = { ROOT_ACCESS_KEY: AWS_ACCESS_KEY_ID, ROOT_SECRET_KEY: AWS_SECRET_ACCESS_KEY }
  await serve('versitygw', args, port, env, host)
  return { port, endpoint: `http://${host}:${port}`, bucket: name => makeFolder(data, name) }
}

/** fake-gcs-server over a folder. It asks nobody who they are. */
export async function startGcs(): Promise<FileStore> {
  const [data, port] = [temporaryFolder(), await freePort()]
  const host = `127.0.0.1:${port}`
  const args = ['-scheme', 'http', '-host', '127.0.0.1', '-port', `${port}`]
  args.push('-backend', 'filesystem', '-filesystem-root', data)
  args.push('-external-url', `http://${host}`, '-public-host', host)
  await serve('fake-gcs-server', args, port)
  return { port, endpoint: `http://${host}`, bucket: name => makeFolder(data, name) }
}

export interface Network {
  /** The way through it. */
  readonly endpoint: string
  /** Nothing is wrong with it any more. At once, for use in the middle of what cannot wait. */
  heal(): void
  /** https://github.com/Shopify/toxiproxy#toxics */
  break(type: string, attributes: object, stream?: 'upstream' | 'downstream'): void
  /** Nothing listens, and what is open is closed. */
  disable(): void
}

/** toxiproxy in front of a port. */
export async function startNetwork(upstream: number): Promise<Network> {
  const [port, listen] = [await freePort(), await freePort()]
  await serve('toxiproxy', ['-host', '127.0.0.1', '-port', `${port}`], port)
  const post = (where: string, body: object) => {
    postNow(`http://127.0.0.1:${port}${where}`, JSON.stringify(body))
  }
  const addresses = { listen: `127.0.0.1:${listen}`, upstream: `127.0.0.1:${upstream}` }
  post('/proxies', { name: 'store', enabled: true, ...addresses })
  return {
    endpoint: `http://127.0.0.1:${listen}`,
    heal: () => post('/reset', {}),
    break: (type, attributes, stream = 'downstream') => {
      post('/proxies/store/toxics', { type, attributes, stream })
    },
    disable: () => post('/proxies/store', { name: 'store', enabled: false, ...addresses }),
  }
}

/** From another thread, so that it has happened when this returns. */
function postNow(url: string, body: string): void {
  poster ??= startPoster()
  const done = new Int32Array(new SharedArrayBuffer(4))
  poster.postMessage({ url, body, done })
  Atomics.wait(done, 0, 0, 10_000)
  if (done[0] !== 1) throw new Error(`${url} did not take ${body}`)
}

let poster: Worker | undefined

function startPoster(): Worker {
  const script = `
    require('node:worker_threads').parentPort.on('message', async ({ url, body, done }) => {
      const isDone = await fetch(url, { method: 'POST', body }).then(answer => answer.ok, () => false)
      Atomics.store(done, 0, isDone ? 1 : 2)
      Atomics.notify(done, 0)
    })`
  const worker = new Worker(script, { eval: true })
  worker.unref()
  return worker
}

/** Every object of a bucket, by its name, the oldest first. */
export function objectsIn(bucket: string): Map<string, Buffer> {
  const files = fs
    .readdirSync(bucket, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(({ parentPath, name }) => path.join(parentPath, name))
    // What a server keeps beside them.
    .filter(file => !/\/\.(?:sgwtmp|vgw)|\.(?:attrs|metadata)$/.test(file))
  const times = new Map(files.map(file => [file, fs.statSync(file, { bigint: true }).mtimeNs]))
  files.sort((a, b) => (times.get(a)! < times.get(b)! ? -1 : 1))
  return new Map(files.map(file => [path.relative(bucket, file), fs.readFileSync(file)]))
}

function makeFolder(data: string, name: string): string {
  const folder = path.join(data, name)
  fs.mkdirSync(folder)
  return folder
}

async function serve(
  program: string,
  args: readonly string[],
  port: number,
  env: Readonly<Record<string, string>> = {},
  host = '127.0.0.1',
): Promise<void> {
  const server = spawn(program, args, { env: { ...process.env, ...env }, stdio: 'ignore' })
  servers.push(server)
  for (let tries = 0; tries < 500; tries++) {
    if (await listens(port, host)) return
    await sleep(20)
  }
  throw new Error(`${program} does not listen`)
}

function listens(port: number, host: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect(port, host)
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
