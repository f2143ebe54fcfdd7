// A network that breaks while a capture is sent through it: whatever it does, each file arrives once,
// under one name, and the manifest last.

import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { ProfilerError } from '../../agent/errors.ts'
import { publishDraft } from '../../agent/publish/publish.ts'
import { type Receipt, UnpublishedError } from '../../agent/publish/receipt.ts'
import { sendSpooled } from '../../agent/publish/send-spooled.ts'
import { listSpool } from '../../agent/publish/spool.ts'
import { describeWith } from '../apps/apps.ts'
import { draftOf, manyStacks, settingsOf } from '../drafts.ts'
import {
  type FileStore,
  type Network,
  s3Environment,
  startGcs,
  startNetwork,
  startS3,
} from '../stores.ts'
import { temporaryFolder } from '../temporary.ts'
import { capturesIn, expectWholeIn } from './arrived.ts'

const stores = [
  {
    scheme: 's3',
    server: 'versitygw',
    open: startS3,
    environment: ({ endpoint }: Network) => ({ ...s3Environment, AWS_ENDPOINT_URL: endpoint }),
  },
  {
    scheme: 'gs',
    server: 'fake-gcs-server',
    open: startGcs,
    environment: ({ endpoint }: Network) => ({ STORAGE_EMULATOR_HOST: endpoint }),
  },
]

let bucket: string
let network: Network
const captures = () => capturesIn(bucket)
const expectWhole = () => expectWholeIn(bucket)

describe.each(stores)('to $scheme:// a network', ({ scheme, server, open, environment }) => {
  describeWith([server, 'toxiproxy'], 'that', () => {
    let store: FileStore
    let buckets = 0
    let to: Readonly<Record<string, string>>
    beforeAll(async () => {
      store = await open()
      network = await startNetwork(store.port)
    })
    beforeEach(() => {
      bucket = store.bucket(`bucket-${++buckets}`)
      for (const [name, value] of Object.entries(environment(network))) vi.stubEnv(name, value)
      to = { to: `${scheme}://${path.basename(bucket)}`, spool: temporaryFolder() }
      network.heal()
      network.break('bandwidth', { rate: 250 }, 'upstream')
    })
    afterEach(() => {
      vi.unstubAllEnvs()
    })

    // 0.3 MB of folded stacks, at 0.25 MB/s: the other files have arrived while it is under way.
    const stacks = manyStacks(8_000)
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
            ...to,
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
        ...to,
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
        ...to,
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
      const settings = settingsOf({
        ...to,
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
})
