// JVMs that cannot be entered, or not for long, or that try to lead us astray:
// each is told, lives on, and has nothing of ours in it.

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import {
  compile,
  describeWith,
  findOnPath,
  start,
  startIsolated,
  trace,
  untilBusy,
} from '../apps/apps.ts'
import {
  compileJava,
  type Java,
  type JavaOptions,
  leftIn,
  startJava,
  untilServing,
} from '../apps/jvm.ts'
import { linesOf, publish, type Result, readPublished, sp, startCommand } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const needed = ['java', 'javac', 'jcmd', 'asprof', 'perf', 'cc', 'setpriv', 'unshare', 'root']

let classes: string
beforeAll(() => {
  classes = compileJava('Shares')
})

function startShares(options: JavaOptions = {}, seconds = 60): Promise<Java> {
  return startJava(classes, ['Shares', `${seconds}`, 'cpu'], options)
}

/** asprof alone, so that what keeps it out is an error and not a remark. */
function recordWithAsprof(pid: number, more: readonly string[] = []): Promise<Result> {
  const to = `--to=file:${temporaryFolder()}`
  return sp(['record', `${pid}`, '-d', '1', '--tool=asprof', '--json', to, ...more])
}

function expectFailure(result: Result, code: string, words: string): void {
  expect(result.stderr).toContain(words)
  expect(result.stderr).toContain(`(${code})`)
  expect(linesOf(result).at(-1)).toMatchObject({ error: { code } })
}

function isAlive(pid: number): boolean {
  return fs.existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(statusOf(pid))
}

function statusOf(pid: number): string {
  return fs.readFileSync(`/proc/${pid}/status`, 'utf8')
}

describeWith(needed, 'a JVM that does not let itself be attached to', () => {
  const argumentFile = path.join(temporaryFolder(), 'arguments')
  test.for<[string, JavaOptions]>([
    ['by an argument', { flags: ['-XX:+DisableAttachMechanism'] }],
    ['by a variable', { env: { JAVA_TOOL_OPTIONS: '-XX:+DisableAttachMechanism' } }],
    [
      'by an argument, and that says nothing of itself',
      { flags: ['-XX:-UsePerfData', '-XX:+DisableAttachMechanism'] },
    ],
    ['by a file of arguments', { flags: [`@${argumentFile}`] }],
    [
      'by a file, and that says nothing of itself',
      { flags: [`@${argumentFile}`, '-XX:-UsePerfData'] },
    ],
  ])('%s is refused before any signal, and perf is used', async ([, options]) => {
    fs.writeFileSync(argumentFile, '-XX:+DisableAttachMechanism\n')
    const java = await startShares(options)
    expectFailure(await recordWithAsprof(java.pid), 'SP_NOT_PERMITTED', 'DisableAttachMechanism')
    const { receipt } = await publish(['record', `${java.pid}`, '-d', '1', '-F', '999'])
    expect(receipt.record.tools).toHaveProperty('perf')
    expect(receipt.record.remarks.join('\n')).toContain('DisableAttachMechanism')
    // SIGQUIT would have made it print its threads.
    expect(java.said()).not.toContain('thread dump')
    expect(isAlive(java.pid)).toBe(true)
    expect(fs.existsSync(`/tmp/.java_pid${java.pid}`)).toBe(false)
    expect(leftIn(java.pid)).toEqual([])
  })

  test('in spite of -Xrs it is sampled, for it listens from its start', async () => {
    const java = await startShares({ flags: ['-Xrs'] })
    const { folded } = readPublished(await recordWithAsprof(java.pid, ['-F', '999']))
    expect(folded.share(/^Shares\.parse/)).toBeGreaterThan(0.5)
    expect(isAlive(java.pid)).toBe(true)
    expect(leftIn(java.pid)).toEqual([])
  })

  test('whose socket is gone under -Xrs is not sent the signal that would end it', async () => {
    const java = await startShares({ flags: ['-Xrs'] })
    fs.unlinkSync(`/tmp/.java_pid${java.pid}`)
    expectFailure(await recordWithAsprof(java.pid), 'SP_NOT_PERMITTED', '-Xrs')
    expect(isAlive(java.pid)).toBe(true)
  })

  test('that is no JVM, though it maps a libjvm.so, is not sent a signal', async () => {
    const library = path.join(temporaryFolder(), 'libjvm.so')
    fs.copyFileSync(libraryOf(), library)
    const { pid } = start(compile('host'), ['60', library])
    await untilBusy(pid)
    expectFailure(await recordWithAsprof(pid), 'SP_NOT_PERMITTED', 'SIGQUIT')
    expect(isAlive(pid)).toBe(true)
    const { folded } = await publish(['record', `${pid}`, '-d', '1', '-F', '999'])
    expect(folded.total).toBeGreaterThan(10)
    expect(isAlive(pid)).toBe(true)
  })
})

