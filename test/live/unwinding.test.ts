// Code without frame pointers: found out, unwound by its own tables, held against the same
// program with frame pointers and against perf's own unwinder.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { compile, describeWith, start, startIsolated, untilBusy } from '../apps/apps.ts'
import { profilersOf, publish, readPublished, readStacks, sp, startCommand } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'
import { asSidecar } from './sidecar.ts'

const frameless = ['-O2', '-fomit-frame-pointer']
const framed = ['-O2', '-fno-omit-frame-pointer']
const names = ['alpha', 'beta', 'sorting'] as const

const record = (pid: number, ...more: string[]) =>
  publish(['record', `${pid}`, '-d', '4', '-F', '99', ...more])

async function startProgram(flags: readonly string[], ...more: string[]): Promise<number> {
  const { pid } = start(compile('frameless', flags), ['40', ...more])
  await untilBusy(pid)
  return pid
}

/** ±25 %, and what chance makes of so few samples. */
function isNear(share: number, expected: number, samples: number): boolean {
  const chance = 3 * Math.sqrt((expected * (1 - expected)) / samples)
  return Math.abs(share - expected) < expected * 0.25 + chance
}

describeWith(['perf', 'cc', 'setpriv'], 'a program without frame pointers', () => {
  test('that is killed before its stacks are copied keeps what frame pointers had shown', async () => {
    const pid = await startProgram(frameless)
    const to = `--to=file:${temporaryFolder()}`
    const running = startCommand(['record', `${pid}`, '-d', '5', '-F', '999', to, '--json'])
    await running.saying('sampling anew')
    process.kill(pid, 'SIGKILL')
    const { receipt } = readPublished(await running.result)
    const { unwinding, remarks } = receipt.record
    if (unwinding === 'frame pointers') {
      expect(remarks.join(' ')).toContain('this is what was sampled by frame pointers until then')
      expect(receipt.quality.samples).toBeGreaterThan(20)
    } else {
      // perf was quicker than we.
      expect(remarks.join(' ')).toContain('The target ended')
    }
  })

  test('is found out in the first second, and unwound by its tables', async () => {
    const pid = await startProgram(frameless)
    const { folded, receipt, read } = await record(pid)
    expect(receipt.record.unwinding).toBe('DWARF')
    expect(receipt.record.remarks).toContainEqual(
      expect.stringMatching(/^Frame pointers show no callers: sampling anew with copied stacks/),
    )
    expect(read('flame.svg').toString()).toContain('DWARF')
    expect(folded.share(/^main$/)).toBeGreaterThan(0.97)
    // Called by libc's own sort, which has no frame pointers either.
    expect(
      folded.stacks.some(({ frames }) => {
        return (
          frames.indexOf('sorting') >= 0 && frames.indexOf('compare') > frames.indexOf('sorting')
        )
      }),
    ).toBe(true)
    for (const [name, expected] of [
      ['alpha', 0.4],
      ['beta', 0.3],
      ['sorting', 0.3],
    ] as const) {
      expect([name, isNear(folded.share(name), expected, folded.total)]).toEqual([name, true])
    }
    expect(receipt.quality).not.toHaveProperty('shallow')
    expect(profilersOf(pid)).toEqual([])
  })

  test('has the shares that it has with frame pointers', async () => {
    const withFrames = await record(await startProgram(framed), '--call-graph', 'fp')
    expect(withFrames.receipt.record.unwinding).toBe('frame pointers')
    const without = await record(await startProgram(frameless), '--call-graph', 'dwarf')
    for (const name of ['alpha', 'beta']) {
      const [a, b] = [withFrames.folded, without.folded]
      const samples = Math.min(a.total, b.total) / 2
      expect([name, isNear(b.share(name), a.share(name), samples)]).toEqual([name, true])
    }
  })

  test('with frame pointers asked for shows no callers, and says what would', async () => {
    const pid = await startProgram(frameless)
    const { receipt } = await record(pid, '--call-graph', 'fp')
    expect(receipt.quality.shallow).toBeGreaterThan(0.5)
    expect(receipt.quality.reasons.join()).toContain('--call-graph dwarf')
  })

  test('that has them is not sampled anew', async () => {
    const { receipt } = await record(await startProgram(framed))
    expect(receipt.record.unwinding).toBe('frame pointers')
    expect(receipt.record.remarks).toEqual([])
  })

  test('whose stack is deeper than what is copied is cut, and that is counted', async () => {
    const pid = await startProgram(frameless, 'huge')
    const { receipt, folded } = await record(pid, '--call-graph', 'dwarf')
    expect(receipt.quality.truncated).toBeGreaterThan(0.9)
    expect(receipt.quality.reasons.join()).toMatch(/deeper than the 8 KB that were copied/)
    expect(folded.share('huge')).toBeGreaterThan(0.9)
    expect(folded.has('main')).toBe(false)
  })

  test('waits with whole stacks too', async () => {
    const flags = [...frameless, '-fno-optimize-sibling-calls', '-lpthread']
    const { pid } = start(compile('waits', flags), ['mix', '10'])
    await sleep(300)
    const { folded } = await record(pid, '--mode', 'off-cpu', '--call-graph', 'dwarf')
    // Its immediate caller too, which frame pointers never show of libc.
    const chain = ['main', 'rest', 'call_sleep']
    expect(
      folded.stacks.some(({ frames }) => {
        const at = frames.indexOf('main')
        return at >= 0 && chain.every((name, index) => frames[at + index] === name)
      }),
    ).toBe(true)
  })
})

