// The profiler as an ephemeral container, put by `kubectl debug` into a pod that knows nothing of it.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { startS3 } from '../stores.ts'
import {
  apply,
  emptyNamespace,
  eventually,
  keepPicture,
  kubectl,
  makeNamespace,
  nodeAddress,
  note,
  readyPod,
} from './kubectl.ts'
import { app, podOf, storeEnvironment } from './pods.ts'
import { publishedIn } from './published.ts'

const namespace = 'debug'
const seconds = 10
let bucket: string
let environment: Readonly<Record<string, string>>

beforeAll(async () => {
  const s3 = await startS3(nodeAddress)
  bucket = s3.bucket('incidents')
  environment = storeEnvironment(s3.endpoint)
  makeNamespace(namespace, {})
  for (const name of ['service', 'burn'] as const) {
    apply(podOf(namespace, name, { containers: [app(name)] }))
    await readyPod(namespace, name)
  }
})

afterAll(() => emptyNamespace(namespace))

test.each([
  ['service', 'a Go service', ['main.parse', 'main.encode']],
  ['burn', 'a Python program', ['hot_leaf', 'burn']],
])('%s is drawn from an ephemeral container', async (pod, what, names) => {
  const askedMs = Date.now()
  await debug(pod, ['sp-flamegraph', 'record', '-d', `${seconds}`, '--incident', pod])
  const picture = await eventually('the picture', 60, async () => {
    const status = await ended(pod)
    if (status !== undefined && status.exitCode !== 0) {
      const log = await kubectl('logs', pod, '--namespace', namespace, '--container', 'profiler')
      throw new Error(`it ended with ${status.exitCode}: ${log}`)
    }
    return publishedIn(bucket, pod)?.picture
  })
  note(`kubectl debug, ${what}: ask to picture of ${seconds} s`, (Date.now() - askedMs) / 1000, 15)
  keepPicture(`debug-${pod}.svg`, picture)
  for (const name of names) expect(picture).toContain(name)
  expect((await eventually('its end', 20, () => ended(pod))).exitCode).toBe(0)
})

function debug(pod: string, command: readonly string[]): Promise<string> {
  const set = Object.entries(environment).map(([name, value]) => `--env=${name}=${value}`)
  const how = ['--image=localhost/profiler:test', '--image-pull-policy=Never', '--target=app']
  const may = ['--profile=general', '--custom=image/deploy/debug-profile.json']
  const where = ['--namespace', namespace, '--container=profiler', '--quiet']
  return kubectl('debug', pod, ...how, ...may, ...where, ...set, '--', ...command)
}

async function ended(pod: string): Promise<{ readonly exitCode: number } | undefined> {
  const path = 'jsonpath={.status.ephemeralContainerStatuses[0].state.terminated}'
  const text = await kubectl('get', `pod/${pod}`, '--namespace', namespace, '-o', path)
  return text === '' ? undefined : JSON.parse(text)
}