describeWith(needed, 'a JVM with a strange /tmp', () => {
  const startIn = async (shell: string) => {
    // The classes lie in /tmp, which it will not see.
    const folder = '/mnt'
    const target = startIsolated(`mount --bind ${classes} ${folder} && ${shell}`, [
      'java',
      '-Xmx64m',
      '-cp',
      folder,
      'Shares',
      '60',
      'cpu',
    ])
    await untilServing(target.pid)
    return target.pid
  }

  test('that is read-only is sampled by perf, and told why', async () => {
    const pid = await startIn('mount -t tmpfs -o ro none /tmp')
    expectFailure(
      await recordWithAsprof(pid),
      'SP_NOT_PERMITTED',
      '/tmp of the target cannot be written to',
    )
    const { receipt } = await publish(['record', `${pid}`, '-d', '1', '-F', '999'])
    expect(receipt.record.tools).toHaveProperty('perf')
    expect(isAlive(pid)).toBe(true)
    expect(leftIn(pid)).toEqual([])
  })

  test('that is noexec gets the library elsewhere', async () => {
    const pid = await startIn('mount -t tmpfs -o noexec,mode=1777 none /tmp')
    const { folded } = readPublished(await recordWithAsprof(pid, ['-F', '999']))
    expect(folded.share(/^Shares\.parse/)).toBeGreaterThan(0.5)
    expect(leftIn(pid)).toEqual([])
  })

  test('of its own is where everything is put, and ours stays as it is', async () => {
    const pid = await startIn('mount -t tmpfs -o mode=1777 none /tmp')
    const { folded } = readPublished(await recordWithAsprof(pid, ['-F', '999']))
    expect(folded.share(/^Shares\.parse/)).toBeGreaterThan(0.5)
    expect(fs.existsSync(`/tmp/.java_pid${pid}`)).toBe(false)
    expect(leftIn(pid)).toEqual([])
  })
})

describeWith(needed, 'planted in a JVM,', () => {
  test('a link where it listens is not followed', async () => {
    const java = await startShares()
    const elsewhere = path.join(temporaryFolder(), 'socket')
    fs.symlinkSync(elsewhere, `/tmp/.java_pid${java.pid}`)
    onTestFinished(() => fs.rmSync(`/tmp/.java_pid${java.pid}`, { force: true }))
    const result = await recordWithAsprof(java.pid)
    expectFailure(result, 'SP_TOOL_FAILED', 'is no socket')
    expect(java.said()).toBe('')
    expect(leftIn(java.pid)).toEqual([])
  })

  test('a link where it is asked to listen is not followed, nor written through', async () => {
    const java = await startShares()
    const elsewhere = path.join(temporaryFolder(), 'victim')
    const trigger = `/tmp/.attach_pid${java.pid}`
    fs.writeFileSync(elsewhere, 'as it was')
    fs.symlinkSync(elsewhere, trigger)
    onTestFinished(() => fs.rmSync(trigger, { force: true }))
    const result = await recordWithAsprof(java.pid)
    expectFailure(result, 'SP_TOOL_FAILED', 'is not what it is for')
    expect(fs.readFileSync(elsewhere, 'utf8')).toBe('as it was')
    expect(java.said()).toBe('')
    expect(fs.readlinkSync(trigger)).toBe(elsewhere)
  })

  test('a socket that never answers ends the capture, and perf is used', async () => {
    const java = await startShares()
    const socket = `/tmp/.java_pid${java.pid}`
    const script = `require('net').createServer(() => {}).listen('${socket}', () => console.log('up'))`
    const listener = start(process.execPath, ['-e', script])
    onTestFinished(() => fs.rmSync(socket, { force: true }))
    await once(listener.stdout!, 'data')
    const { receipt } = await publish(['record', `${java.pid}`, '-d', '500ms', '-F', '999'])
    expect(receipt.record.tools).toHaveProperty('perf')
    expect(receipt.record.remarks.join('\n')).toContain('does not answer')
  }, 60_000)

  test('a log that asprof itself would read is not read', async () => {
    // asprof reads /tmp/asprof-log.<its pid>.<pid>: every pid that it may get is planted.
    const java = await startShares()
    const secret = path.join(temporaryFolder(), 'secret')
    fs.writeFileSync(secret, 'SECRET')
    const next = Number(fs.readFileSync('/proc/sys/kernel/ns_last_pid', 'utf8'))
    const planted = Array.from(
      { length: 400 },
      (_, at) => `/tmp/asprof-log.${next + at}.${java.pid}`,
    )
    for (const file of planted) fs.symlinkSync(secret, file)
    onTestFinished(() => {
      for (const file of planted) fs.rmSync(file, { force: true })
    })
    const result = await recordWithAsprof(java.pid)
    expect(result.code).toBe(0)
    expect(result.stderr + result.stdout).not.toContain('SECRET')
    expect(planted.filter(file => !fs.lstatSync(file, { throwIfNoEntry: false }))).toEqual([])
  })
})

