// A pod is deleted in the middle of a capture: what was captured is published before the pod has gone.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startS3 } from '../stores.ts'
import { askCapture, daemonAt, makeKeys, untilCapture, untilOpen } from './daemon.ts'
import {
  apply,
  emptyNamespace,
  eventually,
  inPod,
  kubectl,
  makeNamespace,
  nodeAddress,
  note,
  readyPod,
} from './kubectl.ts'
import { app, podOf, profiled, storeEnvironment } from './pods.ts'
import { publishedIn } from './published.ts'

const namespace = 'end'
const seconds = 60
const keys = makeKeys()
let bucket: string

// It is asked to end when the profiler is, and takes its time.
const slowToEnd =
  'import signal, sys; signal.signal(signal.SIGTERM, lambda *_: signal.alarm(10)); ' +
  'sys.argv = ["", "3600"]; exec(open("/burn.py").read())'

beforeAll(async () => {
  const s3 = await startS3(nodeAddress)
  bucket = s3.bucket('incidents')
  makeNamespace(namespace, { 'profiler-tls': keys.secret, store: storeEnvironment(s3.endpoint) })
})

afterAll(() => emptyNamespace(namespace))

describe('a pod that is deleted while it is captured', () => {
  test.each([
    ['native-sidecar', 'that ends at once', app('service'), true],
    ['sidecar', 'that ends at once', app('service'), false],
    ['slow', 'that takes 10 s to end', pythonApp(slowToEnd), false],
  ])('%s, with an app %s, publishes what there is', (name, how, container, isNative) =>
    inPod(namespace, name, async () => {
      const spec = profiled(isNative ? 'native-sidecar' : 'sidecar', container)
      apply(podOf(namespace, name, spec))
      const address = await readyPod(namespace, name)
      await untilOpen(address)
      const daemon = daemonAt(address, keys, keys.oncall)
      const id = await askCapture(daemon, { seconds, incident: name })
      await untilCapture(daemon, id, 'capturing')
      await sleep(3000)
      const deletedMs = Date.now()
      await kubectl('delete', `pod/${name}`, '--namespace', namespace, '--wait=false')
      const { manifest } = await eventually('the manifest', 30, () => publishedIn(bucket, name))
      const line = (what: string) =>
        note(
          `${isNative ? 'native ' : ''}sidecar, app ${how}: deletion to ${what}`,
          (Date.now() - deletedMs) / 1000,
          30,
        )
      line('picture in S3')
      expect(manifest.quality.samples).toBeGreaterThan(30)
      expect(manifest.durationMs).toBeLessThan(seconds * 1000)
      await kubectl('wait', '--for=delete', `pod/${name}`, `--namespace=${namespace}`)
      line("the pod's end")
    }),
  )
})

function pythonApp(program: string): object {
  return { ...app('burn'), command: ['/usr/bin/python3', '-c', program] }
}
