// Ruby, seen by rbspy: what it says is true in every mode, and whatever happens to the target in the
// middle, what was seen until then is kept and the target lives on.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { describeWith, start, untilBusy } from '../apps/apps.ts'
import { asNobody, expectShares, type Habit, startRuby } from '../apps/scripts.ts'
import {
  linesOf,
  type Published,
  profilersOf,
  publish,
  readPublished,
  sp,
  startCommand,
  untilSampled,
} from '../command.ts'
import { temporaryFolder } from '../temporary.ts'
import { asSidecar } from './sidecar.ts'

const needed = ['rbspy', 'perf', 'ruby', 'setpriv']

async function busy(habit: Habit = 'burn', under: readonly string[] = []): Promise<number> {
  const { pid } = startRuby(60, habit, under)
  await untilBusy(pid)
  return pid
}

function expectUnharmed(pid: number): void {
  expect(profilersOf(pid)).toEqual([])
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8')
  expect(status).toMatch(/^TracerPid:\t0$/m)
  expect(status).toMatch(/^State:\t[RS]/m)
}

function expectRbspy({ receipt }: Published): void {
  expect(Object.keys(receipt.record.tools)).toContain('rbspy')
  expect(receipt.quality.unreadable).toBe(0)
}

describeWith(needed, 'rbspy', () => {
  test.for([99, 999])('sees the shares of CPU time at %i Hz', async hertz => {
    const pid = await busy()
    const published = await publish(['record', `${pid}`, '-d', '3', '-F', `${hertz}`])
    expectRbspy(published)
    expectShares(published)
    expect(published.receipt.record.target).toMatchObject({ runtime: 'Ruby', libc: 'glibc' })
    expect(published.receipt.record.target.version).toMatch(/^\d+\.\d+\.\d+$/)
    expect(published.receipt.quality.samples).toBeGreaterThan(0.5 * hertz)
    expectUnharmed(pid)
  })

  test('sees waiting in wall-clock mode, and running only in mode cpu', async () => {
    const pid = await busy('wait')
    const wall = await publish(['record', `${pid}`, '-d', '3', '-F', '199', '-m', 'wall'])
    expectRbspy(wall)
    // Nine tenths of the time are `sleep`, which is a C function.
    // Where others burn too it is less: then it waits for a core.
    expect(wall.folded.share('handle')).toBeLessThan(0.7)
    expect(wall.receipt.quality.samples).toBeGreaterThan(0.8 * 3 * 199)
    const cpu = await publish(['record', `${pid}`, '-d', '3', '-F', '199', '-m', 'cpu'])
    expect(cpu.folded.share('handle')).toBeGreaterThan(wall.folded.share('handle'))
    expect(cpu.folded.total).toBeLessThan(wall.folded.total)
    expectUnharmed(pid)
  })

  test.skipIf(process.getuid?.() !== 0)('sees a target of another user, as a sidecar', async () => {
    const pid = await busy('burn', asNobody)
    const published = await publish(['record', `${pid}`, '-d', '2', '-F', '499'], {
      under: asSidecar,
    })
    expectRbspy(published)
    expectShares(published)
    expect(published.receipt.record.target.uid).toBe(65534)
  })

  test.skipIf(process.getuid?.() !== 0)(
    'sees a target of its own user without a capability',
    async () => {
      const pid = await busy('burn', ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--'])
      const under = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--']
      const published = await publish(['record', `${pid}`, '-d', '2', '-F', '499'], { under })
      expectRbspy(published)
      expectShares(published)
    },
  )

  test.skipIf(process.getuid?.() !== 0)('says what to grant, where it may not read', async () => {
    const pid = await busy('burn', asNobody)
    const result = await sp(['record', `${pid}`, '-d', '1', '--json'], {
      under: ['setpriv', '--bounding-set=-sys_ptrace,-perfmon,-sys_admin', '--'],
    })
    expect(result.code).toBe(4)
    expect(linesOf(result).at(-1)!.error).toMatchObject({ code: 'SP_NOT_PERMITTED' })
    expect(result.stderr).toContain('SYS_PTRACE')
    expectUnharmed(pid)
  })

  test.skipIf(process.getuid?.() !== 0)('sees a target in another mount namespace', async () => {
    const isolated = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /tmp && exec "$@"', 'sh']
    const pid = await busy('burn', isolated)
    const published = await publish(['record', `${pid}`, '-d', '2', '-F', '499'], {
      under: asSidecar,
    })
    expectRbspy(published)
    expectShares(published)
    // rbspy would keep a copy of all that it read in $HOME, and the target's /tmp is the target's.
    expect(fs.readdirSync(`/proc/${pid}/root/tmp`)).toEqual([])
    expect(fs.existsSync(path.join(process.env.HOME ?? '/root', '.cache/rbspy'))).toBe(false)
  })
})

describeWith(needed, 'a Ruby that in the middle', () => {
  const begin = async (pid: number, seconds: number) => {
    const to = `--to=file:${temporaryFolder()}`
    const running = startCommand([
      'record',
      `${pid}`,
      '-d',
      `${seconds}`,
      '-F',
      '199',
      '--json',
      to,
    ])
    await untilSampled(pid)
    return running
  }

  test.for(['SIGTERM', 'SIGKILL'] as const)('gets %s leaves what was seen', async signal => {
    const target = startRuby(60)
    await untilBusy(target.pid)
    const running = await begin(target.pid, 20)
    target.kill(signal)
    const published = readPublished(await running.result)
    expectRbspy(published)
    expect(published.folded.has('parse')).toBe(true)
    expect(published.receipt.record.remarks.join()).toMatch(/ended after [\d.]+ s/)
    expect(profilersOf(target.pid)).toEqual([])
  })

  test('ends by itself leaves what was seen', async () => {
    const { pid } = startRuby(4)
    await untilBusy(pid)
    const published = await publish(['record', `${pid}`, '-d', '20', '-F', '199'])
    expect(published.folded.has('parse')).toBe(true)
    expect(published.receipt.record.remarks.join()).toMatch(/ended after [\d.]+ s/)
  })

  test('is stopped and goes on is seen while it ran', async () => {
    const target = startRuby(60)
    await untilBusy(target.pid)
    const running = await begin(target.pid, 3)
    target.kill('SIGSTOP')
    await sleep(1000)
    target.kill('SIGCONT')
    const published = readPublished(await running.result)
    expectRbspy(published)
    expectShares(published)
    expectUnharmed(target.pid)
  })

  test('forks is seen alone, its children are not', async () => {
    const pid = await busy('fork')
    const published = await publish(['record', `${pid}`, '-d', '2', '-F', '199'])
    expectRbspy(published)
    expect(published.folded.total).toBeLessThan(1.5 * 2 * 199)
    expectUnharmed(pid)
  })

  test('becomes another program is seen until then', async () => {
    const target = startRuby(12, 'exec')
    await untilBusy(target.pid)
    const published = await publish(['record', `${target.pid}`, '-d', '15', '-F', '199'])
    expect(published.folded.share('handle')).toBeGreaterThan(0.9)
    expect(profilersOf(target.pid)).toEqual([])
  })
})

/** A copy of libruby that says it is another version of the same length: `3.1.9` for `3.1.2`. */
function pretend(change: (version: string) => string): string {
  const config =
    'puts RbConfig::CONFIG.values_at("libdir", "LIBRUBY_SO", "LIBRUBY_SONAME", "RUBY_PROGRAM_VERSION")'
  const [folder, file, name, version] = execFileSync('ruby', ['-e', config]).toString().split('\n')
  const archive = execFileSync('ruby', [
    '-e',
    'puts RbConfig::CONFIG["archlibdir"] || RbConfig::CONFIG["libdir"]',
  ])
    .toString()
    .trim()
  const library = [archive, folder!]
    .map(each => path.join(each, file!))
    .find(each => fs.existsSync(each))!
  const text = fs.readFileSync(library).toString('latin1')
  const copy = path.join(temporaryFolder(), name!)
  // Where it describes itself, and `ruby_version`: two strings of their own.
  const changed = text
    .replaceAll(`ruby ${version}`, `ruby ${change(version!)}`)
    .replaceAll(`\0${version}\0`, `\0${change(version!)}\0`)
  fs.writeFileSync(copy, Buffer.from(changed, 'latin1'))
  return path.dirname(copy)
}

describeWith(needed, 'a Ruby of a version that rbspy does not know', () => {
  // Without its gems, which look at the version themselves.
  const busyAs = (folder: string) => {
    return busy('burn', ['env', `LD_LIBRARY_PATH=${folder}`, 'RUBYOPT=--disable=gems'])
  }

  test('is read as the newest patch that it knows, and that is said', async () => {
    const pid = await busyAs(pretend(version => version.replace(/\d$/, '9')))
    const published = await publish(['record', `${pid}`, '-d', '2', '-F', '499'])
    expectRbspy(published)
    expectShares(published)
    expect(published.receipt.record.target.version).toMatch(/\.9$/)
    expect(published.receipt.record.remarks.join()).toMatch(
      /rbspy does not know Ruby \d\.\d\.9, and reads it as \d\.\d\.\d/,
    )
  })

  test('is sampled by perf, where the minor version is another', async () => {
    const pid = await busyAs(pretend(version => version.replace(/\.\d\./, '.8.')))
    const { receipt } = await publish(['record', `${pid}`, '-d', '1', '-F', '499'])
    expect(Object.keys(receipt.record.tools)).toContain('perf')
    const remarks = receipt.record.remarks.join()
    expect(remarks).toMatch(/rbspy is not used: rbspy does not know Ruby \d\.8/)
    expect(remarks).toContain("perf sees the interpreter's C functions, not the Ruby methods")
    expect(receipt.quality.level).not.toBe('trusted')
    expectUnharmed(pid)
  })
})

describeWith(needed, 'an rbspy that', () => {
  const withRbspy = (script: string) => {
    const folder = temporaryFolder()
    const version = '[ "$1" = --version ] && exec echo rbspy 0.0'
    fs.writeFileSync(path.join(folder, 'rbspy'), `#!/bin/sh\n${version}\n${script}\n`, {
      mode: 0o755,
    })
    return { env: { PATH: `${folder}:${process.env.PATH}` } }
  }
  const lie =
    'echo "Warning: no profile samples were collected" >&2; echo "Wrote formatted output" >&2'

  test('says that it wrote, and wrote nothing, is replaced by perf', async () => {
    const pid = await busy()
    const { receipt } = await publish(['record', `${pid}`, '-d', '1'], withRbspy(`${lie}; exit 1`))
    expect(receipt.record.remarks.join()).toMatch(/rbspy failed, so perf was used/)
  })

  test('says so and calls it a success gave no sample', async () => {
    const { pid } = startRuby(60)
    await untilBusy(pid)
    const args = ['record', `${pid}`, '-d', '1', '--tool', 'rbspy', '--json']
    const result = await sp(args, withRbspy(`${lie}; exit 0`))
    expect(linesOf(result).at(-1)!.error).toMatchObject({ code: 'SP_NO_SAMPLES' })
  })

  test('finds no Ruby says what it said', async () => {
    const pid = start('ruby', ['-e', 'sleep 60']).pid
    await sleep(500)
    const words = `echo "Something went wrong while rbspy was sampling the process. Here's what we know:" >&2; echo "- get ruby VM state" >&2; echo "- odd" >&2`
    const args = ['record', `${pid}`, '-d', '1', '--tool', 'rbspy', '--json']
    const result = await sp(args, withRbspy(`${words}; exit 1`))
    expect(result.stderr).toContain('rbspy ended with exit code 1: get ruby VM state: odd')
  })
})
