// JVMs, sampled by their own flight recorder with the real command: shares, rates,
// and that nothing of ours is left in them.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { startCapture } from '../../agent/capture/drivers.ts'
import { attach } from '../../agent/capture/hotspot-attach.ts'
import { weightOf } from '../../agent/profile/call-tree.ts'
import { readJfr } from '../../agent/profile/jfr.ts'
import { type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { targetOf } from '../../agent/target/find.ts'
import { describeWith, startIsolated } from '../apps/apps.ts'
import {
  asNobody,
  compileJava,
  type Java,
  type JavaOptions,
  leftIn,
  startJava,
  untilServing,
} from '../apps/jvm.ts'
import { type Published, publish, startCommand } from '../command.ts'
import { planned } from '../planned.ts'
import { temporaryFolder } from '../temporary.ts'

const needed = ['java', 'javac', 'setpriv', 'unshare', 'root']
// Without it the JVM throws away what it samples in a tight loop.
const exact = ['-XX:+UnlockDiagnosticVMOptions', '-XX:+DebugNonSafepoints']

let classes: string
beforeAll(() => {
  classes = compileJava('Shares')
})

async function startShares(options: JavaOptions = {}, seconds = 60): Promise<Java> {
  const args = ['Shares', `${seconds}`, 'cpu'] as const
  const java = await startJava(classes, args, { flags: exact, ...options })
  // A JVM takes its folder away itself, but not when a test kills it.
  onTestFinished(() => {
    const left = fs.readdirSync('/tmp').filter(name => name.endsWith(`_${java.pid}`))
    for (const name of left) fs.rmSync(`/tmp/${name}`, { recursive: true })
  })
  return java
}

function record(pid: number, more: readonly string[] = [], under: readonly string[] = []) {
  return publish(['record', `${pid}`, '-d', '2', '--tool=jfr', ...more], { under })
}

function expectShares({ folded }: Published): void {
  expect(folded.share(/^Shares\.parse/)).toBeGreaterThan(0.7 * 0.75)
  expect(folded.share(/^Shares\.parse/)).toBeLessThan(0.7 * 1.25)
  expect(folded.share(/^Shares\.encode/)).toBeGreaterThan(0.3 * 0.75)
  expect(folded.share(/^Shares\.encode/)).toBeLessThan(0.3 * 1.25)
}

/** A command to the JVM, as `jcmd` gives it. */
async function tell(pid: number, command: string): Promise<string> {
  const options = { timeoutMs: 20_000, asTarget: false }
  const { text } = await attach(targetOf(pid), ['jcmd', command], options)
  return text
}

async function readFile(name: string): Promise<Profile> {
  const builder = new ProfileBuilder()
  await readJfr([fs.readFileSync(name)], builder)
  return builder.build()
}

/** Folders of recordings, which the JVM makes in its /tmp. */
function foldersOf(pid: number): string[] {
  return fs
    .readdirSync(`/proc/${pid}/root/tmp`)
    .filter(name => new RegExp(`^\\d{4}(_\\d\\d){5}_${pid}(_\\d+)?$`).test(name))
}

async function expectLeft(pid: number): Promise<void> {
  expect(foldersOf(pid)).toEqual([])
  expect(leftIn(pid)).toEqual([])
  expect(await tell(pid, 'JFR.check')).toContain('No available recordings')
}

/** An environment in which async-profiler is not whole. */
function withoutLibrary() {
  const folder = temporaryFolder()
  fs.writeFileSync(path.join(folder, 'asprof'), '#!/bin/sh\nexit 3\n', { mode: 0o755 })
  return { env: { PATH: `${folder}:${process.env['PATH']}` } }
}

function isAlive(pid: number): boolean {
  return fs.existsSync(`/proc/${pid}`)
}

describeWith(needed, 'the flight recorder of a JVM', () => {
  test('finds the shares, at a rate that is told before, and again', async () => {
    const { pid } = await startShares()
    const raw = path.join(temporaryFolder(), 'kept.jfr')
    const published = await record(pid, ['-F', '999', '-d', '6', '--keep-raw', raw])
    expectShares(published)
    expect(weightOf(await readFile(raw))).toBe(published.folded.total)
    const { quality, record: made } = published.receipt
    expect(made.tools).toHaveProperty('jfr')
    expect(made.remarks.join('\n')).toContain('100 Hz at most, not 999')
    expect(quality.requestedHertz).toBe(100)
    // Beside what else runs here a thread waits for a core, and is sampled all the same.
    expect(quality.achievedHertz).toBeGreaterThan(60)
    await expectLeft(pid)
    expectShares(await record(pid))
    await expectLeft(pid)
  })

  test('is not trusted, or not used, where the code has no debug information', async () => {
    const { pid } = await startShares({ flags: ['-XX:CompileCommand=dontinline,Shares.mix*'] })
    await sleep(2000)
    const { receipt } = await publish(['record', `${pid}`, '-d', '2'], withoutLibrary())
    const { quality, record: made } = receipt
    const remarks = made.remarks.join('\n')
    // Up to Java 24 nothing or next to nothing is left of this program; then its loops are their callers'.
    if ('perf' in made.tools) expect(remarks).toContain('jfr failed, so perf was used')
    else expect(remarks).toContain('start Java with `-XX:+UnlockDiagnosticVMOptions')
    expect(quality.level).not.toBe('trusted')
    await expectLeft(pid)
  })

  test('is used where async-profiler is not whole, before perf, and that is said', async () => {
    const { pid } = await startShares()
    const published = await publish(['record', `${pid}`, '-d', '2'], withoutLibrary())
    expect(published.receipt.record.tools).toHaveProperty('jfr')
    expect(published.receipt.record.remarks.join('\n')).toContain(
      'libasyncProfiler.so is not installed here',
    )
    await expectLeft(pid)
  })

  test('of another user in another mount namespace is reached with few capabilities', async () => {
    const target = startIsolated('mount -t tmpfs -o mode=1777 none /run', [
      ...[...asNobody, 'java', '-Xmx64m', ...exact, '-cp', classes, 'Shares', '60', 'cpu'],
    ])
    await untilServing(target.pid)
    const set = '-all,+sys_ptrace,+kill,+dac_override,+fowner'
    const under = ['setpriv', `--bounding-set=${set}`, '--']
    expectShares(await record(target.pid, [], under))
    expect(foldersOf(target.pid)).toEqual([])
    expect(leftIn(target.pid)).toEqual([])
  })

  test('whose folder we may not take away keeps it, empty, and that is said', async () => {
    const tmp = 'mount -t tmpfs -o mode=1777,uid=65533 none /tmp'
    const { pid } = startIsolated(`mount --bind ${classes} /mnt && ${tmp}`, [
      ...[...asNobody, 'java', '-Xmx64m', ...exact, '-cp', '/mnt', 'Shares', '60', 'cpu'],
    ])
    await untilServing(pid)
    const under = ['setpriv', '--bounding-set=-all,+sys_ptrace,+kill,+dac_override', '--']
    const { receipt } = await record(pid, [], under)
    expect(receipt.record.remarks.join('\n')).toContain('keeps an empty folder')
    const [folder] = foldersOf(pid)
    expect(fs.readdirSync(`/proc/${pid}/root/tmp/${folder}`)).toEqual([])
    expect(leftIn(pid)).toEqual([])
  })

  test('leaves a recording of somebody else alone', async () => {
    const { pid } = await startShares()
    await tell(pid, 'JFR.start name=theirs settings=default')
    const published = await record(pid, ['-d', '7'])
    expectShares(published)
    expect(published.receipt.record.remarks.join('\n')).toContain('Another recording')
    expect(await tell(pid, 'JFR.check')).toMatch(/name=theirs.*running/)
    const folder = temporaryFolder()
    await tell(pid, `JFR.stop name=theirs filename=${folder}/theirs.jfr`)
    const { columns } = await readFile(`${folder}/theirs.jfr`)
    expect(columns.map(({ event }) => event)).toContain('cpu')
    expect(leftIn(pid)).toEqual([])
  })

  test('gives what came before where the target ends in the middle', async () => {
    const { pid } = await startShares({}, 20)
    const { receipt, folded } = await record(pid, ['-d', '60'])
    expect(receipt.record.remarks.join('\n')).toContain('ended')
    // Of the first dump, after a second.
    expect(folded.total).toBeGreaterThan(10)
    expect(fs.readdirSync('/tmp').filter(name => name.includes(`_${pid}`))).toEqual([])
  })

  test('gives what came before where the target is killed, and its chunks go', async () => {
    const { pid } = await startShares()
    const running = startCommand([
      ...['record', `${pid}`, '-d', '60', '--tool=jfr', `--to=file:${temporaryFolder()}`],
    ])
    await untilRecorded(pid)
    await sleep(7000)
    process.kill(pid, 'SIGKILL')
    const { code, stdout, stderr } = await running.result
    expect(stdout + stderr).toContain('Published')
    expect(code).toBe(0)
    expect(fs.readdirSync('/tmp').filter(name => name.includes(`_${pid}`))).toEqual([])
  })

  test('is left at once by who is told to leave', async () => {
    const { pid } = await startShares()
    const running = startCommand(['record', `${pid}`, '-d', '60', '--tool=jfr'])
    await untilRecorded(pid)
    running.child.kill('SIGINT')
    await sleep(100)
    running.child.kill('SIGINT')
    await running.result
    await expectLeft(pid)
    expect(isAlive(pid)).toBe(true)
  })

  test('ends by itself after its time where we are killed', async () => {
    const { pid } = await startShares()
    const program = path.join(import.meta.dirname, '../apps/capture-forever.ts')
    const agent = spawn(process.execPath, [program, 'jfr', `${pid}`, '1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(agent.stdout!, 'data')
    expect(await tell(pid, 'JFR.check')).toContain('sp-flamegraph')
    agent.kill('SIGKILL')
    await once(agent, 'exit')
    expect(leftIn(pid)).toEqual([])
    for (let tries = 0; tries < 200; tries++) {
      if ((await tell(pid, 'JFR.check')).includes('No available')) break
      await sleep(100)
    }
    expect(await tell(pid, 'JFR.check')).toContain('No available recordings')
    // The JVM's own, empty: it goes with the JVM.
    for (const folder of foldersOf(pid)) expect(fs.readdirSync(`/tmp/${folder}`)).toEqual([])
  })

  test('is not believed about its folder of recordings', async () => {
    const java = await startShares()
    const outside = temporaryFolder()
    fs.writeFileSync(path.join(outside, 'precious'), '')
    const running = startCapture(planned(java.pid, { tool: 'jfr', durationMs: 1500 }), {
      stop: new AbortController().signal,
      discard: new AbortController().signal,
    })
    await untilRecorded(java.pid)
    // As a hostile target would: a link in the place of its folder.
    const [folder] = foldersOf(java.pid)
    const { segments, ended } = await running
    fs.renameSync(`/tmp/${folder}`, `${outside}/moved`)
    fs.symlinkSync(outside, `/tmp/${folder}`)
    for await (const { chunks } of segments) for await (const _ of chunks);
    await ended.catch(() => {})
    expect(fs.existsSync(path.join(outside, 'precious'))).toBe(true)
    expect(fs.lstatSync(`/tmp/${folder}`).isSymbolicLink()).toBe(true)
    fs.unlinkSync(`/tmp/${folder}`)
    expect(leftIn(java.pid)).toEqual([])
  })
})

async function untilRecorded(pid: number): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (foldersOf(pid).length > 0) return
    await sleep(20)
  }
  throw new Error(`process ${pid} is not recorded`)
}
