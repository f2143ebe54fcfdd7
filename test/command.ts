// Runs the real command as a person does, and reads what it said.

import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporaryFolder } from './temporary.ts'

const program = path.resolve(import.meta.dirname, '../scripts/sp-flamegraph')

export interface CommandOptions {
  /** A program and its arguments that start the command: `setpriv --bounding-set=… --`. */
  readonly under?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** For standard input. */
  readonly input?: string | Uint8Array
}

export interface Result {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess & { pid: number }
  readonly result: Promise<Result>
  /** Waits until it has said this on stderr or stdout. */
  saying(words: string | RegExp): Promise<void>
}

/** Starts `sp-flamegraph` with these arguments, and no setting from our own environment. */
export function startCommand(args: readonly string[], options: CommandOptions = {}): Running {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('SP_FLAMEGRAPH_'))
  const [file, ...rest] = [...(options.under ?? []), program, ...args] as [string, ...string[]]
  const child = spawn(file, rest, {
    cwd: options.cwd ?? temporaryFolder(),
    // What is kept in the temporary folder when a capture cannot be published goes with the test.
    env: { ...Object.fromEntries(own), TMPDIR: temporaryFolder(), ...options.env },
  }) as ChildProcess & { pid: number }
  child.stdin!.on('error', () => {}).end(options.input)
  const stdout: Buffer[] = []
  let stderr = ''
  child.stdout!.on('data', (piece: Buffer) => stdout.push(piece))
  child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
    stderr += piece
  })
  const result = new Promise<Result>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout: Buffer.concat(stdout), stderr })
    })
  })
  return {
    child,
    result,
    saying: words =>
      new Promise((resolve, reject) => {
        const look = () => {
          const said = stderr + Buffer.concat(stdout).toString()
          if (typeof words === 'string' ? said.includes(words) : words.test(said)) resolve()
        }
        child.stdout!.on('data', look)
        child.stderr!.on('data', look)
        child.on('close', () => reject(new Error(`it ended without saying ${words}: ${stderr}`)))
        look()
      }),
  }
}

export function sp(args: readonly string[], options?: CommandOptions): Promise<Result> {
  return startCommand(args, options).result
}

/** A line of `--json`. Loose on purpose: a test looks at the part that it is about. */
export interface Line {
  readonly state?: string
  readonly message?: string
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what the tests are about
  readonly receipt?: any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly live?: any
  readonly error?: { readonly code: string; readonly message: string; readonly facts: object }
  readonly targets?: readonly { readonly pid: number; readonly comm: string }[]
}

/** The lines of `--json`; throws where standard output holds anything else. */
export function linesOf({ stdout }: Result): Line[] {
  const text = stdout.toString()
  if (text !== '' && !text.endsWith('\n')) throw new Error(`the last line is cut: ${text}`)
  return text
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line))
}

export interface Published {
  readonly result: Result
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly receipt: any
  readonly lines: readonly Line[]
  readonly folder: string
  /** What was published under this name. */
  read(name: string): Buffer
  readonly folded: Folded
}

/** Runs the command with `--json` into a folder of its own, and reads what it published there. */
export async function publish(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Published> {
  const result = await sp([...args, '--json', `--to=file:${temporaryFolder()}`], options)
  return readPublished(result)
}

/** @throws where nothing was published, with what was said instead */
export function readPublished(result: Result): Published {
  const lines = linesOf(result)
  const receipt = lines.find(line => line.receipt !== undefined)?.receipt
  if (result.code !== 0 || receipt === undefined) {
    throw new Error(`exit code ${result.code}: ${result.stderr}${result.stdout}`)
  }
  const folder = receipt.place.replace(/^file:/, '')
  const read = (name: string) => fs.readFileSync(path.join(folder, name))
  return {
    result,
    receipt,
    lines,
    folder,
    read,
    get folded() {
      return readStacks(read('profile.folded').toString())
    },
  }
}

export interface Folded {
  readonly total: number
  readonly stacks: readonly { readonly frames: readonly string[]; readonly weight: number }[]
  /** The share of the weight whose stack has a frame of this name. */
  share(name: string | RegExp): number
  has(name: string | RegExp): boolean
}

/** Read here by hand, so that a fault in our own reader cannot hide one in our own printer. */
export function readStacks(text: string): Folded {
  const stacks = text
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const space = line.lastIndexOf(' ')
      return {
        frames: line.slice(0, space).split(';'),
        weight: Number(line.slice(space + 1)),
      }
    })
  const total = stacks.reduce((sum, { weight }) => sum + weight, 0)
  const weightWith = (name: string | RegExp) => {
    const is = (frame: string) => (typeof name === 'string' ? frame === name : name.test(frame))
    return stacks
      .filter(({ frames }) => frames.some(is))
      .reduce((sum, { weight }) => sum + weight, 0)
  }
  return {
    total,
    stacks,
    share: name => weightWith(name) / total,
    has: name => weightWith(name) > 0,
  }
}

/** Waits until a profiler has sampled this pid for most of a second. */
export async function untilSampled(pid: number): Promise<void> {
  for (let tries = 0; tries < 500 && profilersOf(pid).length === 0; tries++) await sleep(20)
  await sleep(800)
}

/** The arguments of processes that were started for this pid, and still run. */
export function profilersOf(pid: number): string[] {
  return fs
    .readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => {
      try {
        const words = fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')
        return words.includes(`--pid=${pid}`) ? [words.join(' ')] : []
      } catch {
        // It ended while we looked.
        return []
      }
    })
}
