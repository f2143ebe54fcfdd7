// Processes that cannot be captured, or not for long: each is refused or kept
// with a code, a sentence and what to do.

import { once } from 'node:events'
import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { captureNamed } from '../../agent/symbolize/named-capture.ts'
import { readStat } from '../../agent/target/procfs.ts'
import { compile, describeWith, start, startPython, untilBusy } from '../apps/apps.ts'
import {
  linesOf,
  profilersOf,
  publish,
  type Result,
  readPublished,
  sp,
  startCommand,
  untilSampled,
} from '../command.ts'
import { planned } from '../planned.ts'
import { temporaryFolder } from '../temporary.ts'

// Above the highest pid that Linux gives out (2^22).
const noPid = '5000000'

/** The command fails with this code and exit code, says so on stderr and with `--json` on stdout too. */
function expectFailure(result: Result, code: string, exit: number): void {
  expect(result.stderr).toContain(`(${code})`)
  expect(result.code).toBe(exit)
  expect(linesOf(result).at(-1)).toMatchObject({ error: { code } })
}

async function refuse(pid: number | string, code: string, exit: number, under: string[] = []) {
  const folder = temporaryFolder()
  const args = ['record', `${pid}`, '-d', '500ms', '--json', `--to=file:${folder}`]
  const result = await sp(args, { under, cwd: under.length > 0 ? '/' : folder })
  expectFailure(result, code, exit)
  expect(fs.readdirSync(folder)).toEqual([])
  return result
}

describeWith(['perf', 'cc', 'setpriv'], 'a process', () => {
  test('that is gone', async () => {
    const { stderr } = await refuse(noPid, 'SP_TARGET_GONE', 5)
    expect(stderr).toContain(`there is no process ${noPid}`)
  })

  test('that has ended, but whose parent has not asked', async () => {
    const parent = start('python3', [
      '-c',
      'import os, time\npid = os.fork()\nif pid == 0: os._exit(0)\nprint(pid, flush=True)\ntime.sleep(60)',
    ])
    const [pid] = await once(parent.stdout!, 'data')
    await sleep(100)
    const { stderr } = await refuse(String(pid).trim(), 'SP_TARGET_GONE', 5)
    expect(stderr).toContain('has ended already')
  })

  test('that is the command itself', async () => {
    const shell = ['sh', '-c', 'exec "$@" $$', 'sh']
    const result = await sp(['record', '--json'], { under: shell })
    expectFailure(result, 'SP_USAGE', 2)
    expect(result.stderr).toContain('this very process')
  })

  test.runIf(fs.existsSync('/proc/2') && readStat(2).isKernelThread)(
    'that is a thread of the kernel',
    async () => {
      const { stderr } = await refuse(2, 'SP_USAGE', 2)
      expect(stderr).toContain('2 is a thread of the kernel')
    },
  )

  test('that is another one than when it was chosen', async () => {
    const { pid } = start(compile('burn'), ['60'])
    const never = new AbortController().signal
    await expect(
      captureNamed(
        [planned(pid, { tool: 'perf', durationMs: 500 })],
        { pid, startTicks: readStat(pid).startTicks - 1 },
        { stop: never, discard: never },
        { state() {} },
      ),
    ).rejects.toMatchObject({ code: 'SP_TARGET_REUSED' })
    expect(profilersOf(pid)).toEqual([])
  })

  test('that sleeps gives no sample, and is said to have used no time', async () => {
    const { pid } = start('sleep', ['60'])
    const { stderr } = await refuse(pid, 'SP_NO_SAMPLES', 1)
    expect(stderr).toContain(`process ${pid} gave no sample: it used 0.00 s of CPU time`)
    expect(stderr).toContain('The target may have been idle')
  })

  test('that ends in the middle leaves what was captured, with its names', async () => {
    const program = compile('burn')
    const target = start(program, ['60'])
    const { folded, receipt } = await recordUntil(target.pid, () => {
      target.kill('SIGKILL')
      fs.unlinkSync(program)
    })
    expect(folded.share('burn_inner')).toBeGreaterThan(0.9)
    expect(receipt.record.remarks).toContainEqual(
      expect.stringMatching(
        /^The target ended after \d\.\d s; what was captured until then is here/,
      ),
    )
  })

  test('that stops while it is captured is not started again', async () => {
    const target = start(compile('burn'), ['60'])
    const { receipt } = await recordUntil(target.pid, () => target.kill('SIGSTOP'), '3')
    expect(receipt.quality.samples).toBeGreaterThan(0)
    expect(readStat(target.pid).state).toBe('T')
  })
})

