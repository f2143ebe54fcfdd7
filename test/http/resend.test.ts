// What a store did not take, and a daemon that goes on trying.

import path from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { compile, describeWith, start, untilBusy } from '../apps/apps.ts'
import {
  type FileStore,
  type Network,
  objectsIn,
  s3Environment,
  startNetwork,
  startS3,
} from '../stores.ts'
import { temporaryFolder } from '../temporary.ts'
import { type Daemon, kill, startDaemon, until } from './daemon.ts'

describeWith(['versitygw', 'toxiproxy', 'perf', 'cc', 'setpriv'], 'a store that is down', () => {
  let store: FileStore
  let buckets = 0
  beforeAll(async () => {
    store = await startS3()
  })

  async function begin(bucket: string, network: Network): Promise<Daemon> {
    const settings = {
      SP_FLAMEGRAPH_S3_ENDPOINT: network.endpoint,
      SP_FLAMEGRAPH_S3_PATH_STYLE: 'true',
      SP_FLAMEGRAPH_UPLOAD_DEADLINE: '2s',
      SP_FLAMEGRAPH_SPOOL: `${temporaryFolder()}/spool`,
    }
    return startDaemon({
      args: [`--to=s3://${bucket}/pre`],
      env: { ...s3Environment, ...settings },
    })
  }

  async function capture(daemon: Daemon) {
    const { pid } = start(compile('burn'), ['120'])
    await untilBusy(pid)
    const body = { target: { pid }, seconds: 0.5, incident: 'INC-7' }
    const { json } = await daemon.ask('POST', '/v1/captures', { body })
    return daemon.untilOver(json.id)
  }

  const gauge = async (daemon: Daemon) => {
    const { text } = await daemon.ask('GET', '/metrics')
    return Number(/^sp_flamegraph_spool_entries (\d+)$/m.exec(text)?.[1])
  }

  test('gets everything when it is back, without being asked', async () => {
    const bucket = store.bucket(`back-${++buckets}`)
    const network = await startNetwork(store.port)
    const daemon = await begin(path.basename(bucket), network)
    network.disable()
    const { state, problem } = await capture(daemon)
    expect({ state, code: problem.code }).toEqual({ state: 'failed', code: 'SP_STORE_UNREACHABLE' })
    await until(async () => (await gauge(daemon)) === 1, 'it is counted')
    network.heal()
    await until(() => objectsIn(bucket).size === 5, 'it arrives')
    expect([...objectsIn(bucket).keys()].at(-1)).toMatch(
      /pre\/incidents\/INC-7\/.*\/manifest.json$/,
    )
    await until(async () => (await gauge(daemon)) === 0, 'nothing waits any more')
  })

  test('gets it from the next daemon, where this one was killed', async () => {
    const bucket = store.bucket(`killed-${++buckets}`)
    const network = await startNetwork(store.port)
    const daemon = await begin(path.basename(bucket), network)
    network.disable()
    expect(await capture(daemon)).toMatchObject({ state: 'failed' })
    kill(daemon.house()!)
    kill(daemon.pid)
    await daemon.running.result
    network.heal()
    await daemon.again()
    await until(() => objectsIn(bucket).size === 5, 'it arrives')
  })
})
