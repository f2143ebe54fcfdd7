// JVMs, sampled by async-profiler with the real command: shares, rates, names,
// and that nothing of ours is left in them.

import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { startCapture } from '../../agent/capture/drivers.ts'
import { weightOf } from '../../agent/profile/call-tree.ts'
import type { CaptureDescription } from '../../agent/runtimes/runtime.ts'
import { captureNamed } from '../../agent/symbolize/named-capture.ts'
import { targetOf } from '../../agent/target/find.ts'
import { describeWith, findOnPath, start, startIsolated } from '../apps/apps.ts'
import { asNobody, compileJava, leftIn, startJava, untilServing } from '../apps/jvm.ts'
import { type Published, publish, sp } from '../command.ts'
import { planned, plannedAll } from '../planned.ts'
import { temporaryFolder } from '../temporary.ts'
import { asSidecar } from './sidecar.ts'

const needed = ['java', 'javac', 'asprof', 'setpriv', 'root']

function record(pid: number, more: readonly string[] = [], under: readonly string[] = []) {
  return publish(['record', `${pid}`, '-d', '2', ...more], { under })
}

function expectShare({ folded }: Published, name: string | RegExp, share: number): void {
  expect(folded.share(name), `${name}`).toBeGreaterThan(share * 0.75)
  expect(folded.share(name), `${name}`).toBeLessThanOrEqual(Math.min(1, share * 1.25))
}

/** A root process with these capabilities only. */
function withOnly(...capabilities: string[]): string[] {
  const set = ['-all', ...capabilities.map(name => `+${name}`)].join(',')
  return ['setpriv', `--bounding-set=${set}`, '--']
}

let classes: string
beforeAll(() => {
  classes = compileJava('Shares')
})

