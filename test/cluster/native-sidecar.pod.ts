// The profiler as a native sidecar: an init container that stays, ready before the app starts.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startS3 } from '../stores.ts'
import {
  askCapture,
  type Capture,
  type Daemon,
  daemonAt,
  makeKeys,
  untilCapture,
  untilOpen,
} from './daemon.ts'
import {
  apply,
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
import { app, podOf, profiled, storeEnvironment } from './pods.ts'
import { publishedIn } from './published.ts'

const namespace = 'sidecar'
const seconds = 2
const keys = makeKeys()
let bucket: string
let address: string
let daemon: Daemon

beforeAll(async () => {
  const s3 = await startS3(nodeAddress)
  bucket = s3.bucket('incidents')
  makeNamespace(namespace, { 'profiler-tls': keys.secret, store: storeEnvironment(s3.endpoint) })
  apply(podOf(namespace, 'shop', profiled('native-sidecar', app('service'))))
  address = await inPod(namespace, 'shop', () => readyPod(namespace, 'shop'))
  await inPod(namespace, 'shop', () => untilOpen(address))
  daemon = daemonAt(address, keys, keys.oncall)
})

afterAll(() => emptyNamespace(namespace))

describe('a capture that is asked for over mTLS from outside', () => {
  test('is published with the names of the app, from behind a cold door', async () => {
    const capture = await captured('behind a cold door', {}, 1)
    const { place, isPublished } = capture.receipt
    expect({ place, isPublished }).toEqual({
      place: expect.stringContaining('s3://incidents/graphs/incidents/'),
      isPublished: true,
    })
    const { picture } = publishedIn(bucket, capture.id)!
    keepPicture('native-sidecar.svg', picture)
    expect(picture).toContain('main.parse')
    expect(picture).toContain('main.encode')
    const fetched = await daemon.ask('GET', `/v1/captures/${capture.id}/artefacts/flame.svg`)
    expect(`${fetched}`).toBe(picture)
  })

  test('begins sooner behind a warm door, of a process that is named', async () => {
    const { targets } = JSON.parse(`${await daemon.ask('GET', '/v1/targets')}`)
    const { pid } = targets.find(({ comm }: { comm: string }) => comm === 'service')
    await captured('behind a warm door', { target: { pid } }, 0.4)
  })

  test('is refused to who has no certificate: the handshake fails', async () => {
    const stranger = daemonAt(address, keys, undefined)
    await expect(stranger.ask('GET', '/healthz')).rejects.toThrow(/certificate required|ECONNRESET/)
  })
})

async function captured(how: string, ask: object, budget: number): Promise<Capture> {
  const askedMs = Date.now()
  const id = await askCapture(daemon, { seconds, incident: 'INC-4711', ...ask })
  const capture = await inPod(namespace, 'shop', () => untilCapture(daemon, id, 'finished'))
  const { afterMs, record } = capture.receipt
  const publishedMs = publishedIn(bucket, id)!.atMs
  const sampledMs = publishedMs - afterMs - record.durationMs
  const line = (what: string, ms: number, most?: number) =>
    note(`native sidecar, ${how}: ask to ${what}`, (ms - askedMs) / 1000, most)
  line('the daemon has taken it', Date.parse(capture.createdAt))
  line('its process begins', Date.parse(capture.beganAt))
  line('first sample', sampledMs, budget)
  line(`picture of ${seconds} s in S3`, publishedMs)
  return capture
}

test('the app is restarted by nobody, and the daemon neither', async () => {
  const path = 'jsonpath={.status..restartCount}'
  expect(await kubectl('get', 'pod/shop', '--namespace', namespace, '-o', path)).toBe('0 0')
})

describe('without the Secret of its certificate', () => {
  const alone = 'no-secret'
  afterAll(() => emptyNamespace(alone))

  test('the pod is ready all the same, and the port opens when the Secret comes', async () => {
    makeNamespace(alone, { store: { SP_FLAMEGRAPH_INCIDENT: 'INC-4712' } })
    apply(podOf(alone, 'shop', profiled('native-sidecar', app('service'))))
    await inPod(alone, 'shop', async () => {
      const host = await readyPod(alone, 'shop')
      const of = ['--namespace', alone, 'shop', '--container', 'sp-profiler']
      expect(await kubectl('logs', ...of)).toContain('SP_TLS_INVALID')
      const later = daemonAt(host, keys, keys.oncall)
      const isIn = () =>
        later.ask('GET', '/v1/captures').then(
          () => true,
          () => undefined,
        )
      expect(await isIn()).toBeUndefined()
      makeNamespace(alone, { 'profiler-tls': keys.secret })
      // The kubelet looks at its Secrets every minute or so, the daemon at its files every ten seconds.
      await eventually('the port is open', 180, isIn, 2000)
    })
  })
})
