// How much a target is slowed: the pace of one loop, with a capture and without, in turns.

import { execFileSync, spawn } from 'node:child_process'
import path from 'node:path'
import readline from 'node:readline'
import { startCapture } from '../../agent/capture/drivers.ts'
import { readSegments } from '../../agent/profile/read-segments.ts'
import { planned } from '../planned.ts'
import { line } from './line.ts'
import { median, scratchFolder } from './measure.ts'

const turns = 8
const turnMs = 1000
// perf takes half a second to begin and to end; nothing is measured then.
const settleMs = 500

const loop = path.join(scratchFolder(), 'loop')
execFileSync('cc', ['-O2', '-fno-omit-frame-pointer', '-o', loop, `${import.meta.dirname}/loop.c`])
const target = spawn(loop, [], { stdio: ['ignore', 'pipe', 'inherit'] })
process.on('exit', () => target.kill('SIGKILL'))

/** How long each piece of the loop took, since the last one was asked for. */
let pieces: number[] = []
readline.createInterface({ input: target.stdout! }).on('line', text => pieces.push(Number(text)))

for (const [hertz, most] of [
  [99, 1],
  [999, 4],
] as const) {
  const slowed: number[] = []
  for (let turn = 0; turn < turns; turn++) {
    const alone = await pace(turnMs)
    const sampled = await whileSampled(hertz, () => pace(turnMs))
    slowed.push((sampled / alone - 1) * 100)
  }
  line(`a target slowed at ${hertz} Hz`, Math.max(0, median(slowed)), '%', { most })
}
target.kill('SIGKILL')

/** Of the undisturbed pieces: the other work of the machine only ever adds, and in turns to both. */
async function pace(ms: number): Promise<number> {
  pieces = []
  await sleep(ms)
  const sorted = pieces.toSorted((a, b) => a - b)
  // A quarter from the fastest: the median is another process's doing on a busy machine.
  return sorted[sorted.length >> 2]!
}

async function whileSampled<T>(hertz: number, measure: () => Promise<T>): Promise<T> {
  const stop = new AbortController()
  const { segments, ended } = await startCapture(
    planned(target.pid!, { tool: 'perf', hertz, durationMs: 60_000 }),
    { stop: stop.signal, discard: new AbortController().signal },
  )
  const read = readSegments(segments, { mode: 'cpu' })
  await sleep(settleMs)
  const measured = await measure()
  stop.abort()
  await Promise.all([read, ended])
  await sleep(settleMs)
  return measured
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
