// The profiler as an ephemeral container, put by `kubectl debug` into a pod that knows nothing of it.

import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startS3 } from '../stores.ts'
import {
  apply,
  deploy,
  emptyNamespace,
  eventually,
  inPod,
  keepPicture,
  kubectl,
  makeNamespace,
  nodeAddress,
  note,
  readyPod,
} from './kubectl.ts'
import { app, idle, podOf, storeEnvironment } from './pods.ts'
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
})

afterAll(() => emptyNamespace(namespace))

test.each([
  ['go', 'a Go service', 15, [app('service'), idle], ['main.parse', 'main.encode']],
  ['python', 'a Python program', 15, [app('burn'), idle], ['hot_leaf', 'burn']],
  // Where each container has a limit, their sum is the pod's, and an ephemeral container lives within it: what
  // the profiler uses is taken from the app, and little is left for it.
  ['limited', 'an app at its CPU limit', undefined, [app('service')], ['main.parse']],
])('%s: %s is drawn from an ephemeral container', (pod, what, budget, containers, names) => {
  return inPod(namespace, pod, async () => {
    apply(podOf(namespace, pod, { containers }))
    await readyPod(namespace, pod)
    const askedMs = Date.now()
    await debug(pod, ['sp-flamegraph', 'record', '-d', `${seconds}`, '--incident', pod])
    const { picture, atMs } = await eventually('the picture', 180, async () => {
      const status = await ended(pod)
      if (status !== undefined && status.exitCode !== 0) throw new Error(`it failed: ${status}`)
      return publishedIn(bucket, pod)
    })
    for (const [words, step] of [
      ['Taking process', 'its target is chosen'],
      ['Sampling process', 'it begins to sample'],
      ['Redacting', 'it has sampled'],
    ] as const) {
      line(what, step, (await saidAt(pod, words)) - askedMs)
    }
    line(what, `picture of ${seconds} s in S3`, atMs - askedMs, budget)
    keepPicture(`debug-${pod}.svg`, picture)
    for (const name of names) expect(picture).toContain(name)
    expect((await eventually('its end', 60, () => ended(pod))).exitCode).toBe(0)
    await emptyNamespace(namespace)
  })
})

// The output of a session that is attached to: its errors are not among it.
test('a picture comes to who attaches, without a store', async () => {
  await inPod(namespace, 'attached', async () => {
    apply(podOf(namespace, 'attached', { containers: [app('burn'), idle] }))
    await readyPod(namespace, 'attached')
    const command = ['sp-flamegraph', 'record', '-d', '2', '--output', '-']
    const child = spawn('kubectl', debugWords('attached', command, ['--stdin']))
    const picture = await text(child.stdout)
    expect(picture).toMatch(/^<svg [\s\S]*hot_leaf[\s\S]*<\/svg>\s*$/)
    await emptyNamespace(namespace)
  })
})

// What is written before kubectl attaches is seen by nobody.
test('the screen is seen whole in an interactive shell, and says what goes with it', async () => {
  await inPod(namespace, 'shell', async () => {
    apply(podOf(namespace, 'shell', { containers: [app('burn'), idle] }))
    await readyPod(namespace, 'shell')
    const words = debugWords('shell', ['bash'], ['--stdin', '--tty'], {})
    const typed = ['kubectl', ...words].map(word => `'${word}'`).join(' ')
    const child = spawn('script', ['-qec', `stty rows 40 columns 200; ${typed}`, '/dev/null'])
    let seen = ''
    child.stdout.setEncoding('utf8').on('data', piece => (seen += piece))
    await eventually('the prompt', 30, () => /shell\S* \S+ # /.test(seen) || undefined)
    child.stdin.write('exit\n')
    expect(seen).toMatch(
      /Detected: CPython [\s\S]*Suggested capture:[\s\S]*goes when this container ends/,
    )
    expect((await eventually('its end', 30, () => ended('shell'))).exitCode).toBe(0)
    await emptyNamespace(namespace)
  })
})

function line(what: string, step: string, ms: number, most?: number): void {
  note(`kubectl debug, ${what}: ask to ${step}`, ms / 1000, most)
}

/** When it wrote a line that begins with these words. */
async function saidAt(pod: string, words: string): Promise<number> {
  const which = ['--namespace', namespace, '--container', 'profiler', '--timestamps']
  const lines = (await kubectl('logs', pod, ...which)).split('\n')
  const found = lines.find(each => each.slice(each.indexOf(' ') + 1).startsWith(words))
  return found === undefined ? Number.NaN : Date.parse(found.slice(0, found.indexOf(' ')))
}

function debug(pod: string, command: readonly string[]): Promise<string> {
  return kubectl(...debugWords(pod, command, []))
}

function debugWords(
  pod: string,
  command: readonly string[],
  attached: readonly string[],
  env = environment,
): string[] {
  const set = Object.entries(env).map(([name, value]) => `--env=${name}=${value}`)
  const how = ['--image=localhost/profiler:test', '--image-pull-policy=Never', '--target=app']
  const may = ['--profile=general', `--custom=${deploy}/debug-profile.json`]
  const where = ['--namespace', namespace, '--container=profiler', '--quiet']
  return ['debug', pod, ...how, ...may, ...where, ...attached, ...set, '--', ...command]
}

async function ended(pod: string): Promise<{ readonly exitCode: number } | undefined> {
  const path = 'jsonpath={.status.ephemeralContainerStatuses[0].state.terminated}'
  const text = await kubectl('get', `pod/${pod}`, '--namespace', namespace, '-o', path)
  return text === '' ? undefined : JSON.parse(text)
}
