// The options of `record`, each seen in what is published.

import path from 'node:path'
import { expect, test } from 'vitest'
import { describeWith, startPython, untilBusy } from '../apps/apps.ts'
import { readPublished, sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

describeWith(['perf', 'python3', 'setpriv'], 'every option', () => {
  test('is heard', async () => {
    const { pid } = startPython('burn.py', 60)
    await untilBusy(pid)
    const to = path.join(temporaryFolder(), 'made', 'when', 'needed')
    const options = {
      '--duration': '700ms',
      '--hertz': '49',
      '--mode': 'cpu',
      '--tool': 'perf',
      '--incident': 'INC-4711',
      '--format': 'folded,speedscope',
      '--to': `file:${to}`,
    }
    const args = Object.entries(options).flat()
    const { receipt, read, folder } = readPublished(
      await sp(['record', `${pid}`, '--json', ...args]),
    )
    expect(path.dirname(folder)).toBe(path.join(to, 'incidents', 'INC-4711'))
    expect(receipt.files.map(({ name }: { name: string }) => name)).toEqual([
      'profile.folded',
      'profile.speedscope.json',
      'manifest.json',
    ])
    const manifest = JSON.parse(read('manifest.json').toString())
    expect(manifest).toMatchObject({
      incident: 'INC-4711',
      asked: { mode: 'cpu', hertz: 49, durationMs: 700, tool: 'perf' },
      target: { pid, runtime: 'CPython' },
      tools: { perf: expect.any(String) },
    })
    expect(manifest.durationMs).toBeGreaterThanOrEqual(700)
    // 49 a second of CPU time, which is at most the time that passed.
    expect(manifest.quality.samples).toBeLessThanOrEqual(60)
  })

  test('has a short form, and `record` may be left out', async () => {
    const { pid } = startPython('burn.py', 60)
    await untilBusy(pid)
    const short = ['-d', '0.5', '-F', '99', '-m', 'cpu', '-f', 'folded', '-i', 'INC-1']
    const to = `--to=file:${temporaryFolder()}`
    const { receipt } = readPublished(await sp([`${pid}`, '--json', ...short, to]))
    expect(receipt.record).toMatchObject({
      incident: 'INC-1',
      asked: { mode: 'cpu', hertz: 99, durationMs: 500 },
    })
  })
})