describeWith(needed, 'the CPU time of a JVM', () => {
  test.for([99, 999])('is sampled at %i Hz, with perf events that we open', async hertz => {
    const { pid } = await startJava(classes, ['Shares', '60', 'cpu'])
    const published = await record(pid, ['-F', `${hertz}`, '-d', '3'])
    expectShare(published, /^Shares\.parse/, 0.7)
    expectShare(published, /^Shares\.encode/, 0.3)
    const { quality, record: made } = published.receipt
    expect(made.target).toMatchObject({ runtime: 'OpenJDK' })
    expect(made.target.version).toMatch(/^\d+(\.\d+)*/)
    expect(made.tools).toHaveProperty('asprof')
    expect(made.remarks).toEqual([])
    expect(quality.event).toBe('cpu-clock')
    expect(quality.achievedHertz).toBeGreaterThan(hertz * 0.8)
    expect(quality.achievedHertz).toBeLessThan(hertz * 1.2)
    expect(quality.unknownLeaf).toBeLessThan(0.05)
    expect(leftIn(pid)).toEqual([])
  })

  test('is sampled twice with one library: the second capture finds the first one in place', async () => {
    const { pid } = await startJava(classes, ['Shares', '60', 'cpu'])
    const mapped = () =>
      new Set(
        fs
          .readFileSync(`/proc/${pid}/maps`, 'utf8')
          .split('\n')
          .flatMap(line => /\S*libasyncProfiler\S*/.exec(line)?.[0] ?? []),
      )
    await record(pid, ['-d', '500ms'])
    const first = mapped()
    expect(first.size).toBe(1)
    expectShare(await record(pid, ['-F', '999']), /^Shares\.parse/, 0.7)
    expect(mapped()).toEqual(first)
  })

  test('has names as people write them, without the numbers of lambdas', async () => {
    const { pid } = await startJava(classes, ['Shares', '60', 'cpu'])
    const { folded } = await record(pid, ['-F', '999'])
    expect(folded.has('Shares$$Lambda.run_[j]')).toBe(true)
    expect(folded.has(/Lambda\$\d|0x[0-9a-f]{8}|\//)).toBe(false)
  })

  test('of another user in another mount namespace is sampled with five capabilities', async () => {
    const target = startIsolated('mount -t tmpfs -o mode=1777 none /run', [
      ...[...asNobody, 'java', '-Xmx64m', '-cp', classes, 'Shares', '60', 'cpu'],
    ])
    await untilServing(target.pid)
    const under = withOnly(
      'sys_ptrace',
      'kill',
      'dac_override',
      'perfmon',
      'setuid',
      'setgid',
      'setpcap',
    )
    const published = await record(target.pid, ['-F', '999'], under)
    expectShare(published, /^Shares\.parse/, 0.7)
    expect(published.receipt.quality.event).toBe('cpu-clock')
    expect(published.receipt.quality.achievedHertz).toBeGreaterThan(750)
    expect(leftIn(target.pid)).toEqual([])
  })

  test('of another user is sampled by the target itself where we have no PERFMON', async () => {
    const { pid } = await startJava(classes, ['Shares', '60', 'cpu'], { under: asNobody })
    const under = withOnly('sys_ptrace', 'kill', 'dac_override')
    const published = await record(pid, ['-F', '999'], under)
    expectShare(published, /^Shares\.parse/, 0.7)
    const { quality, record: made } = published.receipt
    expect(quality.event).toBe('cpu-clock:u')
    expect(quality.achievedHertz).toBeGreaterThan(750)
    expect(made.remarks.join('\n')).toContain('we may not open perf events for others')
    expect(leftIn(pid)).toEqual([])
  })

  test('of another user is sampled as that user where the socket is closed to us', async () => {
    const { pid } = await startJava(classes, ['Shares', '60', 'cpu'], { under: asNobody })
    const under = withOnly('sys_ptrace', 'kill', 'setuid', 'setgid')
    const published = await record(pid, ['-F', '999'], under)
    expectShare(published, /^Shares\.parse/, 0.7)
    expect(leftIn(pid)).toEqual([])
  })

  test('of our own user is sampled without any capability', async () => {
    const { pid } = await startJava(classes, ['Shares', '60', 'cpu'], { under: asNobody })
    const folder = temporaryFolder()
    fs.chmodSync(folder, 0o777)
    const { code, stderr } = await sp(
      ['record', `${pid}`, '-d', '2', '-F', '999', `--to=file:${folder}/out`],
      { under: asNobody, cwd: '/', env: { TMPDIR: '/tmp' } },
    )
    expect(stderr).not.toContain('SP_')
    expect(code).toBe(0)
    expect(leftIn(pid)).toEqual([])
  })

  test('in a sidecar is sampled in another mount namespace', async () => {
    const target = startIsolated('mount -t tmpfs -o mode=1777 none /run', [
      ...['java', '-Xmx64m', '-cp', classes, 'Shares', '60', 'cpu'],
    ])
    await untilServing(target.pid)
    const published = await record(target.pid, ['-F', '999'], asSidecar)
    expectShare(published, /^Shares\.parse/, 0.7)
    expect(published.receipt.quality.event).toBe('cpu-clock')
    expect(leftIn(target.pid)).toEqual([])
  })
})

describeWith([...needed, 'unshare', 'the right to unshare a PID namespace'], 'a JVM', () => {
  test('that is pid 1 of its own namespace opens its perf events itself', async () => {
    const isolate = `mount --bind ${classes} /mnt && mount -t tmpfs -o mode=1777 none /tmp && exec "$@"`
    const outer = start('unshare', [
      ...['-m', '-p', '-f', '--kill-child=KILL', '--mount-proc', 'sh', '-c', isolate, 'sh'],
      ...['java', '-Xmx64m', '-cp', '/mnt', 'Shares', '60', 'cpu'],
    ])
    await sleep(1000)
    const pid = Number(fs.readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8'))
    await untilServing(pid)
    const published = await record(pid, ['-F', '999'])
    expectShare(published, /^Shares\.parse/, 0.7)
    const { quality, record: made } = published.receipt
    expect(made.target).toMatchObject({ pid, nspid: 1 })
    // It is root there, so it may see the kernel too.
    expect(quality.event).toBe('cpu-clock')
    expect(made.remarks).toEqual([
      'async-profiler with our perf events is not used: the PID namespace of the target is not ours',
    ])
    expect(leftIn(pid)).toEqual([])
  })

  test('is sampled by its own perf events where asprof fails, and that is said', async () => {
    const { pid } = await startJava(classes, ['Shares', '60', 'cpu'], { under: asNobody })
    const folder = temporaryFolder()
    const script =
      '#!/bin/sh\n[ "$1" = --version ] && exec echo 4.5\necho "no such luck" >&2\nexit 3\n'
    fs.writeFileSync(path.join(folder, 'asprof'), script, { mode: 0o755 })
    const real = fs.realpathSync(findOnPath('asprof')!)
    const library = path.join(path.dirname(real), '../lib/libasyncProfiler.so')
    fs.copyFileSync(library, path.join(folder, 'libasyncProfiler.so'))
    const { receipt } = await publish(['record', `${pid}`, '-d', '1', '-F', '999'], {
      env: { PATH: `${folder}:${process.env.PATH}` },
    })
    expect(receipt.quality.event).toBe('cpu-clock:u')
    expect(receipt.record.remarks).toContain(
      'asprof (cpu-clock) failed, so asprof (cpu-clock:u) was used: asprof cannot hand over perf events: no such luck',
    )
    expect(leftIn(pid)).toEqual([])
  })
})

describeWith(needed, 'the driver of async-profiler', () => {
  const never = new AbortController().signal
  const capture = async (description: CaptureDescription) => {
    const running = await startCapture(description, { stop: never, discard: never })
    const segments: string[] = []
    const during = leftIn(description.pid)
    for await (const { format, chunks, supersedes } of running.segments) {
      let text = ''
      for await (const chunk of chunks) text += Buffer.from(chunk).toString()
      segments.push(`${format} ${supersedes} ${weightIn(text) > 0}`)
    }
    return { segments, during, end: await running.ended }
  }

  test('gives a first look within seconds, and each takes the place of the one before', async () => {
    const { pid } = await startJava(classes, ['Shares', '60', 'alloc'])
    const { segments } = await capture(planned(pid, { mode: 'alloc', durationMs: 3000 }))
    const look = ['asprof bytes true true', 'asprof events false true']
    expect(segments).toEqual([...look, ...look])
  })

  test('samples at the rate of the tick by the timer', async () => {
    const { pid } = await startJava(classes, ['Shares', '60', 'cpu'])
    const [, , timer] = plannedAll(pid, { hertz: 999, durationMs: 2000 })
    expect(timer).toMatchObject({ event: 'ctimer' })
    const signals = { stop: never, discard: never }
    const progress = { state: () => {}, tick: () => {} }
    const { profile, cpuSeconds } = await captureNamed([timer!], targetOf(pid), signals, progress)
    const hertz = weightOf(profile) / cpuSeconds!
    expect(hertz).toBeGreaterThan(timer!.hertz * 0.75)
    expect(hertz).toBeLessThan(timer!.hertz * 1.25)
    expect(leftIn(pid)).toEqual([])
  })

  test('leaves the library in its place for a loader that needs its file, until the end', async () => {
    const { pid } = await startJava(classes, ['Shares', '60', 'cpu'])
    const description = planned(pid, { durationMs: 1500 })
    const { during, end } = await capture({ ...description, reusesLibrary: false } as never)
    expect(during.filter(each => each.startsWith('/tmp/sp-flamegraph-'))).toHaveLength(1)
    expect(end.notes).toEqual([])
    expect(leftIn(pid)).toEqual([])
  })
})

function weightIn(text: string): number {
  const weights = text.split('\n').filter(Boolean)
  return weights.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

describeWith(needed, 'what else a JVM does', () => {
  test('its time, also that of threads that wait', async () => {
    const { pid } = await startJava(classes, ['Shares', '60', 'wall'])
    const { folded } = await record(pid, ['--mode', 'wall'])
    const long = folded.share(/^Shares\.sleepLong/)
    const short = folded.share(/^Shares\.sleepShort/)
    expect(long / (long + short)).toBeGreaterThan(0.7 * 0.75)
    expect(long / (long + short)).toBeLessThan(0.7 * 1.25)
    expect(leftIn(pid)).toEqual([])
  })

  test('its allocations, in bytes, by class', async () => {
    const { pid } = await startJava(classes, ['Shares', '60', 'alloc'])
    const published = await record(pid, ['--mode', 'alloc'])
    expectShare(published, /^byte\[\]/, 0.7)
    expectShare(published, /^char\[\]/, 0.3)
    const summary = JSON.parse(published.read('summary.json').toString())
    expect(summary.columns).toMatchObject([{ unit: 'bytes' }, { unit: 'samples' }])
    // 100 times 10,000 bytes in each round, one round in some milliseconds.
    expect(summary.columns[0].weight).toBeGreaterThan(10_000_000)
    expect(leftIn(pid)).toEqual([])
  })

  test('its waiting for locks, in nanoseconds', async () => {
    const { pid } = await startJava(classes, ['Shares', '60', 'lock'])
    const published = await record(pid, ['--mode', 'lock'])
    expectShare(published, /^Shares\.waitLong/, 0.7)
    expectShare(published, /^Shares\.waitShort/, 0.3)
    const summary = JSON.parse(published.read('summary.json').toString())
    expect(summary.columns).toMatchObject([{ unit: 'nanoseconds' }, { unit: 'samples' }])
    expect(leftIn(pid)).toEqual([])
  })
})

describeWith(['perf', ...needed], 'a JVM under perf', () => {
  test('has the names that it is told to write, and its map goes', async () => {
    const java = await startJava(classes, ['Shares', '60', 'cpu'], {
      // In a map of addresses there is no place for what is inlined.
      flags: ['-XX:+PreserveFramePointer', '-XX:CompileCommand=dontinline,Shares.mix*'],
    })
    const published = await record(java.pid, ['-F', '999', '--tool=perf'])
    expectShare(published, /Shares\.mix\(/, 0.7)
    expectShare(published, /Shares\.mixAgain\(/, 0.3)
    expect(published.receipt.record.remarks).toEqual([
      expect.stringContaining('does not see Java functions that are inlined or interpreted'),
    ])
    expect(fs.existsSync(`/tmp/perf-${java.pid}.map`)).toBe(false)
    expect(leftIn(java.pid)).toEqual([])
  })

  test('keeps the map that was there before', async () => {
    const java = await startJava(classes, ['Shares', '60', 'cpu'])
    const map = `/tmp/perf-${java.pid}.map`
    fs.writeFileSync(map, '')
    onTestFinished(() => fs.rmSync(map, { force: true }))
    const { receipt } = await record(java.pid, ['-F', '999', '--tool=perf'])
    expect(receipt.record.remarks.join('\n')).toContain('without their callers')
    expect(fs.readFileSync(map, 'utf8')).toContain('Shares.mix')
  })
})
