// Drivers against living targets: what they give, and that they leave nothing.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Capture } from '../../agent/capture/capture.ts'
import { startCapture } from '../../agent/capture/drivers.ts'
import type { CaptureDescription, Tool } from '../../agent/runtimes/runtime.ts'
import { listPids, readArguments } from '../../agent/target/procfs.ts'
import { compile, missing, start, startPython } from '../apps/apps.ts'
import { startRuby } from '../apps/scripts.ts'
import { planned } from '../planned.ts'

const lacking = missing('perf', 'py-spy', 'rbspy', 'cc', 'python3', 'ruby', 'setpriv')
const describeLive = describe.skipIf(lacking.length > 0)
if (lacking.length > 0) console.warn(`skipped: ${lacking.join(', ')} missing on PATH`)

const never = new AbortController().signal
const cases: readonly (readonly [Tool, (seconds?: number) => number])[] = [
  ['perf', (seconds = 60) => start(compile('burn'), [`${seconds}`]).pid],
  ['py-spy', (seconds = 60) => startPython('burn.py', seconds).pid],
  ['rbspy', (seconds = 60) => startRuby(seconds).pid],
]

async function bytesOf(capture: Capture): Promise<number> {
  let bytes = 0
  for await (const segment of capture.segments) {
    for await (const chunk of segment.chunks) bytes += chunk.length
  }
  return bytes
}

/** Profilers of this pid that run now. */
function profilersOf(pid: number): string[] {
  return listPids().flatMap(each => {
    try {
      const [program, ...rest] = readArguments(each)
      return rest.includes(`--pid=${pid}`) ? [`${program} ${rest.join(' ')}`] : []
    } catch {
      return []
    }
  })
}

describeLive.each(cases)('%s', (tool, startTarget) => {
  test('samples for the time asked, then ends', async () => {
    const pid = startTarget()
    await sleep(300)
    const capture = await startCapture(planned(pid, { tool, durationMs: 1000 }), {
      stop: never,
      discard: never,
    })
    expect(await bytesOf(capture)).toBeGreaterThan(100)
    const end = await capture.ended
    expect(end).toMatchObject({ endedByItself: false, killed: false })
    expect(end.endedMs - end.startedMs).toBeGreaterThan(900)
    expect(profilersOf(pid)).toEqual([])
  })

  test('stops when asked and keeps what it has', async () => {
    const pid = startTarget()
    await sleep(300)
    const stop = new AbortController()
    const capture = await startCapture(planned(pid, { tool, durationMs: 60_000 }), {
      stop: stop.signal,
      discard: never,
    })
    setTimeout(() => stop.abort(), 1000)
    expect(await bytesOf(capture)).toBeGreaterThan(100)
    expect(await capture.ended).toMatchObject({ endedByItself: false, killed: false })
    expect(profilersOf(pid)).toEqual([])
  })

  test('is killed when the capture is discarded', async () => {
    const pid = startTarget()
    await sleep(300)
    const discard = new AbortController()
    const capture = await startCapture(planned(pid, { tool, durationMs: 60_000 }), {
      stop: never,
      discard: discard.signal,
    })
    const reading = bytesOf(capture)
    setTimeout(() => discard.abort(), 500)
    await Promise.allSettled([reading, capture.ended])
    expect(await capture.ended).toMatchObject({ killed: true })
    expect(profilersOf(pid)).toEqual([])
  })

  test('ends with its target and keeps what it has', async () => {
    const pid = startTarget(4)
    await sleep(300)
    const capture = await startCapture(planned(pid, { tool, durationMs: 60_000 }), {
      stop: never,
      discard: never,
    })
    expect(await bytesOf(capture)).toBeGreaterThan(100)
    expect(await capture.ended).toMatchObject({ endedByItself: true })
  })

  test('tells that the target is gone', async () => {
    // Above the highest pid that Linux gives out (2^22).
    const gone = { ...planned(startTarget(), { tool }), pid: 5_000_000 }
    const capture = await startCapture(gone, {
      stop: never,
      discard: never,
    })
    await bytesOf(capture).catch(() => {})
    await expect(capture.ended).rejects.toMatchObject({ code: 'SP_TARGET_GONE' })
  })

  test('dies with us, even when we are killed with -9', async () => {
    const pid = startTarget()
    await sleep(300)
    const program = path.join(import.meta.dirname, '../apps/capture-forever.ts')
    const agent = spawn(process.execPath, [program, tool, `${pid}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(agent.stdout!, 'data')
    expect(profilersOf(pid).length).toBeGreaterThan(0)
    agent.kill('SIGKILL')
    await once(agent, 'exit')
    for (let tries = 0; tries < 50 && profilersOf(pid).length > 0; tries++) await sleep(20)
    expect(profilersOf(pid)).toEqual([])
    expect(fs.existsSync(`/proc/${pid}`)).toBe(true)
  })
})

describe.skipIf(missing('setpriv', 'sleep').length > 0)('a tool that fails without a word', () => {
  const silent = path.join(import.meta.dirname, '../apps/fails-silently')
  const tools = {
    perf: { callGraph: 'fp' },
    'py-spy': { withIdle: false, pause: false },
    rbspy: { mode: 'cpu', pause: false },
    phpspy: {},
  } as const

  async function failure(tool: keyof typeof tools, pid: number): Promise<unknown> {
    const usual = { tool, toolPath: silent, pid, mode: 'cpu', hertz: 99, durationMs: 1000 }
    const description = { ...usual, ...tools[tool] } as unknown as CaptureDescription
    const capture = await startCapture(description, { stop: never, discard: never })
    const [read, ended] = await Promise.allSettled([bytesOf(capture), capture.ended])
    // Those that read a file at the end have nothing to give either.
    if (read.status === 'rejected') expect(read.reason.code).toBe(reasonOf(ended).code)
    return reasonOf(ended)
  }

  function reasonOf(ended: PromiseSettledResult<unknown>) {
    if (ended.status === 'fulfilled') throw new Error('it did not fail')
    return ended.reason
  }

  test.for(Object.keys(tools) as (keyof typeof tools)[])(
    'as %s may, is to blame only while its target lives',
    async tool => {
      const target = start('sleep', ['60'])
      expect(await failure(tool, target.pid)).toMatchObject({ code: 'SP_TOOL_FAILED' })
      const failing = failure(tool, target.pid)
      target.kill('SIGKILL')
      expect(await failing).toMatchObject({
        code: 'SP_TARGET_GONE',
        message: expect.stringContaining(`process ${target.pid} has ended`),
      })
    },
  )
})
