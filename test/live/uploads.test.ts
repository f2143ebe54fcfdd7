// A capture on its way to S3, and everything that can come between: whatever it is, each file arrives
// once, under one name, and the manifest last.

import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Settings } from '../../agent/config.ts'
import { ProfilerError } from '../../agent/errors.ts'
import { publishDraft } from '../../agent/publish/publish.ts'
import { type Receipt, UnpublishedError } from '../../agent/publish/receipt.ts'
import { sendSpooled } from '../../agent/publish/send-spooled.ts'
import { listSpool } from '../../agent/publish/spool.ts'
import { compile, describeWith, start, untilBusy } from '../apps/apps.ts'
import { linesOf, sp, startCommand, untilSampled } from '../command.ts'
import { draftOf, manyStacks, settingsOf } from '../drafts.ts'
import { startDaemon } from '../http/daemon.ts'
import { random } from '../random.ts'
import {
  type FileStore,
  type Network,
  objectsIn,
  s3Environment,
  startNetwork,
  startS3,
} from '../stores.ts'
import { temporaryFolder } from '../temporary.ts'

let store: FileStore
let bucket: string
let network: Network

/** Of every capture in the bucket: its files, in the order in which they arrived. */
function captures(): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const key of objectsIn(bucket).keys()) {
    const [capture, name] = [path.dirname(key), path.basename(key)]
    found.set(capture, [...(found.get(capture) ?? []), name])
  }
  return found
}

/** What every capture in the bucket has to be. */
function expectWhole(): void {
  const objects = objectsIn(bucket)
  for (const [capture, names] of captures()) {
    expect(names.at(-1), capture).toBe('manifest.json')
    const manifest = JSON.parse(`${objects.get(`${capture}/manifest.json`)}`)
    const listed = manifest.files.map(({ name }: { name: string }) => name)
    expect([...names].sort()).toEqual([...listed, 'manifest.json'].sort())
    for (const { name, bytes } of manifest.files) {
      expect(objects.get(`${capture}/${name}`)?.length, name).toBe(bytes)
    }
  }
}

function withStore(needed: readonly string[], title: string, tests: () => void): void {
  describeWith(['versitygw', ...needed], title, () => {
    beforeAll(async () => {
      store = await startS3()
    })
    let buckets = 0
    beforeEach(() => {
      bucket = store.bucket(`bucket-${++buckets}`)
      for (const [name, value] of Object.entries(s3Environment)) vi.stubEnv(name, value)
    })
    afterEach(() => {
      vi.unstubAllEnvs()
    })
    tests()
  })
}

