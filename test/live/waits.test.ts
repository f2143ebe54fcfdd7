// Where threads wait: programs that measure their own waits, held against what we say.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startCapture } from '../../agent/capture/drivers.ts'
import { readSegments } from '../../agent/profile/read-segments.ts'
import { buildGo, compile, describeWith, findOnPath, start } from '../apps/apps.ts'
import { linesOf, type Published, profilersOf, publish, sp } from '../command.ts'
import { planned } from '../planned.ts'
import { temporaryFolder } from '../temporary.ts'

const flags = ['-fno-optimize-sibling-calls', '-lpthread']

interface Waits {
  readonly pid: number
  readonly child: ReturnType<typeof start>
  /** What it measured itself, when it has ended: shares of its run. */
  truth(): Promise<ReadonlyMap<string, number>>
}

async function startWaits(scenario: string, seconds: number): Promise<Waits> {
  const child = start(compile('waits', flags), [scenario, `${seconds}`])
  let said = ''
  child.stdout!.setEncoding('utf8').on('data', (piece: string) => {
    said += piece
  })
  const ended = once(child, 'close')
  await sleep(300)
  return {
    pid: child.pid,
    child,
    async truth() {
      await ended
      const lines = said.trim().split('\n')
      return new Map(lines.map(line => [line.split(' ')[0]!, Number(line.split(' ')[1])]))
    },
  }
}

/** Share of one thread's time in stacks with these frames. */
function shareOfThread({ folded }: Published, thread: string, ...frames: string[]): number {
  const own = folded.stacks.filter(stack => stack.frames.includes(thread))
  const sum = (stacks: typeof own) => stacks.reduce((all, { weight }) => all + weight, 0)
  return sum(own.filter(stack => frames.every(frame => stack.frames.includes(frame)))) / sum(own)
}

const record = (pid: number, mode: string, ...more: string[]) =>
  publish(['record', `${pid}`, '-d', '3', '--mode', mode, ...more])

