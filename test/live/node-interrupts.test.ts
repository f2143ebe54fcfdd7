// Node.js through its inspector, when something happens in the middle: what was sampled until then is
// there, and the target is alive and its port closed afterwards.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { isOpen, startScript } from '../apps/node.ts'
import { publish, readPublished, untilSampled } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'
import {
  eachRelease,
  expectShares,
  expectTool,
  expectUnharmed,
  inEachRelease,
  record,
  untilOpen,
  usual,
} from './inspected.ts'

describe(eachRelease, () => {
  test(
    'that ends by itself is not held up, and what it did is there',
    inEachRelease(async target => {
      const child = await target(['service.js', '60'])
      const running = record(child, '30')
      await untilOpen(child)
      await sleep(2000)
      child.kill('SIGTERM')
      const published = readPublished(await running.result)
      expectShares(published, { parse: 0.7 })
      expect(published.receipt.record.remarks.join()).toMatch(/The target ended after \d+\.\d s/)
      expect(published.receipt.quality.samples).toBeGreaterThan(100)
    }),
  )

  test(
    'that is killed leaves what was sampled until then',
    inEachRelease(async target => {
      const child = await target(['service.js', '60'])
      const running = record(child, '30')
      await untilOpen(child)
      await sleep(2000)
      child.kill('SIGKILL')
      const published = readPublished(await running.result)
      expectShares(published, { parse: 0.7 })
      expect(published.receipt.record.remarks.join()).toMatch(/The target ended after/)
    }),
  )

  test(
    'closes its port by itself when we are killed with -9',
    inEachRelease(async target => {
      const child = await target(['service.js', '60'])
      const running = record(child, '30')
      await untilOpen(child)
      await sleep(1500)
      running.child.kill('SIGKILL')
      await running.result
      expect(isOpen(child)).toBe(true)
      for (let tries = 0; tries < 120 && isOpen(child); tries++) await sleep(100)
      await expectUnharmed(child)
      // And nothing is left that would close the next one.
      const published = await publish(['record', `${child.pid}`, ...usual])
      expectShares(published, { parse: 0.7 })
      await expectUnharmed(child)
    }),
  )
})

describe('a Node process', () => {
  test('that is stopped in the middle is not started again, and closes its port when it goes on', async () => {
    const child = await startScript(['service.js', '60'])
    const running = record(child, '3')
    await untilOpen(child)
    await sleep(1500)
    child.kill('SIGSTOP')
    const published = readPublished(await running.result)
    expectShares(published, { parse: 0.7 })
    expect(published.receipt.record.remarks.join()).toContain('did not answer within')
    expect(published.receipt.record.remarks.join()).toContain('is still open on port')
    child.kill('SIGCONT')
    await expectUnharmed(child)
  })

  test('is left at once when the capture is discarded', async () => {
    const child = await startScript(['service.js', '60'])
    const running = record(child, '30')
    await untilOpen(child)
    await sleep(1000)
    running.child.kill('SIGINT')
    running.child.kill('SIGTERM')
    await running.result
    await expectUnharmed(child)
  })

  test('is stopped by one Ctrl-C, and kept', async () => {
    const child = await startScript(['service.js', '60'])
    const running = record(child, '30')
    await untilOpen(child)
    await sleep(1000)
    running.child.kill('SIGINT')
    const published = readPublished(await running.result)
    expectShares(published, { parse: 0.7 })
    expect(published.receipt.record.remarks.join()).toMatch(/Stopped after/)
    await expectUnharmed(child)
  })

  test('that opens its port late, when we have gone on, has it closed', async () => {
    const fifo = path.join(temporaryFolder(), 'fifo')
    execFileSync('mkfifo', [fifo])
    const child = await startScript(['blocked.js', '60', fifo])
    const running = record(child, '3')
    await untilSampled(child.pid)
    expect(child.said()).toBe('')
    fs.writeFileSync(fifo, 'go on')
    expectTool(readPublished(await running.result), 'perf')
    await expectUnharmed(child)
    expect(child.said()).toContain('Debugger listening')
    expect(child.said()).toContain('Debugger attached')
  })
})
