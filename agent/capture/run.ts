// The only place where a process is started, and the facts of how it ended.
//
// No shell is ever given a string: a program and its arguments, nothing else.
//
// A tool must not outlive us, even when we are killed with -9: `setpriv
// --pdeathsig KILL` makes the kernel end it with us. KILL, because a tool that
// was started from a background job inherits SIGINT ignored. The traps: the
// signal comes when the *thread* that started it ends, so this runs on the main
// thread only; and a tool with file capabilities loses it (then its output pipe
// breaks instead).

import fs from 'node:fs'
import type { Duplex, Readable } from 'node:stream'
import { execa } from 'execa'
import { ProfilerError, systemCode } from '../errors.ts'

export interface ToolCommand {
  readonly path: string
  readonly args: readonly string[]
  /** Given to the tool as descriptor 3. */
  readonly outputFd?: number
  /** Descriptor 3 is a line to it, instead. */
  readonly isControlled?: boolean
  /** Variables that it needs beside PATH, LC_ALL and HOME. */
  readonly env?: Readonly<Record<string, string>>
}

/** How a tool ended: the same shape for success and failure. */
export interface ToolEnd {
  readonly exitCode: number | undefined
  readonly signal: string | undefined
  /** It did not stop when asked and was killed. */
  readonly killed: boolean
  readonly durationMs: number
  /** The last 4 KB of what it said. */
  readonly stderrTail: string
}

export interface RunningTool {
  readonly pid: number
  readonly stdout: Readable
  /** For those who wait for a word; its tail is kept in any case. */
  readonly stderr: Readable
  /** Tells it something on descriptor 3, where it listens there; who has ended hears nothing. */
  tell(words: string): void
  /** Asks it to stop and keep what it has; kills it when it has not ended after `graceMs`. */
  stop(): void
  /** Ends it at once. */
  kill(): void
  readonly ended: Promise<ToolEnd>
}

// perf drains its buffers in milliseconds; py-spy writes its file at the end, up to 2 s on a busy machine.
const graceMs = 10_000
const maxStderrTail = 4096
// perf answers in milliseconds, a py-spy behind a version manager's script in a third of a second.
const versionMs = 3000

/** @throws {ProfilerError} `SP_TOOL_MISSING` */
export async function startTool(command: ToolCommand): Promise<RunningTool> {
  const startedAt = performance.now()
  // A stream that only carries the descriptor: the tool inherits it, we keep and close ours.
  const output =
    command.outputFd === undefined
      ? undefined
      : fs.createWriteStream('', { fd: command.outputFd, autoClose: false })
  const child = execa('setpriv', ['--pdeathsig', 'KILL', command.path, ...command.args], {
    stdio: ['ignore', 'pipe', 'pipe', output ?? (command.isControlled ? 'pipe' : 'ignore')],
    buffer: false,
    reject: false,
    // Its own process group: a Ctrl-C on the terminal is ours to handle, once for stop and twice for kill.
    detached: true,
    // It needs no variable of ours, and no locale that would change the words we look for.
    extendEnv: false,
    env: {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      LC_ALL: 'C',
      HOME: '/nonexistent',
      ...command.env,
    },
  })
  let stderrTail = ''
  child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
    stderrTail = (stderrTail + piece).slice(-maxStderrTail)
  })
  let killed = false
  let isOver = false
  let timer: NodeJS.Timeout | undefined
  const ended = (async (): Promise<ToolEnd> => {
    const result = await child
    isOver = true
    clearTimeout(timer)
    if (result.code === 'ENOENT') throw missing('setpriv', 'install util-linux')
    if (result.exitCode === 127) throw missing(command.path, 'install it')
    return {
      exitCode: result.exitCode,
      signal: result.signal,
      killed,
      durationMs: performance.now() - startedAt,
      stderrTail: stderrTail.trim(),
    }
  })()
  // Whoever awaits it gets the rejection; nobody awaiting yet is no reason to crash.
  ended.catch(() => {})
  if (child.pid === undefined || child.stdout === null || child.stderr === null) {
    await ended
    throw missing(command.path, 'install it')
  }
  // To its whole group: the tool may be a script that started the real one (Ubuntu's perf is).
  const signal = (name: 'SIGINT' | 'SIGKILL') => {
    try {
      if (!isOver) process.kill(-child.pid!, name)
    } catch (error) {
      // It has ended, and we have not been told yet.
      if (systemCode(error) !== 'ESRCH') throw error
    }
  }
  const kill = () => {
    killed = true
    signal('SIGKILL')
  }
  const control = command.isControlled ? (child.stdio[3] as unknown as Duplex | null) : null
  control?.on('error', () => {}).resume()
  return {
    pid: child.pid,
    stdout: child.stdout,
    stderr: child.stderr,
    tell(words) {
      if (!isOver && control?.writable === true) control.write(words)
    },
    stop() {
      // SIGINT: what perf and py-spy both answer by finishing; py-spy loses all at SIGTERM.
      signal('SIGINT')
      timer ??= setTimeout(kill, graceMs)
    },
    kill,
    ended,
  }
}

/** The first line that the tool says of itself; 'unknown' if it says nothing in time. Asked once. */
export function readToolVersion(toolPath: string): Promise<string> {
  let version = versions.get(toolPath)
  if (version === undefined) {
    version = askVersion(toolPath)
    versions.set(toolPath, version)
    // What could not be started is looked for again.
    version.catch(() => versions.delete(toolPath))
  }
  return version
}

const versions = new Map<string, Promise<string>>()

async function askVersion(toolPath: string): Promise<string> {
  const tool = await startTool({ path: toolPath, args: ['--version'] })
  const timer = setTimeout(tool.kill, versionMs)
  let said = ''
  for await (const piece of tool.stdout.setEncoding('utf8')) said = (said + piece).slice(0, 200)
  clearTimeout(timer)
  return /\d[\w.]*/.exec(said)?.[0] ?? 'unknown'
}

function missing(path: string, what: string): ProfilerError {
  return new ProfilerError('SP_TOOL_MISSING', `${path} cannot be started: ${what}`)
}
