// What goes wrong in a pod: nothing is shared, the application begins anew, memory
// is short, and the application is hostile. Each is told by its code; the daemon
// stays, and the application is not touched.

import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { missing } from '../apps/apps.ts'
import { until } from '../http/daemon.ts'
import { temporaryFolder } from '../temporary.ts'
import { type AppName, type KnownApp, makeApps, removeApps } from './apps.ts'
import { makePlayer } from './play.ts'
import { lackingForPods, type Pod } from './pods.ts'

const lacking = [
  ...missing('cc', 'go', 'java', 'javac', 'ruby', 'python3', 'openssl', 'root'),
  ...lackingForPods(),
]
const title = lacking.length === 0 ? 'a pod' : `a pod (skipped for want of ${lacking.join(', ')})`

// Version 2 does not tell a container what its pod may use.
const memoryCgroups = '/sys/fs/cgroup/memory'
const hasVersion1 = fs.existsSync(`${memoryCgroups}/memory.use_hierarchy`)

/** Limits the pod to what it uses now, and so many MiB. */
function leaveMemory(pod: Pod, mebibytes: number): void {
  const lines = fs.readFileSync(`/proc/${pod.pidOf('profiler')}/cgroup`, 'utf8')
  const folder = path.dirname(memoryCgroups + /^\d+:memory:(.*)$/m.exec(lines)![1])
  const read = (name: string) => fs.readFileSync(path.join(folder, `memory.${name}`), 'utf8')
  const cached = [...read('stat').matchAll(/^total_(?:in)?active_file (\d+)$/gm)]
  const used = cached.reduce(
    (sum, [, bytes]) => sum - Number(bytes),
    Number(read('usage_in_bytes')),
  )
  fs.writeFileSync(path.join(folder, 'memory.limit_in_bytes'), `${used + mebibytes * 2 ** 20}`)
}

describe.skipIf(lacking.length > 0)(title, () => {
  let apps: Readonly<Record<AppName, KnownApp>>
  let play: ReturnType<typeof makePlayer>

  beforeAll(() => {
    apps = makeApps()
    play = makePlayer()
  })
  afterAll(() => removeApps())

  test('that shares no PID namespace is told so, in the shell and from outside', async () => {
    const { pod, outside } = await play({ app: apps.native, isShared: false })
    for (const words of [
      ['sp-flamegraph'],
      ['sp-flamegraph', 'record'],
      ['sp-flamegraph', 'doctor'],
    ]) {
      const { stdout, stderr } = await pod.exec(words)
      expect(`${stdout}${stderr}`, words.join(' ')).toMatch(/shareProcessNamespace|--target/)
    }
    expect((await outside.get('/v1/targets')).code).toBe('SP_NOT_SHARED')
  })

  test('whose application begins anew keeps what was captured, and says the process is gone', async () => {
    const { pod, outside } = await play({ app: apps.Go }, { args: ['--slots=1'] })
    const [target] = (await outside.targets()).filter(({ comm }) => comm === apps.Go.comm)
    const running = await outside.post('/v1/captures', {
      target: { pid: target!.pid },
      seconds: 60,
    })
    await until(async () => (await outside.get(running.href)).state === 'capturing', 'it captures')
    await sleep(3000)
    pod.restartApp()
    let over = running
    await until(async () => {
      over = await outside.get(running.href)
      return over.state === 'finished' || over.state === 'failed'
    }, 'it is over')
    expect(over.state).toBe('finished')
    expect(over.receipt.record.remarks.join(' ')).toMatch(/ended/)
    const again = await outside.post('/v1/captures', { target: { pid: target!.pid }, seconds: 1 })
    expect(again.code).toBe('SP_TARGET_GONE')
    await until(async () => {
      const now = await outside.targets()
      return now.some(({ pid, comm }) => comm === apps.Go.comm && pid !== target!.pid)
    }, 'the new process is seen')
  })

  test('that has no memory left loses a capture, and neither the daemon nor the application', async () => {
    const { pod, outside } = await play(
      { app: apps.native },
      { memory: 110, args: ['--max-memory=2000'] },
    )
    const [target] = (await outside.targets()).filter(({ comm }) => comm === apps.native.comm)
    const ask = { target: { pid: target!.pid }, seconds: 20, hertz: 999 }
    const running = await outside.post('/v1/captures', ask)
    await until(async () => (await outside.get(running.href)).state === 'capturing', 'it captures')
    const began = pod.pidOf('app')
    const filling = pod.exec([
      'node',
      '-e',
      'const all = []; for (;;) all.push(Buffer.alloc(1e6, 1))',
    ])
    await filling
    await until(async () => {
      const { state } = await outside.get(running.href)
      return state === 'finished' || state === 'failed'
    }, 'it is over')
    expect(pod.isRunning('profiler')).toBe(true)
    expect(pod.pidOf('app')).toBe(began)
    expect((await outside.targets()).length).toBeGreaterThan(0)
  })

  test.skipIf(!hasVersion1)(
    'that is near its memory limit is told so, and not captured where the application might be killed',
    async () => {
      const { pod, outside } = await play({ app: apps.native })
      const [target] = (await outside.targets()).filter(({ comm }) => comm === apps.native.comm)
      const record = ['sp-flamegraph', 'record', `${target!.pid}`, '-d', '1', '--alone']
      leaveMemory(pod, 140)
      const warned = await pod.exec([...record, '--to=file:/tmp/graphs'])
      expect(warned.code, warned.stderr).toBe(0)
      expect(warned.stderr).toMatch(/memory limit of the pod is near: \d+ MiB are left of/)
      // The command itself takes 24 to 50 of them, as the kernel shares it with others.
      let refused = warned
      for (let left = 70; left >= 50 && refused.code === 0; left -= 5) {
        leaveMemory(pod, left)
        refused = await pod.exec([...record, '--to=file:/tmp/graphs'])
      }
      expect(refused.stderr).toMatch(/SP_BUDGET/)
      expect(refused.code).toBe(7)
      expect(pod.isRunning('app') && pod.isRunning('profiler')).toBe(true)
    },
  )

  test('whose application is hostile is captured all the same', async () => {
    const tmp = fs.mkdtempSync(path.join(temporaryFolder(), 'tmp-'))
    fs.chmodSync(tmp, 0o1777)
    const hostile = {
      ...apps.CPython,
      command: ['/usr/bin/python3', '/hostile/hostile.py', '600'],
      mounts: { ...apps.CPython.mounts, '/hostile': path.resolve(import.meta.dirname) },
      tmp,
    }
    const { pod, outside, listen } = await play({ app: hostile })
    // It has planted its files, and floods the daemon's loopback port, from the pod's own network.
    await until(() => fs.existsSync(path.join(tmp, 'planted')), 'it has begun')
    fs.writeFileSync(path.join(tmp, 'port'), `${listen}\n`)
    const [target] = (await outside.targets()).filter(({ comm }) => comm === 'java')
    expect(target).toBeDefined()
    const over = await outside.capture(target!.pid)
    // A name makes nobody a JVM.
    expect(over.receipt.record.target.runtime).toBe('CPython')
    expect(over.share(/hot_leaf/)).toBeGreaterThan(0.3)
    const inShell = await pod.exec([
      ...['sp-flamegraph', 'record', `${target!.pid}`, '-d', '1'],
      '--to=file:/tmp/graphs',
    ])
    expect(inShell.code, inShell.stderr).toBe(0)
    // What it lured us to is as it was.
    expect(fs.readFileSync(path.join(tmp, 'victim'), 'utf8')).toBe('untouched')
  })
})
