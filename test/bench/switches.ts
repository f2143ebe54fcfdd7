// How much timing every switch slows a target: one that does nothing else, of which people are
// warned before the capture, and one that works for some 100 µs in between.

import { execFileSync, spawn } from 'node:child_process'
import path from 'node:path'
import readline from 'node:readline'
import { line } from './line.ts'
import { median, scratchFolder } from './measure.ts'
import { sleep, whileCaptured } from './while-captured.ts'

const turns = 6
const turnMs = 1000

const program = path.join(scratchFolder(), 'pingpong')
const source = path.join(import.meta.dirname, 'pingpong.c')
execFileSync('cc', ['-O1', '-fno-omit-frame-pointer', '-o', program, source, '-lpthread'])

for (const [what, work, most] of [
  ['that only switches', 0, 400],
  ['that works 100 µs between switches', 400_000, 5],
] as const) {
  const target = spawn(program, [`${work}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  process.on('exit', () => target.kill('SIGKILL'))
  let pieces: number[] = []
  readline.createInterface({ input: target.stdout! }).on('line', text => pieces.push(Number(text)))
  const pace = async () => {
    pieces = []
    await sleep(turnMs)
    const sorted = pieces.toSorted((a, b) => a - b)
    // A quarter from the fastest: other work of the machine only ever adds.
    return sorted[sorted.length >> 2]!
  }
  const slowed: number[] = []
  for (let turn = 0; turn < turns; turn++) {
    const alone = await pace()
    slowed.push(((await whileCaptured(target.pid!, { mode: 'off-cpu' }, pace)) / alone - 1) * 100)
  }
  target.kill('SIGKILL')
  line(`a target ${what} slowed by off-cpu`, Math.max(0, median(slowed)), '%', { most })
}
