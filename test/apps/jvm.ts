// Starts the JVM programs of this folder for a test, and looks for what a profiler left in them.

import { type ChildProcess, execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readStatus } from '../../agent/target/procfs.ts'
import { temporaryFolder } from '../temporary.ts'
import { start } from './apps.ts'

const here = path.join(import.meta.dirname, 'jvm')

/** Compiles `jvm/NAME.java`, and answers the class path. Others may read it. */
export function compileJava(name: string, classPath: readonly string[] = []): string {
  const folder = temporaryFolder()
  fs.chmodSync(folder, 0o755)
  const with_ = classPath.length === 0 ? [] : ['-cp', classPath.join(':')]
  const usual = ['-J-XX:-UsePerfData', '-d', folder]
  execFileSync('javac', [...usual, ...with_, path.join(here, `${name}.java`)])
  return [folder, ...classPath].join(':')
}

export interface JavaOptions {
  /** A program and its arguments that start Java: `setpriv --reuid=65534 …`. */
  readonly under?: readonly string[]
  /** Of the JVM: `-Xrs`. */
  readonly flags?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

export interface Java {
  readonly process: ChildProcess & { pid: number }
  readonly pid: number
  /** What it has written on its standard output, such as a thread dump. */
  said(): string
}

/** Starts it, and waits until it is a JVM that computes. */
export async function startJava(
  classPath: string,
  [main, ...args]: readonly [string, ...string[]],
  { under = [], flags = [], env, cwd }: JavaOptions = {},
): Promise<Java> {
  // A small heap: the machine has others on it.
  const java = ['java', '-Xmx64m', '-XX:+UseSerialGC', ...flags, '-cp', classPath, main, ...args]
  const command = [...under, ...java]
  const child = start(command[0]!, command.slice(1), {
    ...(env && { env: { ...process.env, ...env } }),
    ...(cwd && { cwd }),
  })
  let said = ''
  child.stdout!.setEncoding('utf8').on('data', piece => {
    said += piece
  })
  await untilServing(child.pid)
  return { process: child, pid: child.pid, said: () => said }
}

/** As another user, who has no rights. */
export const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--']

/** Waits until it is a JVM that runs its program. */
export async function untilServing(pid: number): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const names = threadNames(pid)
    // The last one that a JVM starts before it runs the program.
    if (names.some(name => name.startsWith('VM Periodic Tas'))) {
      await sleep(300)
      return
    }
    await sleep(20)
  }
  throw new Error(`process ${pid} is no JVM`)
}

function threadNames(pid: number): string[] {
  try {
    return fs
      .readdirSync(`/proc/${pid}/task`)
      .map(thread => fs.readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8'))
  } catch {
    return []
  }
}

/**
 * What a profiler left: files in its /tmp, perf events and timers that still fire, files of ours that
 * it holds open, helpers that wait for it. Empty when it is as before. The socket that the JVM made to
 * be attached to is its own.
 */
export function leftIn(pid: number): string[] {
  const { nspid } = readStatus(pid)
  const files = ['/tmp', '/var/tmp', '/dev/shm', '/run', '/opt'].flatMap(folder => {
    const names = fs.readdirSync(`/proc/${pid}/root${folder}`)
    const isOurs = (name: string) =>
      name.startsWith(`sp-flamegraph-${pid}-`) || name === `.attach_pid${nspid}`
    return names.filter(isOurs).map(name => `${folder}/${name}`)
  })
  const open = fs
    .readdirSync(`/proc/${pid}/fd`)
    .map(fd => fs.readlinkSync(`/proc/${pid}/fd/${fd}`))
    .filter(link => /perf_event|\/sp-flamegraph-\d+-[0-9a-f]{16}/.test(link))
  const timers = fs.readFileSync(`/proc/${pid}/timers`, 'utf8').split('\n').filter(Boolean)
  const helpers = fs
    .readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => {
      try {
        const words = fs.readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')
        return words[0]?.endsWith('asprof') && words.includes(`${pid}`) ? [words.join(' ')] : []
      } catch {
        return []
      }
    })
  return [...files, ...open, ...timers, ...helpers]
}
