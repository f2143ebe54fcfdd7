// How much a target is slowed: the pace of one loop, with a capture and without, in turns.

import { execFileSync, spawn } from 'node:child_process'
import path from 'node:path'
import readline from 'node:readline'
import { line } from './line.ts'
import { median, scratchFolder } from './measure.ts'
import { sleep, whileCaptured } from './while-captured.ts'

const turns = 8
const turnMs = 1000

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
    const sampled = await whileCaptured(target.pid!, { hertz }, () => pace(turnMs))
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
