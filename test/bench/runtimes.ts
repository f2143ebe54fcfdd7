// What a capture costs a target of each runtime, with the tool that is used for it: how much it is slowed,
// how soon sampling begins after the ask, and how many samples a CPU-second it gives.
//
// Each target prints how long a piece of its work took. The real command samples it now and then, and
// the pieces from within a capture are held against those from just before and just after it.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import readline from 'node:readline'
import { buildDotnet, dotnetRuntimes } from '../apps/dotnet.ts'
import { removeLeftovers } from '../apps/leftovers.ts'
import { line } from './line.ts'
import { command, median, scratchFolder } from './measure.ts'
import { type Window, watchPace } from './own-pace.ts'
import { sleep } from './while-captured.ts'

/** The rate, and what a target may be slowed by it, in percent. */
const budgets = [
  [99, 1],
  [999, 4],
] as const
const turns = 3
const seconds = 2
// Long enough for a JIT to have its say.
const warmUpMs = 1500
const aloneMs = 1000
// What was printed and looked at until then has come in.
const settleMs = 50

const folder = scratchFolder()
const apps = path.join(import.meta.dirname, '../apps')
// Should we be killed, it ends by itself.
const lifetime = '120'

interface Program {
  readonly name: string
  /** Where it is not the first choice. */
  readonly tool?: string
  readonly command: () => readonly [string, ...string[]]
  /** From the ask to the first sample. */
  readonly beginsWithin?: number
  /** It samples as often as it will, whatever is asked for: a millisecond after the last sample. */
  readonly hasOwnRate?: boolean
}

const dotnet = (): [string, string, string] => [
  path.join(dotnetRuntimes['8.0.4'], 'dotnet'),
  buildDotnet('shares', folder),
  lifetime,
]

const programs: readonly Program[] = [
  {
    name: 'native by perf',
    command: () => {
      const loop = path.join(folder, 'loop')
      const source = path.join(import.meta.dirname, 'loop.c')
      execFileSync('cc', ['-O2', '-fno-omit-frame-pointer', '-o', loop, source])
      return [loop]
    },
  },
  {
    name: 'Go by perf',
    command: () => {
      const service = path.join(folder, 'service')
      const cwd = path.join(apps, 'go')
      execFileSync('go', ['build', '-buildvcs=false', '-o', service, '.'], { cwd })
      return [service, lifetime]
    },
  },
  {
    name: 'CPython by py-spy',
    command: () => [pythonItself(), path.join(apps, 'cpython/burn.py'), lifetime],
  },
  {
    name: 'Ruby by rbspy',
    command: () => ['ruby', path.join(apps, 'ruby/shares.rb'), lifetime],
  },
  {
    name: 'Node by inspector',
    command: () => [process.execPath, path.join(apps, 'node/service.js'), lifetime],
  },
  {
    name: 'JVM by asprof',
    command: () => {
      execFileSync('javac', [
        '-J-XX:-UsePerfData',
        '-d',
        folder,
        path.join(apps, 'jvm/Shares.java'),
      ])
      return ['java', '-Xmx64m', '-XX:+UseSerialGC', '-cp', folder, 'Shares', lifetime]
    },
    beginsWithin: 2,
  },
  { name: '.NET by perf', command: dotnet, beginsWithin: 2 },
  {
    name: '.NET by eventpipe',
    tool: 'eventpipe',
    command: dotnet,
    beginsWithin: 2,
    hasOwnRate: true,
  },
  {
    name: 'BEAM by perf',
    command: () => {
      execFileSync('erlc', ['-o', folder, path.join(apps, 'erlang/shares.erl')])
      const run = ['-noshell', '-pa', folder, '-run', 'shares', 'main', lifetime]
      return ['erl', '+JPperf', 'true', ...run]
    },
  },
  { name: 'PHP by perf', command: () => ['php', path.join(apps, 'php/shares.php'), lifetime] },
]

// `node runtimes.ts Ruby` measures that one.
const only = process.argv[2] ?? ''
for (const program of programs) if (program.name.startsWith(only)) await measure(program)

