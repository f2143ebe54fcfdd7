// What the flight recorder costs while nobody asks: perf itself, and the process that it records.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { recorderArguments } from '../../agent/capture/recorder.ts'
import { line } from './line.ts'
import { median, scratchFolder } from './measure.ts'
import { watchPace } from './own-pace.ts'
import { usageOf } from './processes.ts'
import { sleep } from './while-captured.ts'

const turns = 5
const turnMs = 2000
const idleMs = 60_000

const folder = scratchFolder()
const loop = path.join(folder, 'loop')
execFileSync('cc', ['-O2', '-fno-omit-frame-pointer', '-o', loop, `${import.meta.dirname}/loop.c`])
const target = spawn(loop, [], { stdio: ['ignore', 'pipe', 'inherit'] })
process.on('exit', () => target.kill('SIGKILL'))
const pace = watchPace(target)
await sleep(turnMs)

const slowed: number[] = []
for (let turn = 0; turn < turns; turn++) {
  const alone = await during(turnMs)
  const perf = await record(turn)
  const recorded = await during(turnMs)
  await end(perf)
  slowed.push((pace([recorded]) / pace([alone]) - 1) * 100)
}
line('a target slowed by the recorder', Math.max(0, median(slowed)), '%', { most: 1 })

const perf = await record(turns)
const before = usageOf(perf.pid!)
await sleep(idleMs)
const after = usageOf(perf.pid!)
const seconds = (after.atMs - before.atMs) / 1000
line('recorder, CPU of perf', ((after.cpuSeconds - before.cpuSeconds) / seconds) * 100, '%', {
  most: 0.05,
})
line('recorder, RSS of perf', after.megabytes, 'MB', { most: 20 })
await end(perf)
target.kill('SIGKILL')

async function record(turn: number) {
  const own = path.join(folder, `ring-${turn}`)
  fs.mkdirSync(own)
  const perf = spawn('perf', recorderArguments(target.pid!, own, true), { stdio: 'ignore' })
  process.on('exit', () => perf.kill('SIGKILL'))
  // perf is at work after a third of a second.
  await sleep(1000)
  return perf
}

async function end(perf: Awaited<ReturnType<typeof record>>): Promise<void> {
  perf.kill('SIGINT')
  await once(perf, 'exit')
}

async function during(ms: number): Promise<readonly [number, number]> {
  const from = performance.now()
  await sleep(ms)
  return [from, performance.now()]
}