withStore(['toxiproxy'], 'a network that', () => {
  // 0.3 MB of folded stacks, at 0.25 MB/s: the other files have arrived while it is under way.
  const stacks = manyStacks(8_000)
  beforeAll(async () => {
    network = await startNetwork(store.port)
  })
  beforeEach(() => {
    network.heal()
    network.break('bandwidth', { rate: 250 }, 'upstream')
  })

  const faults: readonly (readonly [string, 'arrives' | 'waits', () => void])[] = [
    ['is late', 'arrives', () => network.break('latency', { latency: 300, jitter: 100 })],
    ['is slow', 'arrives', () => network.break('bandwidth', { rate: 5 })],
    ['resets', 'waits', () => network.break('reset_peer', { timeout: 0 })],
    ['cuts what it says', 'waits', () => network.break('limit_data', { bytes: 40 })],
    ['says nothing', 'waits', () => network.break('timeout', { timeout: 0 })],
    ['is not there', 'waits', () => network.disable()],
  ]
  // By what was said last when it happens: nothing, that the three small files are there, that all are but the last.
  const stages = [
    ['before the first file', 'Sent 0 of 5'],
    ['in the middle of a file', 'Sent 3 of 5'],
    ['before the manifest', 'Sent 4 of 5'],
  ] as const

  for (const [fault, then, happen] of faults) {
    test.for(stages)(
      `${fault} %s: it ${then === 'waits' ? 'waits, and is sent later' : 'arrives'}`,
      async ([, words]) => {
        const settings = settingsOf({
          to: `s3://${path.basename(bucket)}`,
          s3Endpoint: network.endpoint,
          spool: temporaryFolder(),
          uploadDeadline: '3500ms',
          format: 'svg,folded,json,pprof',
        })
        const said: string[] = []
        const progress = {
          state() {},
          tick(tick: string) {
            if (tick.startsWith(words)) happen()
            said.push(tick)
          },
        }
        const publishing = publishDraft(
          await draftOf(stacks, settings),
          { settings, formats: settings.format, progress },
          0,
        )
        const outcome = await publishing.catch(error => error)
        expect(said.some(tick => tick.startsWith(words))).toBe(true)
        if (then === 'arrives') {
          expect(outcome).toMatchObject({ isPublished: true })
        } else {
          expect(outcome).toBeInstanceOf(UnpublishedError)
          expect(outcome).toMatchObject({
            code: 'SP_STORE_UNREACHABLE',
            exit: 6,
            receipt: { isPublished: false },
            facts: { 'send it with': `sp-flamegraph spool send --spool ${settings.spool}` },
          })
          // Where only the answer was lost, it has arrived all the same: then whole.
          if ([...captures().values()].flat().includes('manifest.json')) expectWhole()
          network.heal()
          expect(await sendSpooled(settings)).toMatchObject([{ kind: 'sent' }])
        }
        expect(await listSpool(settings)).toEqual([])
        expect(captures().size).toBe(1)
        expectWhole()
      },
    )
  }

  test.for(faults)('%s while what waits is sent: it %s', async ([, then, happen]) => {
    const settings = settingsOf({
      to: `s3://${path.basename(bucket)}`,
      s3Endpoint: network.endpoint,
      spool: temporaryFolder(),
      uploadDeadline: '3500ms',
      format: 'svg,folded,json,pprof',
    })
    network.disable()
    const draft = await draftOf(stacks, settings)
    const failed = publishDraft(draft, { settings, formats: settings.format }, 0)
    await expect(failed).rejects.toBeInstanceOf(UnpublishedError)
    network.heal()
    happen()
    // A slow link is no reason to begin anew, so it is given longer than a test has: somebody stops it.
    const stop = new AbortController()
    const reason = new ProfilerError('SP_DRAINING', 'stopped')
    const timer = setTimeout(() => stop.abort(reason), 20_000)
    const [outcome] = await sendSpooled(settings, stop.signal)
    clearTimeout(timer)
    if (then === 'waits') expect(outcome).toMatchObject({ kind: 'waits' })
    network.heal()
    if (outcome?.kind !== 'sent') {
      expect(await sendSpooled(settings)).toMatchObject([{ kind: 'sent' }])
    }
    expect(await listSpool(settings)).toEqual([])
    expect(captures().size).toBe(1)
    expectWhole()
  })

  test('is back is used for what waits, in order', async () => {
    const settings = settingsOf({
      to: `s3://${path.basename(bucket)}`,
      s3Endpoint: network.endpoint,
      spool: temporaryFolder(),
    })
    network.disable()
    const ids: string[] = []
    for (let count = 0; count < 3; count++) {
      const draft = await draftOf('main;work 7\n', settings)
      const error = await publishDraft(draft, { settings, formats: ['svg'] }, 0).catch(
        error => error,
      )
      ids.push(error.receipt.record.id)
    }
    const down = await sendSpooled(settings)
    expect(down.map(({ kind }) => kind)).toEqual(['waits', 'waits', 'waits'])
    network.heal()
    const sent = await sendSpooled(settings)
    expect(sent.map(({ kind, id }) => [kind, id])).toEqual(ids.sort().map(id => ['sent', id]))
    expectWhole()
  })

  test('has room for nothing more in the spool still gets one try, and what fails is kept', async () => {
    const spool = temporaryFolder()
    const settings = settingsOf({
      to: `s3://${path.basename(bucket)}`,
      s3Endpoint: network.endpoint,
      spool,
      spoolMaxBytes: '1MB',
    })
    network.heal()
    const large = manyStacks(30_000)
    const publish = async (): Promise<Receipt> =>
      publishDraft(await draftOf(large, settings), { settings, formats: ['folded'] }, 0)
    expect(await publish()).toMatchObject({ isPublished: true })
    network.disable()
    vi.stubEnv('TMPDIR', temporaryFolder())
    const error = await publish().catch(error => error)
    expect(error).toMatchObject({ code: 'SP_STORE_UNREACHABLE', receipt: { isPublished: false } })
    expect(error.facts['send it with']).toBeUndefined()
    expect(fs.readdirSync(error.facts['kept in']).sort()).toEqual([
      'manifest.json',
      'profile.folded',
    ])
  })
})

/** Until something is on its way, or that can be no more. */
async function untilSpooled(settings: Settings, ended: Promise<boolean>): Promise<void> {
  const sent = async () => (await listSpool(settings)).some(({ sentBy }) => sentBy !== undefined)
  while (!(await sent()) && !(await Promise.race([ended, sleep(5)])));
}

