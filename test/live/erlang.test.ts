// The BEAM, by perf: named where it writes its map, and honest where it does not.

import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { describeWith, untilBusy } from '../apps/apps.ts'
import { expectShares, startErlang } from '../apps/scripts.ts'
import { profilersOf, publish, readPublished, startCommand, untilSampled } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'
import { asSidecar } from './sidecar.ts'

const needed = ['erl', 'erlc', 'perf', 'setpriv']
const nameOf = (name: string) => `$shares:${name}/2_[j]`

describeWith(needed, 'a BEAM', () => {
  test.for([99, 999])('with its perf map has the shares of its functions at %i Hz', async hertz => {
    const { pid } = startErlang(60)
    await untilBusy(pid)
    const args = ['record', `${pid}`, '-d', '3', '-F', `${hertz}`]
    const published = await publish(args, { under: asSidecar })
    const { folded, receipt } = published
    expect(receipt.record.target.runtime).toBe('Erlang/OTP')
    expect(receipt.record.target.version).toMatch(/^\d+(?:\.\d+)+$/)
    // Its schedulers and its start take some of it.
    expect(folded.share(nameOf('parse'))).toBeGreaterThan(0.35)
    expectShares(published, nameOf)
    expect(receipt.quality.unreadable).toBeLessThan(0.05)
    expect(receipt.record.remarks).toEqual([])
    expect(fs.readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^State:\t[RS]/m)
  })

  test('without a map is sampled as native code, and the verdict is not to trust it', async () => {
    const { pid } = startErlang(60, [])
    await untilBusy(pid)
    const { receipt } = await publish(['record', `${pid}`, '-d', '2', '-F', '999'])
    expect(receipt.verdict.headline).toContain('cannot be read')
    expect(receipt.quality.level).toBe('do not trust')
    expect(receipt.record.remarks.join()).toMatch(/Erlang functions have no names.*\+JPperf true/)
  })

  test('that is killed in the middle leaves what was seen, with its names', async () => {
    const target = startErlang(60)
    await untilBusy(target.pid)
    const to = `--to=file:${temporaryFolder()}`
    const running = startCommand(['record', `${target.pid}`, '-d', '30', '-F', '499', '--json', to])
    await untilSampled(target.pid)
    // perf begins with each of its threads in turn.
    await sleep(1500)
    target.kill('SIGKILL')
    expect(readPublished(await running.result).folded.has(nameOf('parse'))).toBe(true)
    expect(profilersOf(target.pid)).toEqual([])
  })
})