describeWith(['perf', 'cc', 'c++', 'setpriv'], 'a C++ program as compilers make it', () => {
  test('has its callers', async () => {
    const { pid } = start(compile('shares.cpp', frameless), ['20'])
    await untilBusy(pid)
    const { folded } = await record(pid)
    expect(folded.share(/^main$/)).toBeGreaterThan(0.95)
  })
})

describeWith(['perf', 'cc'], 'a recording with copied stacks', () => {
  test('is unwound as perf does it', async () => {
    const pid = await startProgram(frameless)
    const folder = temporaryFolder()
    const file = path.join(folder, 'perf.data')
    const options = ['-q', '-B', '-N', '-e', 'cpu-clock', '-F', '199', '--call-graph', 'dwarf,8192']
    execFileSync('perf', ['record', ...options, '-p', `${pid}`, '-o', file, '--', 'sleep', '3'])
    const output = path.join(folder, 'out.folded')
    const result = await sp(['render', file, '-o', output])
    expect(result.code).toBe(0)
    const ours = readStacks(fs.readFileSync(output, 'utf8'))
    const text = execFileSync('perf', ['script', '-i', file, '--no-inline', '-F', 'ip,sym'], {
      maxBuffer: 256 << 20,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).toString()
    const blocks = text.split('\n\n').map(block => {
      return [...block.matchAll(/^\s+[0-9a-f]+ (\S+)/gm)].map(([, name]) => name!)
    })
    const theirs = blocks.filter(names => names.length > 0)
    expect(theirs.length).toBe(ours.total)
    const shareOf = (name: string) =>
      theirs.filter(names => names.includes(name)).length / theirs.length
    for (const name of ['_start', 'main', ...names]) {
      expect([name, Math.abs(ours.share(name) - shareOf(name)) < 0.02]).toEqual([name, true])
    }
  }, 60_000)
})

describeWith(
  ['perf', 'cc', 'setpriv', 'root', 'the right to unshare a mount namespace'],
  'in another mount namespace',
  () => {
    test('it is unwound by the target’s file, not by ours at the same path', async () => {
      const folder = temporaryFolder()
      const inside = path.join(folder, 'inside')
      fs.mkdirSync(inside)
      const program = path.join(inside, 'program')
      const own = path.join(temporaryFolder(), 'own')
      fs.copyFileSync(compile('frameless', frameless), own)
      // What we see at that path is another program, with other tables.
      fs.copyFileSync(compile('burn'), program)
      const bind = `mount --bind ${own} ${program}`
      const { pid } = startIsolated(bind, [program, '40'])
      await untilBusy(pid)
      const { folded, receipt } = await publish(['record', `${pid}`, '-d', '4'], {
        under: asSidecar,
        cwd: '/',
      })
      expect(receipt.record.unwinding).toBe('DWARF')
      expect(folded.share(/^main$/)).toBeGreaterThan(0.95)
      expect(folded.share('alpha')).toBeGreaterThan(0.25)
    })
  },
)