withStore(['toxiproxy'], 'a kill -9', () => {
  beforeAll(async () => {
    network = await startNetwork(store.port)
  })

  test('at 20 moments loses nothing and sends nothing twice', async () => {
    network.heal()
    network.break('latency', { latency: 60 })
    const spool = temporaryFolder()
    const input = path.join(temporaryFolder(), 'in.folded')
    fs.writeFileSync(input, manyStacks(2000))
    const options = {
      env: { ...s3Environment, AWS_ENDPOINT_URL: network.endpoint, SP_FLAMEGRAPH_SPOOL: spool },
    }
    const settings = settingsOf({ spool })
    const to = `s3://${path.basename(bucket)}`
    const { integer } = random(7)
    const known = new Set<string>()
    let killed = 0
    for (let times = 0; times < 20; times++) {
      const rendering = startCommand(['render', input, '--to', to, '-i', `INC-${times}`], options)
      // Mostly while it is under way, and also before it is in the spool.
      const ended = rendering.result.then(() => true)
      const spooled = times % 4 === 0 ? rendering.saying('Reading') : untilSpooled(settings, ended)
      await spooled.catch(() => {})
      await sleep(integer(300))
      rendering.child.kill('SIGKILL')
      if ((await rendering.result).signal === 'SIGKILL') killed++
      for (const { id } of await listSpool(settings)) known.add(id)
      // Every other time what sends it later is killed too.
      if (times % 2 === 0) continue
      const sending = startCommand(['spool', 'send'], options)
      await sleep(integer(900))
      sending.child.kill('SIGKILL')
      await sending.result
    }
    expect(killed).toBeGreaterThan(10)
    expect(known.size).toBeGreaterThan(3)
    const last = await sp(['spool', 'send', '--json'], options)
    expect(last.stderr).toBe('')
    expect(last.code).toBe(0)
    expect(await listSpool(settings)).toEqual([])
    expect(fs.readdirSync(`${spool}/sp-flamegraph-${process.getuid!()}/spool`)).toEqual([])
    expectWhole()
    const arrived = new Set([...captures().keys()].map(capture => path.basename(capture)))
    for (const id of known) expect(arrived, id).toContain(id)
    // One capture for each that was begun, at most: none stands under two names.
    const incidents = [...captures().keys()].map(capture => path.dirname(capture))
    expect(new Set(incidents).size).toBe(incidents.length)
  })
})

