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
    const shareOf = async (window: number, name: string) => {
      const file = `/v1/captures/${json.id}/artefacts/window-${window}.folded`
      return readStacks((await daemon.ask('GET', file)).text).share(name)
    }
    expect(await shareOf(1, 'parse_orders')).toBeGreaterThan(0.6)
    expect(await shareOf(2, 'retry_payment')).toBeGreaterThan(0.9)
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
