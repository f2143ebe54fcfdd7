// The flight recorder of a real daemon: who asks late still gets the minutes before.

import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { compile, describeWith, start, startPython, untilBusy } from '../apps/apps.ts'
import { readStacks } from '../command.ts'
import { descendants, isAlive, startDaemon, until } from '../http/daemon.ts'

describeWith(['perf', 'cc', 'setpriv'], 'the flight recorder', () => {
  test('gives what was before the ask as an earlier window', async () => {
    const { pid } = start(compile('phases', ['-fno-optimize-sibling-calls']), ['120'])
    await untilBusy(pid)
    const daemon = await startDaemon({ args: [`--recorder=${pid}`] })
    await daemon.running.saying('"msg":"recording"')
    // A second of the first function, which is in the ring alone.
    await untilBusy(pid, 100)
    process.kill(pid, 'SIGUSR1')
    const body = { target: { pid }, seconds: 1, formats: ['folded', 'json'] }
    const { json } = await daemon.ask('POST', '/v1/captures', { body })
    const { state, receipt } = await daemon.untilOver(json.id)
    expect(state).toBe('finished')
    const names = receipt.files.map(({ name }: { name: string }) => name)
    expect(names).toEqual(expect.arrayContaining(['window-1.folded', 'diff-1-2.json']))
    expect(receipt.record.remarks.join(' ')).toMatch(/Window 1: .*flight recorder/)
    const shareOf = async (file: string, name: string) => {
      const { text } = await daemon.ask('GET', `/v1/captures/${json.id}/artefacts/${file}`)
      return readStacks(text).share(name)
    }
    expect(await shareOf('window-1.folded', 'parse_orders')).toBeGreaterThan(0.6)
    expect(await shareOf('window-2.folded', 'retry_payment')).toBeGreaterThan(0.9)
    // What is drawn is what was asked for.
    expect(await shareOf('profile.folded', 'retry_payment')).toBeGreaterThan(0.9)
    expect(receipt.record.durationMs).toBeLessThan(2000)
    const summary = await daemon.ask('GET', `/v1/captures/${json.id}/artefacts/summary.json`)
    expect(summary.json.windows).toMatchObject([{ window: 1, isRecorded: true }, { window: 2 }])
    expect(summary.json.windows[1]).not.toHaveProperty('isRecorded')
    // What the ring gave was read and is gone; perf goes on.
    expect(fs.readdirSync(path.join(daemon.state, 'recorder'))).toEqual(['ring.data'])
    const below = descendants(daemon.pid)
    expect(below.length).toBeGreaterThan(0)
    process.kill(daemon.pid, 'SIGKILL')
    await until(() => !below.some(isAlive), 'everything of the daemon ends')
  })

  test('says in a word that perf cannot name what an interpreter runs', async () => {
    const { pid } = startPython('burn.py', 60)
    await untilBusy(pid)
    const daemon = await startDaemon({ args: [`--recorder=${pid}`] })
    await daemon.running.saying('"msg":"nothing is recorded"')
    expect(daemon.log()).toMatch(/SP_TOOL_UNSUITABLE.*perf sees the interpreter/)
  })
})