withStore(['perf', 'cc', 'toxiproxy'], 'a capture of a process', () => {
  beforeAll(async () => {
    network = await startNetwork(store.port)
  })

  async function begin(seconds: string, more: Record<string, string> = {}) {
    network.heal()
    const { pid } = start(compile('burn'), ['60'])
    await untilBusy(pid)
    const [spool, to] = [temporaryFolder(), `s3://${path.basename(bucket)}/prod`]
    const env = {
      ...s3Environment,
      AWS_ENDPOINT_URL: network.endpoint,
      SP_FLAMEGRAPH_SPOOL: spool,
      ...more,
    }
    const args = ['record', `${pid}`, '-d', seconds, '--json', '--to', to, '-i', 'INC-1']
    return { running: startCommand(args, { env }), spool, env, pid }
  }

  test('arrives', async () => {
    const { running } = await begin('1')
    const result = await running.result
    expect(result.code, result.stderr).toBe(0)
    const { receipt } = linesOf(result).at(-1)!
    expect(receipt.place).toMatch(/^s3:\/\/bucket-\d+\/prod\/incidents\/INC-1\/[^/]+$/)
    expectWhole()
  })

  test('that cannot be sent has its verdict all the same, and says what to type', async () => {
    const { running, env, spool } = await begin('1')
    network.disable()
    const result = await running.result
    expect(result.code).toBe(6)
    expect(result.stderr).toContain('(SP_STORE_UNREACHABLE)')
    const lines = linesOf(result)
    const receipt = lines.find(line => line.receipt !== undefined)!.receipt
    expect(receipt).toMatchObject({ isPublished: false, verdict: { shape: expect.any(String) } })
    const kept = receipt.place.replace('file:', '')
    expect(fs.readdirSync(kept)).toContain('flame.svg')
    const listed = await sp(['spool'], { env })
    expect(listed.stdout.toString()).toContain(receipt.waitsFor)
    network.heal()
    const sent = await sp(['spool', 'send'], { env })
    expect(sent.stdout.toString()).toContain(`sent to ${receipt.waitsFor}`)
    expect(sent.code).toBe(0)
    expect(fs.existsSync(kept)).toBe(false)
    expectWhole()
    expect(await listSpool(settingsOf({ spool }) as Settings)).toEqual([])
  })

  test('that has no credentials is told so while it is sampled', async () => {
    const { running } = await begin('1', { AWS_ACCESS_KEY_ID: '' })
    const result = await running.result
    const words = linesOf(result).map(({ message }) => `${message}`)
    const noted = words.findIndex(each =>
      each.startsWith('Note: it will have to wait in the spool'),
    )
    const drawn = words.findIndex(each => each.startsWith('Redacting'))
    expect(noted).toBeGreaterThanOrEqual(0)
    expect(noted).toBeLessThan(drawn)
    expect(result.stderr).toContain('(SP_STORE_CREDENTIALS)')
  })

  test('waits in the spool after one Ctrl-C during the upload', async () => {
    const { running, spool } = await begin('1')
    network.break('timeout', { timeout: 0 })
    await running.saying('Redacting')
    await sleep(1500)
    running.child.kill('SIGINT')
    const result = await running.result
    expect(result.code).toBe(6)
    expect(result.stderr).toContain('(SP_UPLOAD_STOPPED)')
    expect(await listSpool(settingsOf({ spool }))).toHaveLength(1)
  })

  test('is discarded by two, of which one has ended the sampling', async () => {
    const { running, spool, pid } = await begin('30')
    network.break('timeout', { timeout: 0 })
    await untilSampled(pid)
    running.child.kill('SIGINT')
    await running.saying('Redacting')
    await sleep(1500)
    running.child.kill('SIGINT')
    const result = await running.result
    expect(result.stderr).toContain('(SP_CANCELLED)')
    expect(result.code).toBe(7)
    expect(await listSpool(settingsOf({ spool }))).toEqual([])
    // What the store has taken before it was discarded is no capture without its manifest.
    expect([...captures().values()].flat()).not.toContain('manifest.json')
  })

  test('does not begin where the spool is full', async () => {
    const [first, env] = await begin('1').then(({ running, env }) => [running, env] as const)
    network.disable()
    expect((await first.result).code).toBe(6)
    const result = await sp(['record', `${process.pid}`, '-d', '30', '--to', 's3://bucket'], {
      env: { ...env, SP_FLAMEGRAPH_SPOOL_MAX_ENTRIES: '1' },
    })
    expect(result.stderr).toContain('(SP_SPOOL_FULL)')
    expect(result.stderr).not.toContain('Sampling')
    expect(result.code).toBe(7)
  })
})

withStore(['perf', 'cc'], 'a daemon', () => {
  test('sends by its own settings, and takes nothing that would have no room to wait', async () => {
    const { pid } = start(compile('burn'), ['60'])
    await untilBusy(pid)
    const spool = temporaryFolder()
    const daemon = await startDaemon({
      args: [`--to=s3://${path.basename(bucket)}/prod`],
      env: {
        ...s3Environment,
        SP_FLAMEGRAPH_S3_ENDPOINT: store.endpoint,
        SP_FLAMEGRAPH_SPOOL: spool,
        SP_FLAMEGRAPH_SPOOL_MAX_ENTRIES: '1',
      },
    })
    const ask = (more: object) =>
      daemon.ask('POST', '/v1/captures', { body: { target: { pid }, seconds: 1, ...more } })
    const sent = await daemon.untilOver((await ask({})).json.id)
    expect(sent.receipt.place).toBe(
      `s3://${path.basename(bucket)}/prod/incidents/${sent.receipt.record.incident}/${sent.id}`,
    )
    expectWhole()
    const failed = await daemon.untilOver((await ask({ to: 's3://nowhere' })).json.id)
    expect(failed.problem).toMatchObject({ code: 'SP_STORE_MISSING' })
    expect(await listSpool(settingsOf({ spool }))).toMatchObject([{ id: failed.id }])
    expect(await ask({})).toMatchObject({ status: 507, json: { code: 'SP_SPOOL_FULL' } })
  })
})

describe('what was damaged in the spool', () => {
  test('is told, with code 1', async () => {
    const spool = temporaryFolder()
    const folder = path.join(spool, `sp-flamegraph-${process.getuid!()}`, 'spool')
    fs.mkdirSync(path.join(folder, 'odd'), { recursive: true, mode: 0o700 })
    const result = await sp(['spool', 'send', '--spool', spool, '--json'])
    expect(result.code).toBe(1)
    expect(result.stderr).toContain('(SP_SPOOL_DAMAGED)')
    expect(fs.readdirSync(path.join(folder, 'damaged'))).toEqual(['odd'])
    expect(await sp(['spool', 'send', '--spool', spool])).toMatchObject({ code: 0 })
  })
})
