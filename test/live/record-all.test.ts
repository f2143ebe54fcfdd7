// Every busy process at once, in a PID namespace of its own, so that what else
// this machine does is not captured.

import fs from 'node:fs'
import os from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { readArguments, readStat } from '../../agent/target/procfs.ts'
import { below, compile, describeWith } from '../apps/apps.ts'
import { type Line, linesOf, type Running, sp, startCommand } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const needed = ['perf', 'cc', 'setpriv', 'unshare', 'the right to unshare a PID namespace']

/** These programs run, and the command beside them. */
function startAll(programs: readonly string[], args: readonly string[]): Running {
  const others = programs.map(program => `${program} 60 & `).join('')
  const namespace = ['unshare', '-m', '-p', '-f', '--kill-child=KILL', '--mount-proc']
  const under = [...namespace, 'sh', '-c', `${others} sleep 0.2; "$@"; exit $?`, 'sh']
  const to = `--to=file:${temporaryFolder()}`
  return startCommand(['record', '--all', '--json', to, ...args], { under })
}

async function ended({ result: whole }: Running) {
  const result = await whole
  const lines = linesOf(result)
  return { result, lines, receipts: lines.flatMap(({ receipt }) => receipt ?? []) }
}

function recordAll(programs: readonly string[], args: readonly string[]) {
  return ended(startAll(programs, args))
}

/** Waits until so many are sampled: each perf below has its events open, and its target has run since. */
async function untilSampled(pid: number, count: number): Promise<void> {
  const samplers = () => below(pid).filter(each => hasEvents(each))
  const tries = 1500
  for (let each = 0; each < tries && samplers().length < count; each++) await sleep(20)
  expect(samplers().length).toBe(count)
  const burning = below(pid).filter(each => readStat(each).comm === 'burn')
  const since = new Map(burning.map(each => [each, readStat(each).cpuTicks]))
  const enough = (each: number) => readStat(each).cpuTicks - since.get(each)! >= sampledTicks
  for (let each = 0; each < tries && !burning.every(enough); each++) await sleep(20)
  expect(burning.every(enough)).toBe(true)
}

// Half a second of CPU time, in which perf at 99 Hz takes some fifty samples.
const sampledTicks = 50

function hasEvents(pid: number): boolean {
  try {
    if (readStat(pid).comm !== 'perf') return false
    return fs
      .readdirSync(`/proc/${pid}/fd`)
      .some(fd => fs.readlinkSync(`/proc/${pid}/fd/${fd}`) === 'anon_inode:[perf_event]')
  } catch {
    // It has just ended, or closed this one.
    return false
  }
}

function headlines(receipts: readonly Line['receipt'][]): string {
  return receipts.map(({ verdict }) => verdict.headline).join('\n')
}

describeWith(needed, 'record --all', () => {
  test('captures each busy process, under one incident', async () => {
    const programs = [compile('burn'), compile('shares'), 'sleep']
    const { result, receipts } = await recordAll(programs, ['-d', '2', '-F', '499'])
    expect(result.code).toBe(0)
    expect(receipts).toHaveLength(2)
    expect(headlines(receipts)).toContain('burn_inner')
    expect(receipts.map(({ record }) => record.target.comm).sort()).toEqual(['burn', 'shares'])
    expect(new Set(receipts.map(({ record }) => record.incident)).size).toBe(1)
    expect(new Set(receipts.map(({ place }) => place)).size).toBe(2)
  })

  test('keeps what it has when it is stopped, and begins nothing more', async () => {
    const slots = os.availableParallelism()
    const programs = Array.from({ length: slots + 1 }, () => compile('burn'))
    const running = startAll(programs, ['-d', '50'])
    await untilSampled(running.child.pid, slots)
    // The shell that started it has the same words in its arguments.
    const isCommand = (pid: number) => readArguments(pid)[0]!.endsWith('/node')
    process.kill(below(running.child.pid).find(isCommand)!, 'SIGTERM')
    const { result, lines, receipts } = await ended(running)
    expect(receipts).toHaveLength(slots)
    for (const { record } of receipts) expect(record.remarks[0]).toMatch(/^Stopped after/)
    expect(result.code).toBe(7)
    expect(lines.at(-1)).toMatchObject({
      message: `${slots} of ${slots + 1} captures are published`,
    })
  })

  test('says what one of them failed with, and goes on', async () => {
    const { result, lines } = await recordAll(
      [compile('burn')],
      ['-d', '500ms', '--tool', 'py-spy'],
    )
    expect(lines).toContainEqual(
      expect.objectContaining({ error: expect.objectContaining({ code: 'SP_TOOL_UNSUITABLE' }) }),
    )
    expect(result.code).toBe(2)
  })

  test('is refused where nothing is busy', async () => {
    const { result } = await recordAll(['sleep'], [])
    expect(result.stderr).toContain('no process is busy')
    expect(result.code).toBe(2)
  })
})

test.for([[['record', '--all', '1']], [['record', '--all', '-o', 'flame.svg']]])(
  '%j is wrong usage',
  async ([args]) => {
    const result = await sp(args!)
    expect(result.stderr).toContain('(SP_USAGE)')
    expect(result.code).toBe(2)
  },
)