describeWith(needed, 'a JVM that is profiled already', () => {
  test('is left alone: the flight recorder is used, and the other profiler works on', async () => {
    const flags = ['-XX:+UnlockDiagnosticVMOptions', '-XX:+DebugNonSafepoints']
    const java = await startShares({ flags })
    const asprof = findOnPath('asprof')!
    const theirs = (...args: string[]) => execFileSync(asprof, [...args, `${java.pid}`]).toString()
    theirs('start', '-e', 'ctimer', '-i', '5ms')
    expectFailure(await recordWithAsprof(java.pid), 'SP_TOOL_BUSY', 'is left alone')
    const { receipt } = await publish(['record', `${java.pid}`, '-d', '1', '-F', '999'])
    expect(receipt.record.tools).toHaveProperty('jfr')
    expect(receipt.record.remarks.join('\n')).toContain('at work')
    expect(theirs('status')).toContain('is running')
    const before = countIn(theirs('dump', '-o', 'collapsed'))
    await sleep(1000)
    expect(countIn(theirs('dump', '-o', 'collapsed'))).toBeGreaterThan(before)
    theirs('stop')
    // Now it is ours to sample.
    const { folded } = readPublished(await recordWithAsprof(java.pid, ['-F', '999']))
    expect(folded.share(/^Shares\.parse/)).toBeGreaterThan(0.5)
  })

  test('by us, is not profiled twice', async () => {
    const java = await startShares()
    const first = startCommand(['record', `${java.pid}`, '-d', '6', '--tool=asprof'])
    await untilProfiled(java.pid)
    expectFailure(await recordWithAsprof(java.pid), 'SP_TOOL_BUSY', 'is left alone')
    expect((await first.result).code).toBe(0)
    expect(leftIn(java.pid)).toEqual([])
  })

  test('by an agent that samples by the same signal, is left to it', async () => {
    const agent = path.join(temporaryFolder(), 'libjavaProfiler.so')
    const source = path.join(import.meta.dirname, '../apps/jvm/sampler.c')
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', agent, source])
    const java = await startShares({ flags: [`-agentpath:${agent}`] })
    const words = "Datadog's profiler is at work in the JVM by SIGPROF"
    expectFailure(await recordWithAsprof(java.pid), 'SP_NOT_PERMITTED', words)
    const { receipt } = await publish(['record', `${java.pid}`, '-d', '1', '-F', '999'])
    expect(receipt.record.tools).not.toHaveProperty('asprof')
    expect(receipt.record.remarks.join('\n')).toContain(words)
    // It samples on.
    const before = java.said().length
    await expect.poll(() => java.said().length, { timeout: 20_000 }).toBeGreaterThan(before)
  })

  const wait = { timeout: 30_000, interval: 500 }

  test('by the Flight Recorder, is sampled beside it, and its recording is whole', async () => {
    const java = await startShares()
    const jcmd = (...command: string[]) =>
      execFileSync('jcmd', [`${java.pid}`, ...command]).toString()
    jcmd('JFR.start', 'name=theirs', 'settings=profile')
    const { folded } = readPublished(await recordWithAsprof(java.pid, ['-F', '999']))
    expect(folded.share(/^Shares\.parse/)).toBeGreaterThan(0.5)
    const doctor = await sp(['doctor', `${java.pid}`])
    expect(doctor.stdout.toString()).toContain('the Flight Recorder is at work in it')
    expect(jcmd('JFR.check')).toMatch(/name=theirs.*\(?running\)?/)
    // It samples on: how often, on a machine that is full, nobody knows.
    const file = path.join(temporaryFolder(), 'theirs.jfr')
    const sampled = async () => {
      jcmd('JFR.dump', 'name=theirs', `filename=${file}`)
      return (await publish(['render', file])).folded
    }
    await expect.poll(async () => (await sampled()).has(/^Shares\./), wait).toBe(true)
    const { total } = await sampled()
    await expect.poll(async () => (await sampled()).total, wait).toBeGreaterThan(total)
    jcmd('JFR.stop', 'name=theirs')
  })

  test('is not entered while a debugger holds it', async () => {
    const java = await startShares()
    await trace(java.pid)
    expectFailure(await recordWithAsprof(java.pid), 'SP_NOT_PERMITTED', 'is traced by process')
    expect(isAlive(java.pid)).toBe(true)
  })
})

