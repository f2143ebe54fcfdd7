// Everything of ours is killed with -9 in the middle of a capture, at any moment.
// Then the daemon comes back, and of the capture nothing is left in its target.
//
// The moments are random; `ROUNDS=20` makes more of them than a test has time for.

import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { attach } from '../../agent/capture/hotspot-attach.ts'
import { targetOf } from '../../agent/target/find.ts'
import { readStat } from '../../agent/target/procfs.ts'
import {
  compile,
  compileDotnet,
  describeWith,
  start,
  startDotnet,
  startPython,
  untilBusy,
} from '../apps/apps.ts'
import { connectionsOf } from '../apps/dotnet.ts'
import { compileJava, leftIn, startJava } from '../apps/jvm.ts'
import { isOpen, startScript } from '../apps/node.ts'
import { startRuby } from '../apps/scripts.ts'
import { profilersOf } from '../command.ts'
import { type Daemon, descendants, isAlive, kill, openDaemon, until } from './daemon.ts'

const rounds = Number(process.env.ROUNDS ?? 3)

/** Kills the door, the house and the child at once; what they started ends with them, or is cleaned. */
async function killAll(daemon: Daemon): Promise<void> {
  const all = [daemon.pid, ...descendants(daemon.pid)]
  // Ours are Node; what a tool started is the kernel's to end.
  const ours = all.filter(pid => {
    try {
      return /@(?:door|house|capture)/.test(fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
    } catch {
      return false
    }
  })
  for (const pid of ours) kill(pid)
  await until(() => !all.some(isAlive), 'they all end')
}

/** One capture after the other on a state folder, each killed after a while. */
async function killAtRandom(pid: number, ask: object, moments: readonly number[]): Promise<string> {
  let { daemon, end } = await openDaemon()
  let cleaned = ''
  try {
    for (const ms of moments) {
      const body = { target: { pid }, seconds: 60, ...ask }
      const { status, json } = await daemon.ask('POST', '/v1/captures', { body })
      expect({ status, code: json.code }).toEqual({ status: 202, code: undefined })
      await sleep(ms)
      await killAll(daemon)
      await end()
      ;({ daemon, end } = await openDaemon({ state: daemon.state, output: daemon.output }))
      cleaned += daemon.log()
      const { captures } = (await daemon.ask('GET', '/v1/captures')).json
      expect(captures[0]).toMatchObject({
        id: json.id,
        state: 'failed',
        problem: { code: 'SP_CAPTURE_DIED' },
      })
      expect(profilersOf(pid)).toEqual([])
      expect(fs.existsSync(`${daemon.state}/captures/${json.id}/leftovers.json`)).toBe(false)
      expect(readStat(pid).state).not.toMatch(/[tT]/)
    }
    return cleaned
  } finally {
    await end()
  }
}

const atRandom = () => Array.from({ length: rounds }, () => 300 + Math.random() * 2500)

describeWith(['perf', 'py-spy', 'rbspy', 'cc', 'python3', 'ruby', 'setpriv'], 'of a tool', () => {
  test.for<[string, () => number, object]>([
    ['perf', () => start(compile('burn'), ['600']).pid, {}],
    ['py-spy', () => startPython('burn.py', 600).pid, {}],
    ['py-spy that pauses its target', () => startPython('burn.py', 600).pid, { pause: true }],
    ['rbspy that pauses its target', () => startRuby(600).pid, { pause: true }],
  ])('%s nothing is left', { timeout: 60_000 * rounds }, async ([, startTarget, ask]) => {
    const pid = startTarget()
    await untilBusy(pid)
    await killAtRandom(pid, ask, atRandom())
    // It computes on.
    const ticks = readStat(pid).cpuTicks
    await until(() => readStat(pid).cpuTicks > ticks, 'the target computes')
  })
})

describeWith(['asprof', 'java', 'javac'], 'in a JVM', () => {
  test('no profiler and no file is left', { timeout: 240_000 }, async () => {
    const { pid } = await startJava(compileJava('Shares'), ['Shares', '600', 'cpu'])
    const cleaned = await killAtRandom(pid, {}, [4000, 500 + Math.random() * 3000])
    // By itself it would sample for a minute more.
    expect(cleaned).toContain(`profiler in process ${pid}: stopped`)
    // Closed by the JVM once the profiler is told to stop.
    await until(() => leftIn(pid).length === 0, 'nothing is left')
  })

  test('no recording is left', { timeout: 240_000 }, async () => {
    const { pid } = await startJava(compileJava('Shares'), ['Shares', '600', 'cpu'])
    const cleaned = await killAtRandom(pid, { tool: 'jfr' }, [4000, 500 + Math.random() * 3000])
    expect(cleaned).toContain(`profiler in process ${pid}: stopped`)
    const options = { timeoutMs: 20_000, asTarget: false }
    const { text } = await attach(targetOf(pid), ['jcmd', 'JFR.check'], options)
    expect(text).toContain('No available recordings')
    expect(leftIn(pid)).toEqual([])
  })
})

describeWith(['mcs', 'the .NET runtimes', 'perf'], 'in a .NET runtime', () => {
  test.for([{}, { tool: 'eventpipe' }])(
    'no session is left, asked with %j',
    { timeout: 240_000 },
    async ask => {
      const { pid } = await startDotnet(compileDotnet('shares'), 600, { version: '8.0.4' })
      const before = connectionsOf(pid)
      await killAtRandom(pid, ask, atRandom())
      await until(() => connectionsOf(pid) === before, 'every session ends')
    },
  )
})

test('in Node.js no inspector is left', { timeout: 120_000 }, async () => {
  const target = await startScript(['service.js', '600'])
  await killAtRandom(target.pid, {}, [2500])
  await until(() => !isOpen(target), 'the port closes by itself')
})
