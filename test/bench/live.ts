// What looking costs a capture: the rate that it achieves and its own CPU time, with
// a line and a picture each second and without, in turns; and how soon the first
// picture is there.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { line } from './line.ts'
import { command, median, scratchFolder } from './measure.ts'
import { usageOf } from './processes.ts'
import { sleep } from './while-captured.ts'

const seconds = 10
const turns = 2
const folder = scratchFolder()

const burn = compiled(
  'burn',
  fs.readFileSync(`${import.meta.dirname}/../apps/native/burn.c`, 'utf8'),
)
const wide = compiled('wide', wideProgram())

for (const hertz of [99, 999]) {
  await measure(`C at ${hertz} Hz`, burn, hertz)
  await measure(`3,000 functions at ${hertz} Hz`, wide, hertz)
}

async function measure(name: string, program: string, hertz: number): Promise<void> {
  const target = spawn(program, [`${turns * 2 * (seconds + 10)}`], { stdio: 'ignore' })
  try {
    await sleep(1000)
    const [quiet, seen]: Run[][] = [[], []]
    for (let turn = 0; turn < turns; turn++) {
      quiet!.push(await record(target.pid!, hertz, undefined))
      seen!.push(
        await record(
          target.pid!,
          hertz,
          path.join(folder, `${path.basename(program)}-${hertz}-${turn}.svg`),
        ),
      )
    }
    const of = (runs: Run[] | undefined, get: (run: Run) => number) => median(runs!.map(get))
    const achieved = ({ achieved }: Run) => achieved
    const kept = of(seen, achieved) / of(quiet, achieved)
    line(`looking at ${name}, rate kept`, kept * 100, '%', { least: 98 })
    const cpu = ({ ownCpu }: Run) => ownCpu
    line(`looking at ${name}, CPU of it`, (of(seen, cpu) - of(quiet, cpu)) * 100, '%', { most: 5 })
    const first = of(seen, ({ firstPictureSeconds }) => firstPictureSeconds)
    line(`looking at ${name}, first picture`, first, 's', { most: 2 })
  } finally {
    target.kill('SIGKILL')
  }
}

interface Run {
  /** Samples of those that the CPU time explains. */
  readonly achieved: number
  /** Of a core, of us and perf, from the second second on. */
  readonly ownCpu: number
  readonly firstPictureSeconds: number
}

async function record(pid: number, hertz: number, live: string | undefined): Promise<Run> {
  const output = path.join(folder, 'summary.json')
  const args = ['-d', `${seconds}`, '-F', `${hertz}`, '--tool=perf', '--force', '-o', output]
  const more = live === undefined ? [] : ['--json', '--live', live]
  const beganMs = performance.now()
  const child = spawn(command, ['record', `${pid}`, ...args, ...more], { stdio: 'ignore' })
  const exited = once(child, 'exit')
  const whenSeen = live === undefined ? Promise.resolve(0) : untilThere(live, child, beganMs)
  await sleep(2000)
  const before = usageOf(child.pid!)
  await sleep((seconds - 3) * 1000)
  const after = usageOf(child.pid!)
  await exited
  const { quality } = JSON.parse(fs.readFileSync(output, 'utf8'))
  return {
    achieved: quality.samples / quality.expectedSamples,
    ownCpu: (after.cpuSeconds - before.cpuSeconds) / ((after.atMs - before.atMs) / 1000),
    firstPictureSeconds: await whenSeen,
  }
}

async function untilThere(file: string, child: ChildProcess, beganMs: number): Promise<number> {
  while (!fs.existsSync(file) && child.exitCode === null) await sleep(20)
  return (performance.now() - beganMs) / 1000
}

function compiled(name: string, source: string): string {
  const file = path.join(folder, name)
  fs.writeFileSync(`${file}.c`, source)
  const flags = ['-O1', '-fno-omit-frame-pointer', '-fno-inline', '-fno-optimize-sibling-calls']
  execFileSync('cc', [...flags, '-o', file, `${file}.c`])
  return file
}

/** Functions that call one another at random, some 30 deep: tens of thousands of different stacks. */
function wideProgram(): string {
  const count = 3000
  const body = (index: number) =>
    `static int f${index}(int depth) { return depth ? table[next() % ${count}](depth - 1) + 1 : work(); }`
  const indexes = Array.from({ length: count }, (_, index) => index)
  return `#include <stdlib.h>
#include <time.h>
typedef int (*function)(int);
static function table[${count}];
static unsigned seed = 1;
static unsigned next(void) { return (seed = seed * 1103515245u + 12345u) >> 8; }
static int work(void) { volatile int sum = 0; for (int i = 0; i < 2000; i++) sum += i; return sum; }
${indexes.map(body).join('\n')}
int main(int argc, char **argv) {
  time_t end = time(0) + atoi(argv[argc - 1]);
  ${indexes.map(index => `table[${index}] = f${index};`).join(' ')}
  while (time(0) < end) for (int i = 0; i < 1000; i++) table[next() % ${count}](next() % 30);
}
`
}