async function measure(program: Program): Promise<void> {
  const began: number[] = []
  for (const [hertz, mostSlowed] of budgets.slice(program.hasOwnRate ? 1 : 0)) {
    const target = start(program.command())
    try {
      await sleep(warmUpMs)
      const captures: Captured[] = []
      const alone = [await pause()]
      for (let turn = 0; turn < turns; turn++) {
        captures.push(await capture(target.pid, hertz, program))
        alone.push(await pause())
      }
      await sleep(settleMs)
      const slowed = captures.map(({ window }, turn) => {
        const beside = target.pace(alone.slice(turn, turn + 2))
        return (target.pace([window]) / beside - 1) * 100
      })
      // A runtime that was never asked before is the slowest to answer, and the usual one.
      began.push(captures[0]!.beganSeconds)
      const name = `${program.name}${program.hasOwnRate ? '' : ` at ${hertz} Hz`}`
      line(`${name}, target slowed`, Math.max(0, median(slowed)), '%', { most: mostSlowed })
      const achieved = median(captures.map(({ achievedHertz }) => achievedHertz))
      const least = Math.floor(hertz * (program.hasOwnRate ? 0.5 : 0.9))
      line(`${name}, achieved`, achieved, 'Hz', { least })
    } finally {
      target.end()
    }
  }
  const most = program.beginsWithin ?? 1
  line(`${program.name}, first ask to first sample`, Math.min(...began), 's', { most })
}

async function pause(): Promise<Window> {
  const fromMs = performance.now()
  await sleep(aloneMs)
  return [fromMs, performance.now()]
}

interface Target {
  readonly pid: number
  readonly pace: (windows: readonly Window[]) => number
  end(): void
}

function start([file, ...args]: readonly [string, ...string[]]): Target {
  const child = spawn(file, args, {
    cwd: folder,
    env: { ...process.env, PACE: '1' },
    // Node says there that somebody is attached.
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const end = () => {
    child.kill('SIGKILL')
    removeLeftovers(child.pid!)
  }
  process.on('exit', end)
  const pace = watchPace(child)
  return {
    pid: child.pid!,
    pace,
    end() {
      process.off('exit', end)
      end()
    },
  }
}

interface Captured {
  readonly beganSeconds: number
  /** When it was sampled. */
  readonly window: Window
  readonly achievedHertz: number
}

async function capture(pid: number, hertz: number, { tool, name }: Program): Promise<Captured> {
  const askedMs = performance.now()
  const usual = ['-d', `${seconds}`, '-F', `${hertz}`, '--json', '--to', `file:${folder}`]
  const args = ['record', `${pid}`, ...usual, ...(tool === undefined ? [] : ['--tool', tool])]
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stderr!.setEncoding('utf8').on('data', piece => {
    said += piece
  })
  const { receipt, atMs } = await readReceipt(child)
  const [status] = await once(child, 'exit')
  const used = receipt === undefined ? 'nothing' : Object.keys(receipt.record.tools).join()
  if (status !== 0 || receipt === undefined || !used.includes(name.split(' by ')[1]!)) {
    throw new Error(`record of ${name} ended with ${status}, using ${used}: ${said}`)
  }
  const { record, quality, afterMs } = receipt
  const endMs = atMs - afterMs
  const startMs = endMs - record.durationMs
  return {
    beganSeconds: (startMs - askedMs) / 1000,
    window: [startMs, endMs],
    // Beside other work a sampler of busy threads by the clock has more: it sees those that wait for a core.
    achievedHertz: quality.achievedHertz ?? quality.samples! / (record.durationMs / 1000),
  }
}

/** What of the receipt is measured here. */
interface Receipt {
  readonly afterMs: number
  readonly record: { readonly durationMs: number; readonly tools: Readonly<Record<string, string>> }
  readonly quality: { readonly achievedHertz?: number; readonly samples?: number }
}

async function readReceipt(child: ChildProcess) {
  let found: { receipt: Receipt | undefined; atMs: number } = { receipt: undefined, atMs: 0 }
  for await (const text of readline.createInterface({ input: child.stdout! })) {
    const { receipt } = JSON.parse(text) as { receipt?: Receipt }
    if (receipt !== undefined) found = { receipt, atMs: performance.now() }
  }
  return found
}

/** Not what PATH has: that may be a version manager's script. */
function pythonItself(): string {
  return execFileSync('python3', ['-c', 'import sys; print(sys.executable)']).toString().trim()
}
