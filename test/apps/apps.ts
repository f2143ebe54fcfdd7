// Builds and starts the programs of this folder for a test, and ends them after it.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, onTestFinished } from 'vitest'
import { listPids, readStat } from '../../agent/target/procfs.ts'
import { temporaryFolder } from '../temporary.ts'
import { buildDotnet, type DotnetVersion, dotnetRuntimes } from './dotnet.ts'
import { removeLeftovers } from './leftovers.ts'

const here = import.meta.dirname

/** What a test may need that is no program on PATH, and how to find out whether it is there. */
const abilities: ReadonlyMap<string, () => boolean> = new Map([
  ['root', () => process.getuid?.() === 0],
  ['the right to unshare a mount namespace', () => succeeds('unshare', '-m', 'true')],
  ['the right to unshare a PID namespace', () => succeeds('unshare', '-pf', 'true')],
  [
    'the .NET runtimes',
    () => Object.values(dotnetRuntimes).every(folder => fs.existsSync(path.join(folder, 'dotnet'))),
  ],
])

/** The tools and abilities of this list that are not here: what a skipped test has to name. */
export function missing(...needed: string[]): string[] {
  return needed.filter(each => {
    const isThere = abilities.get(each)
    return isThere === undefined ? findOnPath(each) === undefined : !isThere()
  })
}

/** Where each `name` of PATH is. */
export function findOnPath(name: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(':')
    .map(folder => path.join(folder, name))
    .find(file => fs.existsSync(file))
}

/** A group of tests that need something; where it is missing, the title of what is skipped says what. */
export function describeWith(needed: readonly string[], title: string, tests: () => void): void {
  const lacking = missing(...needed)
  if (lacking.length === 0) describe(title, tests)
  else describe.skip(`${title} (skipped for want of ${lacking.join(', ')})`, tests)
}

/** Compiles `native/NAME.c` or `native/NAME.cpp`, and answers the path of the program. */
export function compile(name: string, flags: readonly string[] = []): string {
  const [stem] = name.split('.') as [string]
  const [compiler, file] = name.endsWith('.cpp') ? ['c++', name] : ['cc', `${stem}.c`]
  const program = path.join(temporaryFolder(), stem)
  const usual = ['-O1', '-g', '-fno-omit-frame-pointer', '-fno-inline']
  execFileSync(compiler, [...usual, ...flags, '-o', program, path.join(here, 'native', file)])
  return program
}

/** Compiles `rust/NAME.rs`. */
export function compileRust(name: string, flags: readonly string[] = []): string {
  const program = path.join(temporaryFolder(), name)
  const usual = ['-O', '-C', 'force-frame-pointers=yes']
  execFileSync('rustc', [...usual, ...flags, '-o', program, path.join(here, 'rust', `${name}.rs`)])
  return program
}

/** Builds the program in `go/`, or in another folder. */
export function buildGo(flags: readonly string[] = [], folder = 'go'): string {
  const program = path.join(temporaryFolder(), 'service')
  execFileSync('go', ['build', '-buildvcs=false', ...flags, '-o', program, '.'], {
    cwd: path.join(here, folder),
  })
  return program
}

/** Compiles `dotnet/NAME.cs`, and answers the path of the assembly. */
export function compileDotnet(name: string, folder = temporaryFolder()): string {
  return buildDotnet(name, folder)
}

/**
 * Starts an assembly of `compileDotnet`, and waits until its `Main` runs.
 *
 * @param under a command that runs it, in its own process
 */
export async function startDotnet(
  assembly: string,
  seconds: number,
  {
    version = '8.0.4',
    env = {},
    under = [],
  }: { version?: DotnetVersion; env?: NodeJS.ProcessEnv; under?: readonly string[] } = {},
): Promise<ChildProcess & { pid: number }> {
  const host = path.join(dotnetRuntimes[version], 'dotnet')
  const [program, ...args] = [...under, host, assembly, `${seconds}`]
  const child = start(program!, args, { env: { ...process.env, ...env } })
  await once(child.stdout!, 'data')
  return child
}

/** Starts a program that is killed when the test has ended: two of them are all that the machine bears. */
export function start(
  file: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; stderr?: 'pipe' } = {},
): ChildProcess & { pid: number } {
  const { stderr = 'inherit', ...rest } = options
  const child = spawn(file, args, { ...rest, stdio: ['ignore', 'pipe', stderr] })
  onTestFinished(() => {
    child.kill('SIGKILL')
    removeLeftovers(child.pid!)
  })
  return child as ChildProcess & { pid: number }
}

export function startPython(name: string, seconds: number): ChildProcess & { pid: number } {
  return start(systemPython(), [path.join(here, 'cpython', name), `${seconds}`])
}

/** Not what PATH has: that may be a version manager's script, which is no Python for a second. */
export function systemPython(): string {
  python ??= execFileSync('python3', ['-c', 'import sys; print(sys.executable)']).toString().trim()
  return python
}

let python: string | undefined

// 50 ms: what a shell or a loader takes is less.
const fewTicks = 5

/** Waits until the process is past its start, and past whatever it was before its last `exec`. */
export async function untilBusy(pid: number, ticks = fewTicks): Promise<void> {
  let program = ''
  let since = 0
  for (let tries = 0; tries < 500; tries++) {
    const now = fs.readlinkSync(`/proc/${pid}/exe`)
    const { cpuTicks } = readStat(pid)
    if (now !== program) [program, since] = [now, cpuTicks]
    else if (cpuTicks - since >= ticks) return
    await sleep(20)
  }
  throw new Error(`process ${pid} does nothing`)
}

/** Starts a program in a mount namespace of its own, after a shell has changed what it sees there. */
export function startIsolated(
  shell: string,
  command: readonly string[],
): ChildProcess & { pid: number } {
  return start('unshare', ['-m', 'sh', '-c', `${shell} && exec "$@"`, 'sh', ...command])
}

/** Starts `node/service.js`, with its perf map. */
export function startNode(seconds: number): ChildProcess & { pid: number } {
  // It writes a log into its working folder too.
  return start(
    process.execPath,
    ['--perf-basic-prof', path.join(here, 'node', 'service.js'), `${seconds}`],
    { cwd: temporaryFolder() },
  )
}

function succeeds(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0
}

/** All that a process started, and what that started, which still runs. */
export function below(pid: number): number[] {
  const children = listPids().filter(each => {
    try {
      return readStat(each).parentPid === pid
    } catch {
      return false
    }
  })
  return [...children, ...children.flatMap(below)]
}

/** Has a debugger hold a process from now on: one that does not stop it (PTRACE_SEIZE). Answers its pid. */
export async function trace(pid: number): Promise<number> {
  const program = `
import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
assert libc.ptrace(0x4206, int(sys.argv[1]), None, None) == 0
print('up', flush=True)
time.sleep(120)
`
  const tracer = start(systemPython(), ['-c', program, `${pid}`])
  await once(tracer.stdout!, 'data')
  return tracer.pid
}