describeWith(['py-spy', 'python3', 'setpriv'], 'a Python process', () => {
  test('that ends in the middle leaves what was captured', async () => {
    const target = startPython('burn.py', 60)
    await untilBusy(target.pid)
    const { folded, receipt } = await recordUntil(target.pid, () => target.kill('SIGKILL'))
    expect(folded.share(/^hot_leaf\b/)).toBeGreaterThan(0.9)
    expect(receipt.record.remarks[0]).toMatch(/^The target ended after/)
  })

  test('is sampled for the time asked by the wall clock', async () => {
    const { pid } = startPython('burn.py', 60)
    await untilBusy(pid)
    // py-spy alone counts samples: what it cannot keep up with it adds at the end.
    const { receipt } = await publish(['record', `${pid}`, '-d', '1', '-F', '999'])
    expect(receipt.record.tools).toHaveProperty('py-spy')
    expect(receipt.record.durationMs).toBeLessThan(2000)
  })

  test('that may be stopped for each sample loses none, and runs on', async () => {
    const { pid } = startPython('burn.py', 60)
    await untilBusy(pid)
    const { receipt } = await publish(['record', `${pid}`, '-d', '1', '-F', '199', '--pause'])
    expect(receipt.quality.lost).toBe(0)
    expect(receipt.quality.samples).toBeGreaterThan(50)
    await untilBusy(pid)
    expect(readStat(pid).state).not.toMatch(/[Tt]/)
  })
})

/** Captures for long, and does something to the target when it has been sampled for a second. */
async function recordUntil(pid: number, act: () => void, seconds = '30') {
  const folder = temporaryFolder()
  const args = ['record', `${pid}`, '-d', seconds, '-F', '999', '--json', `--to=file:${folder}`]
  const running = startCommand(args)
  await untilSampled(pid)
  act()
  return readPublished(await running.result)
}

describeWith(['perf', 'cc', 'setpriv', 'root'], 'a process of another user', () => {
  const identity = ['--reuid=65534', '--regid=65534', '--clear-groups']

  /** The command as a user that may write into this folder alone. */
  function recordAsNobody(pid: number, folder: string): Promise<Result> {
    const args = ['record', `${pid}`, '-d', '1', '-F', '999', '--json', `--to=file:${folder}`]
    const env = { TMPDIR: folder, NODE_COMPILE_CACHE: '' }
    return sp(args, { under: ['setpriv', ...identity], cwd: '/', env })
  }

  function openFolder(): string {
    const folder = temporaryFolder()
    fs.chmodSync(folder, 0o777)
    return folder
  }

  test('is refused, with what to grant', async () => {
    const { pid } = start(compile('burn'), ['60'])
    const folder = openFolder()
    const result = await recordAsNobody(pid, folder)
    expectFailure(result, 'SP_NOT_PERMITTED', 4)
    expect(result.stderr).toMatch(
      /does not show what it runs: its files may not be read; run as uid 0/,
    )
    expect(result.stderr).toContain('SYS_PTRACE')
    expect(fs.readdirSync(folder)).toEqual([])
  })

  test('but ours is captured without any capability', async () => {
    const folder = openFolder()
    const program = `${folder}/burn`
    fs.copyFileSync(compile('burn'), program)
    const { pid } = start('setpriv', [...identity, program, '60'])
    await untilBusy(pid)
    const receipt = linesOf(await recordAsNobody(pid, folder)).at(-1)!.receipt
    expect(receipt.quality.unknownAnywhere).toBeLessThan(0.05)
    expect(receipt.verdict.headline).toContain('burn_inner')
    expect(receipt.record.remarks).toContainEqual(expect.stringContaining('PERFMON'))
  })
})
