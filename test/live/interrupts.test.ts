// Ways to end a capture early. What was captured is kept or not, as was asked;
// no profiler, no file and no output is ever left behind.

import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { captureNamed } from '../../agent/symbolize/named-capture.ts'
import { readStat } from '../../agent/target/procfs.ts'
import { compile, describeWith, start, startPython, untilBusy } from '../apps/apps.ts'
import { startRuby } from '../apps/scripts.ts'
import {
  linesOf,
  profilersOf,
  type Running,
  readPublished,
  startCommand,
  untilSampled,
} from '../command.ts'
import { planned } from '../planned.ts'
import { temporaryFolder } from '../temporary.ts'

interface Begun extends Running {
  readonly pid: number
  /** Where our temporary files would be, and where it would publish. */
  readonly temporary: string
  readonly output: string
}

/** A capture of half a minute that has begun to sample. */
async function begin(pid: number): Promise<Begun> {
  const [temporary, output] = [temporaryFolder(), temporaryFolder()]
  const running = startCommand(['record', `${pid}`, '--json', `--to=file:${output}`], {
    env: { TMPDIR: temporary },
  })
  await untilSampled(pid)
  return { ...running, pid, temporary, output }
}

function expectNothingLeft({ pid, temporary }: Begun): void {
  expect(profilersOf(pid)).toEqual([])
  expect(fs.readdirSync(temporary)).toEqual([])
}

const tools: readonly (readonly [tool: string, startTarget: () => number])[] = [
  ['perf', () => start(compile('burn'), ['60']).pid],
  ['py-spy', () => startPython('burn.py', 60).pid],
  ['rbspy', () => startRuby(60).pid],
]

describeWith(['perf', 'py-spy', 'rbspy', 'cc', 'python3', 'ruby', 'setpriv'], 'a capture', () => {
  const begun = async (startTarget: () => number) => {
    const pid = startTarget()
    await untilBusy(pid)
    return begin(pid)
  }

  test.for(tools)('with %s is stopped by one Ctrl-C, and kept', async ([, startTarget]) => {
    const running = await begun(startTarget)
    running.child.kill('SIGINT')
    const { folded, receipt, lines } = readPublished(await running.result)
    expect(folded.total).toBeGreaterThan(0)
    expect(receipt.record.remarks).toContainEqual(
      expect.stringMatching(/^Stopped after .* of 30 s/),
    )
    expect(lines).toContainEqual(expect.objectContaining({ state: 'stopping' }))
    expectNothingLeft(running)
  })

  test('that is discarded while it is published is not published', async () => {
    const { pid } = start(compile('burn'), ['60'])
    await untilBusy(pid)
    const output = temporaryFolder()
    const options = ['-d', '500ms', '--json', `--to=file:${output}`]
    const { child, result, saying } = startCommand(['record', `${pid}`, ...options])
    await saying('publishing')
    child.kill('SIGSTOP')
    child.kill('SIGINT')
    child.kill('SIGTERM')
    child.kill('SIGCONT')
    expect((await result).code).toBe(7)
    expect(fs.readdirSync(output)).toEqual([])
  })

  test.for(tools)('with %s is discarded by a second Ctrl-C', async ([, startTarget]) => {
    const running = await begun(startTarget)
    running.child.kill('SIGSTOP')
    // Both are there when it goes on, so the second cannot come too late.
    running.child.kill('SIGINT')
    running.child.kill('SIGTERM')
    running.child.kill('SIGCONT')
    const result = await running.result
    expect(result.code).toBe(7)
    expect(linesOf(result).at(-1)).toMatchObject({ error: { code: 'SP_CANCELLED' } })
    expect(fs.readdirSync(running.output)).toEqual([])
    expectNothingLeft(running)
  })

  test.for(['SIGTERM', 'SIGHUP'] as const)('is stopped by %s, and kept', async signal => {
    const running = await begun(tools[0]![1])
    running.child.kill(signal)
    expect(readPublished(await running.result).folded.total).toBeGreaterThan(0)
    expectNothingLeft(running)
  })

  test.for(tools)('with %s leaves nothing when we are killed with -9', async ([, startTarget]) => {
    const running = await begun(startTarget)
    running.child.kill('SIGKILL')
    await running.result
    for (let tries = 0; tries < 100 && profilersOf(running.pid).length > 0; tries++) await sleep(20)
    expectNothingLeft(running)
    expect(fs.readdirSync(running.output)).toEqual([])
    expect(fs.existsSync(`/proc/${running.pid}`)).toBe(true)
  })

  test.for([
    ['succeeds', 99, undefined],
    ['fails', 99, 'SP_TARGET_REUSED'],
    ['is discarded', 99, 'SP_CANCELLED'],
  ] as const)('that %s leaves no descriptor open', async ([, hertz, code]) => {
    const { pid } = start(compile('burn'), ['60'])
    await untilBusy(pid)
    const discard = new AbortController()
    if (code === 'SP_CANCELLED') setTimeout(() => discard.abort(), 500)
    const begun = readStat(pid).startTicks - (code === 'SP_TARGET_REUSED' ? 1 : 0)
    const capture = () => {
      return captureNamed(
        [planned(pid, { tool: 'perf', hertz, durationMs: 700 })],
        { pid, startTicks: begun },
        { stop: new AbortController().signal, discard: discard.signal },
        { state() {} },
      )
    }
    const open = () => fs.readdirSync('/proc/self/fd').length
    const before = open()
    await capture().then(
      () => expect(code).toBe(undefined),
      error => expect(error).toMatchObject({ code }),
    )
    // The tool's version is asked beside the capture, and may come after it.
    for (let tries = 0; tries < 100 && open() > before; tries++) await sleep(20)
    expect(open()).toBe(before)
    expect(profilersOf(pid)).toEqual([])
  })

  test('that is stopped before anything was sampled is cancelled', async () => {
    const { pid } = start('sleep', ['60'])
    const running = await begin(pid)
    running.child.kill('SIGINT')
    const result = await running.result
    expect(result.code).toBe(7)
    expect(result.stderr).toContain('stopped before anything was sampled')
    expectNothingLeft(running)
  })
})