describeWith(['perf', 'cc', 'setpriv', 'root'], 'the time of threads', () => {
  test('is split into work, sleep and what was blocked before, and all of it is there', async () => {
    const { pid, truth } = await startWaits('mix', 8)
    const published = await record(pid, 'both', '-F', '999')
    const shares = await truth()
    const resting = shareOfThread(published, 'waits', '[off-CPU]', 'rest')
    expect(resting).toBeGreaterThan(shares.get('rest')! * 0.75)
    expect(resting).toBeLessThan(shares.get('rest')! * 1.25)
    // How much of a core it gets changes with what else runs: the window's own account is the truth.
    const { cpuSeconds } = published.receipt.record
    const working = (published.folded.share('[on-CPU]') * published.folded.total) / 1e9
    expect(working).toBeGreaterThan(cpuSeconds * 0.75)
    expect(working).toBeLessThan(cpuSeconds * 1.25 + 0.05)
    expect(shareOfThread(published, 'waits', '[on-CPU]', 'work')).toBeGreaterThan(0.05)
    expect(shareOfThread(published, 'forever', '[blocked before the start]')).toBe(1)
    expect(published.receipt.quality.accounted).toBeGreaterThan(0.99)
    // The window of two threads, each in whole.
    expect(published.folded.total / 1e9).toBeGreaterThan(2 * 2.9)
    expect(published.folded.total / 1e9).toBeLessThan(2 * 3.4)
    expect(published.receipt.verdict.evidence[0]).toMatch(/time to pass .*on-CPU/)
  })

  test('is the same in one picture without the split', async () => {
    const { pid } = await startWaits('mix', 8)
    const published = await record(pid, 'wall')
    expect(published.folded.has(/^\[o/)).toBe(false)
    expect(published.folded.has('work')).toBe(true)
    expect(published.folded.has('[blocked before the start]')).toBe(true)
  })

  test('that is spent waiting for a lock is said to be', async () => {
    const { pid, truth } = await startWaits('lock', 8)
    const published = await record(pid, 'off-cpu')
    const wanting = shareOfThread(published, 'waits', '[off-CPU]', 'want_lock')
    const expected = (await truth()).get('want_lock')!
    expect(wanting).toBeGreaterThan(expected * 0.75)
    expect(wanting).toBeLessThan(expected * 1.25)
    expect(published.receipt.verdict.headline).toMatch(/of the waiting is for a (?:lock|futex)/)
    expect(published.receipt.quality.level).toBe('trusted')
  })

  test('that is spent reading a pipe is said to be', async () => {
    const { pid } = await startWaits('pipe', 8)
    const published = await record(pid, 'off-cpu')
    expect(shareOfThread(published, 'waits', '[off-CPU]', 'read_one')).toBeGreaterThan(0.9)
    expect(published.receipt.verdict.headline).toMatch(/of the waiting is for pipes/)
  })

  test('that is spent without a core is apart: two threads that share one', async () => {
    const { pid, truth } = await startWaits('burners', 9)
    const published = await record(pid, 'both', '-F', '499')
    const shares = await truth()
    for (const [thread, name] of [
      ['waits', 'first'],
      ['second', 'second'],
    ] as const) {
      const running = shareOfThread(published, thread, '[on-CPU]')
      const ready = shareOfThread(published, thread, '[preempted]')
      expect(running + ready).toBeGreaterThan(0.9)
      expect(running).toBeGreaterThan(shares.get(name)! * 0.6)
      expect(running).toBeLessThan(shares.get(name)! * 1.5)
    }
    expect(published.receipt.verdict.headline).toContain('waiting for a core')
  })

  test('of a program that ends in the middle is counted until then', async () => {
    const { pid, child } = await startWaits('mix', 60)
    const running = publish(['record', `${pid}`, '-d', '20', '--mode', 'both'])
    for (let tries = 0; tries < 200 && profilersOf(pid).length === 0; tries++) await sleep(20)
    await sleep(2000)
    child.kill('SIGKILL')
    const { folded, receipt } = await running
    expect(receipt.record.remarks[0]).toMatch(/^The target ended after/)
    expect(receipt.quality.accounted).toBeGreaterThan(0.95)
    expect(folded.total / 2e9).toBeLessThan(receipt.record.durationMs / 1000 + 0.5)
    expect(folded.has('rest')).toBe(true)
  })

  test('of a program that does nothing is a picture, not a failure', async () => {
    const { pid } = start('sleep', ['60'])
    await sleep(100)
    const { folded, receipt } = await publish(['record', `${pid}`, '-d', '1', '--mode', 'off-cpu'])
    expect(folded.stacks.map(({ frames }) => frames)).toEqual([
      ['[blocked before the start]', 'sleep'],
    ])
    expect(receipt.verdict.headline).toContain('nothing holds them up')
  })

  test('is not lost when threads switch all the time, and the rate of stacks is said', async () => {
    const { pid } = await startWaits('switches', 8)
    const { receipt, read } = await record(pid, 'off-cpu')
    const summary = JSON.parse(read('summary.json').toString())
    expect(summary.notes.join()).toMatch(/Of \d+ stacks one was taken/)
    expect(receipt.quality.accounted).toBeGreaterThan(0.5)
    expect(profilersOf(pid)).toEqual([])
  })

  test('is refused, with what to grant, where the kernel hides switches', async () => {
    const folder = temporaryFolder()
    const { pid } = await startWaits('mix', 5)
    const under = ['setpriv', '--bounding-set=-sys_admin,-perfmon', '--']
    const result = await sp(
      ['record', `${pid}`, '-d', '1', '--mode', 'off-cpu', '--json', `--to=file:${folder}`],
      { under },
    )
    expect(result.code).toBe(4)
    expect(result.stderr).toContain('add the capability PERFMON')
    expect(linesOf(result).at(-1)).toMatchObject({ error: { code: 'SP_NOT_PERMITTED' } })
  })
})

describeWith(['perf', 'cc', 'setpriv', 'root'], 'a target that switches too often', () => {
  test('is captured until there are too many bytes, and that is said', async () => {
    const { pid } = await startWaits('switches', 20)
    const described = planned(pid, { tool: 'perf', mode: 'off-cpu', durationMs: 15_000 })
    if (described.tool !== 'perf') throw new Error('it is not perf')
    const never = new AbortController().signal
    const { segments, ended } = await startCapture(
      { ...described, switches: { period: 1, copyingPeriod: 1, maxBytes: 2_000_000 } },
      { stop: never, discard: never },
    )
    const { perf } = await readSegments(segments, { mode: 'off-cpu' }).whole
    const { notes, startedMs, endedMs } = await ended
    expect(notes.join()).toMatch(/^Stopped after \d+\.\d s: the target switches so often that 2 MB/)
    expect(endedMs - startedMs).toBeLessThan(14_000)
    expect(perf!.waiting!.switches).toBeGreaterThan(1000)
  })
})

describeWith(['perf', 'python3', 'setpriv', 'root'], 'Python', () => {
  test('that sleeps is seen to, by the interpreter’s own call', async () => {
    const python = findOnPath('python3')!
    const { pid } = start(python, ['-c', 'import time\nwhile True: time.sleep(0.01)'])
    await sleep(500)
    const { receipt } = await record(pid, 'off-cpu')
    expect(receipt.verdict.headline).toContain('wait for something to do')
    expect(receipt.verdict.seen[0]).toMatchObject({ what: 'time to pass' })
  })
})

describeWith(['perf', 'go', 'setpriv', 'root'], 'Go', () => {
  test('that works shows its own threads idle, and its work on the CPU', async () => {
    const { pid } = start(buildGo(), ['20'])
    await sleep(500)
    const { folded, receipt } = await record(pid, 'both', '-F', '499')
    const onCpu = folded.stacks.filter(({ frames }) => frames[0] === '[on-CPU]')
    expect(onCpu.some(({ frames }) => frames.includes('main.parse'))).toBe(true)
    expect(receipt.quality.accounted).toBeGreaterThan(0.95)
  })
})

describeWith(['perf', 'cc', 'setpriv', 'root'], 'counters beside a capture', () => {
  test('are in the receipt, the manifest, the summary and the picture', async () => {
    const { pid } = await startWaits('mix', 6)
    const { receipt, read } = await publish(['record', `${pid}`, '-d', '2', '--stat'])
    const switches = receipt.record.counters.counters.find(
      ({ event }: { event: string }) => event === 'context-switches',
    )
    expect(switches.value).toBeGreaterThan(100)
    expect(receipt.record.counters.cpus).toBeGreaterThan(0.05)
    for (const name of ['manifest.json', 'summary.json']) {
      expect(JSON.parse(read(name).toString()).counters.counters).toContainEqual(switches)
    }
    expect(read('flame.svg').toString()).toContain('context switches')
    expect(profilersOf(pid)).toEqual([])
  })

  test('are there with a tool that is not perf', async () => {
    const { pid } = start(findOnPath('python3')!, ['-c', 'while True: sum(range(1000))'])
    await sleep(500)
    const { receipt } = await publish(['record', `${pid}`, '-d', '1', '--stat'])
    expect(receipt.record.counters.cpus).toBeGreaterThan(0.05)
  })
})
