// A capture on its way to S3, and everything that can come between: whatever it is, each file arrives
// once, under one name, and the manifest last.

import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Settings } from '../../agent/config.ts'
import { listSpool } from '../../agent/publish/spool.ts'
import { compile, describeWith, start, untilBusy } from '../apps/apps.ts'
import { linesOf, sp, startCommand, untilSampled } from '../command.ts'
import { manyStacks, settingsOf } from '../drafts.ts'
import { startDaemon } from '../http/daemon.ts'
import { random } from '../random.ts'
import { type FileStore, type Network, s3Environment, startNetwork, startS3 } from '../stores.ts'
import { temporaryFolder } from '../temporary.ts'
import { capturesIn, expectWholeIn } from './arrived.ts'

let store: FileStore
let bucket: string
let network: Network

const captures = () => capturesIn(bucket)
const expectWhole = () => expectWholeIn(bucket)

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
