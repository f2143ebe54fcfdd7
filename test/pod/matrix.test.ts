// The image in real pods: every runtime, every way in which an application is
// locked up, every tier of rights. What doctor says in the pod is held against
// what a capture then does, by the command in the shell and over mTLS from outside.

import fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { missing } from '../apps/apps.ts'
import { readStacks } from '../command.ts'
import { type AppName, appNames, type KnownApp, makeApps, makeMuslApp, removeApps } from './apps.ts'
import type { Capture } from './asked.ts'
import { mountNoexec } from './noexec.ts'
import { makePlayer, usualCapabilities } from './play.ts'
import { lackingForPods, type Pod, type Profiler } from './pods.ts'
import { row, writeTable } from './table.ts'

const lacking = [
  ...missing('cc', 'go', 'java', 'javac', 'ruby', 'python3', 'musl-gcc', 'openssl', 'root'),
  ...lackingForPods(),
]
const title =
  lacking.length === 0 ? 'in a pod' : `in a pod (skipped for want of ${lacking.join(', ')})`

describe.skipIf(lacking.length > 0)(title, () => {
  let apps: Readonly<Record<AppName, KnownApp>>
  let musl: KnownApp
  let play: ReturnType<typeof makePlayer>

  beforeAll(() => {
    apps = makeApps()
    musl = makeMuslApp()
    play = makePlayer()
  })
  afterAll(() => {
    removeApps()
    writeTable()
  })

  describe('with the rights of the manifests', () => {
    test.for(appNames)('%s is captured in the shell, and over mTLS', async name => {
      const app = apps[name]
      const { pod, outside } = await play({ app })
      const capture = await expectTruth(pod, app)
      expect(capture?.share(app.hot)).toBeGreaterThan(0.45)
      const [target] = (await outside.targets()).filter(({ comm }) => comm === app.comm)
      const over = await outside.capture(target!.pid)
      expect(over.share(app.hot)).toBeGreaterThan(0.45)
      row(name, 'uid 1000, drop ALL', usualCapabilities.join(' '), capture, over)
    })
  })

  describe('an application that is locked up', () => {
    test.for(appNames)('%s with a root that is read-only', async name => {
      const app = { ...apps[name], isReadOnly: true }
      const { pod } = await play({ app })
      const capture = await expectTruth(pod, app)
      // A JVM can be attached to by a socket in its /tmp only: it is perf then, and doctor says what it costs.
      if (name === 'JVM') expect(capture).toMatchObject({ tool: 'perf', status: 'degraded' })
      else expect(capture?.share(app.hot)).toBeGreaterThan(0.45)
      row(name, 'read-only root', usualCapabilities.join(' '), capture)
    })

    test.for(['JVM', 'Node.js', 'CPython'] as const)('%s with a noexec /tmp', async name => {
      const tmp = mountNoexec()
      onTestFinished(tmp.unmount)
      const app = { ...apps[name], tmp: tmp.folder }
      const { pod } = await play({ app })
      const capture = await expectTruth(pod, app)
      expect(capture?.share(app.hot)).toBeGreaterThan(0.45)
      row(name, 'noexec /tmp', usualCapabilities.join(' '), capture)
    })

    test('a program of musl', async () => {
      const { pod } = await play({ app: musl })
      const capture = await expectTruth(pod, musl)
      expect(capture?.share(musl.hot)).toBeGreaterThan(0.45)
      row('musl', 'uid 1000, drop ALL', usualCapabilities.join(' '), capture)
    })
  })

  describe('a tier of rights', () => {
    const tiers: readonly (readonly [string, Profiler])[] = [
      ['none, root', { capabilities: [] }],
      ['none, uid 1000', { capabilities: [], uid: 1000 }],
      ['SYS_PTRACE', { capabilities: ['SYS_PTRACE'] }],
      ['PERFMON', { capabilities: ['PERFMON'] }],
      ['SYS_PTRACE SYS_ADMIN', { capabilities: ['SYS_PTRACE', 'SYS_ADMIN'] }],
    ]
    for (const name of ['CPython', 'JVM', 'Node.js', 'native'] as const) {
      test.for(tiers)(`${name} with %s`, async ([tier, profiler]) => {
        const { pod } = await play({ app: apps[name] }, profiler)
        const capture = await expectTruth(pod, apps[name])
        row(name, 'uid 1000, drop ALL', tier, capture)
      })
    }
  })
})

/** Whatever doctor says of the best way is what `record` then does. */
async function expectTruth(pod: Pod, app: KnownApp): Promise<Capture | undefined> {
  const said = JSON.parse((await pod.exec(['sp-flamegraph', 'doctor', '--json'])).stdout)
  const patient = said.targets.find(({ comm }: { comm: string }) => comm === app.comm)
  const others = said.targets.map(({ comm }: { comm: string }) => comm)
  expect(patient, `${app.comm} is not among ${others}`).toBeDefined()
  const findings = patient.findings.filter(({ mode }: { mode: string }) => mode === 'cpu')
  const best = findings.find(({ status }: { status: string }) => status !== 'blocked')
  const { code, stdout, stderr } = await pod.exec([
    ...['sp-flamegraph', 'record', `${patient.pid}`, '-d', '2', '--alone', '--json'],
    '--to=file:/tmp/graphs',
  ])
  const lines = stdout.split('\n').filter(line => line !== '')
  if (best === undefined) {
    expect({ code, stderr }).toMatchObject({ code: 4, stderr: expect.stringContaining('SP_') })
    return undefined
  }
  expect(code, `${stderr}${stdout}`).toBe(0)
  const { receipt } = JSON.parse(lines.at(-1)!)
  expect(Object.keys(receipt.record.tools)).toContain(best.tool)
  const folder = receipt.place.replace('file:', '')
  const folded = await pod.exec(['cat', `${folder}/profile.folded`])
  const stacks = readStacks(folded.stdout)
  expect(await leftIn(pod)).toEqual([])
  return { tool: best.tool, status: best.status, receipt, share: name => stacks.share(name) }
}

/** Files of ours in the application's /tmp. */
async function leftIn(pod: Pod): Promise<string[]> {
  const folder = `/proc/${pod.pidOf('app')}/root/tmp`
  return fs.readdirSync(folder).filter(name => name.startsWith('sp-flamegraph'))
}
