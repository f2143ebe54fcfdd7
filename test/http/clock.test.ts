// The clock of the machine is set while the daemon captures: an hour back, a day
// on. A library between the daemon and libc (libfaketime) lies to it and to what it starts; the
// monotonic clock goes on, as it does when somebody sets the other.

import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { compile, describeWith, start, untilBusy } from '../apps/apps.ts'
import { temporaryFolder } from '../temporary.ts'
import { startDaemon, until } from './daemon.ts'

describeWith(['perf', 'cc', 'faketime'], 'a clock that is set', () => {
  test.for(['-1h', '+1d', '-20y'])('by %s in a capture costs nothing', async (by, { annotate }) => {
    const clock = path.join(temporaryFolder(), 'clock')
    const set = (offset: string) => {
      fs.writeFileSync(`${clock}.new`, `${offset}\n`)
      fs.renameSync(`${clock}.new`, clock)
    }
    set('+0')
    const env = {
      LD_PRELOAD: fakeTime(),
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
    const daemon = await startDaemon({ env })
    const { pid } = start(compile('burn'), ['60'])
    await untilBusy(pid)
    const ask = { target: { pid }, seconds: 3, hertz: 999 }
    const { json } = await daemon.ask('POST', '/v1/captures', { body: ask })
    const stateOf = async (id: string) =>
      (await daemon.ask('GET', `/v1/captures/${id}`)).json.state as string
    await until(async () => (await stateOf(json.id)) === 'capturing', 'it samples')
    set(by)
    const over = await daemon.untilOver(json.id)
    await annotate(`${over.createdAt} to ${over.endedAt}`)
    expect(over.state).toBe('finished')
    const { samples, expectedSamples } = over.receipt.quality
    expect(samples / expectedSamples).toBeGreaterThan(0.9)
    expect(samples / expectedSamples).toBeLessThan(1.1)
    // The daemon believes the clock, for what else is there to show?
    expect(Math.abs(Date.parse(over.endedAt) - Date.now())).toBeGreaterThan(1_800_000)
    // The next one is asked for, done, and the newest in the list.
    const next = (await daemon.ask('POST', '/v1/captures', { body: ask })).json.id
    expect((await daemon.untilOver(next)).state).toBe('finished')
    const { captures } = (await daemon.ask('GET', '/v1/captures')).json
    expect(captures.map(({ id }: { id: string }) => id)).toEqual([next, json.id])
  })
})

/** Debian's, beside the command of the same name. */
function fakeTime(): string {
  return fs.globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')[0]!
}