describeWith(needed, 'a JVM that does not last', () => {
  test.for([
    ['exits', (java: Java) => java.process.kill('SIGTERM')],
    ['is killed', (java: Java) => java.process.kill('SIGKILL')],
  ] as const)('and %s in the middle leaves what was captured until then', async ([, end]) => {
    const java = await startShares()
    const running = startCommand([
      ...['record', `${java.pid}`, '-d', '60', '-F', '999', '--tool=asprof', '--json'],
      `--to=file:${temporaryFolder()}`,
    ])
    await untilProfiled(java.pid)
    // The first dump is taken after a second.
    await sleep(2000)
    end(java)
    const { folded, receipt } = readPublished(await running.result)
    expect(folded.share(/^Shares\.parse/)).toBeGreaterThan(0.5)
    expect(receipt.record.remarks.join('\n')).toContain('The target ended')
    expect(helpersOf(java.pid)).toEqual([])
  })

  test('and stops in the middle leaves what was captured, and goes on unharmed', async () => {
    const java = await startShares()
    const running = startCommand([
      ...['record', `${java.pid}`, '-d', '4', '-F', '999', '--tool=asprof', '--json'],
      `--to=file:${temporaryFolder()}`,
    ])
    await untilProfiled(java.pid)
    await sleep(2000)
    java.process.kill('SIGSTOP')
    const { folded, receipt } = readPublished(await running.result)
    expect(folded.share(/^Shares\.parse/)).toBeGreaterThan(0.5)
    expect(receipt.record.remarks.join('\n')).toContain('it is stopped')
    java.process.kill('SIGCONT')
    await untilLeft(java.pid)
    expect(isAlive(java.pid)).toBe(true)
  })

  test('because it stands still is asked once, and then perf has its turn', async () => {
    const java = await startShares()
    java.process.kill('SIGSTOP')
    const to = `--to=file:${temporaryFolder()}`
    const { stdout } = await sp(['record', `${java.pid}`, '-d', '1', '--json', to])
    java.process.kill('SIGCONT')
    expect(`${stdout}`).toContain('asprof failed, so perf was used')
    expect(`${stdout}`).not.toContain('jfr')
    await untilLeft(java.pid)
    expect(isAlive(java.pid)).toBe(true)
  })

  test('because we do not: the profiler in it ends by itself, and no file is left', async () => {
    const java = await startShares()
    const program = path.join(import.meta.dirname, '../apps/capture-forever.ts')
    const agent = spawn(process.execPath, [program, 'asprof', `${java.pid}`, '1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(agent.stdout!, 'data')
    expect(leftIn(java.pid).length).toBeGreaterThan(0)
    agent.kill('SIGKILL')
    await once(agent, 'exit')
    // Files at once, the profiler after its timeout.
    expect(leftIn(java.pid).filter(each => each.startsWith('/tmp/sp-'))).toEqual([])
    await untilLeft(java.pid)
    expect(isAlive(java.pid)).toBe(true)
  })

  test('or that we are told to leave is left at once', async () => {
    const java = await startShares()
    const running = startCommand(['record', `${java.pid}`, '-d', '60', '--tool=asprof'])
    await untilProfiled(java.pid)
    running.child.kill('SIGINT')
    await sleep(100)
    running.child.kill('SIGINT')
    await running.result
    expect(leftIn(java.pid)).toEqual([])
    expect(isAlive(java.pid)).toBe(true)
  })
})

/** The JVM's own library, for a program that is none. */
function libraryOf(): string {
  const source = path.join(import.meta.dirname, '../apps/native/library.c')
  const library = path.join(temporaryFolder(), 'library.so')
  const flags = ['-shared', '-fPIC', '-O1', '-DNAME=busy', '-DROUNDS=100']
  execFileSync('cc', [...flags, '-o', library, source])
  return library
}

function countIn(collapsed: string): number {
  return collapsed
    .split('\n')
    .filter(Boolean)
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

async function untilProfiled(pid: number): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (leftIn(pid).some(each => each.includes('perf_event'))) return
    await sleep(20)
  }
  throw new Error(`process ${pid} is not profiled`)
}

async function untilLeft(pid: number): Promise<void> {
  for (let tries = 0; tries < 300 && leftIn(pid).length > 0; tries++) await sleep(100)
  expect(leftIn(pid)).toEqual([])
}

function helpersOf(pid: number): string[] {
  const { stdout } = spawnSync('ps', ['-eo', 'args'])
  return stdout
    .toString()
    .split('\n')
    .filter(line => /asprof/.test(line) && line.includes(`${pid}`))
}
