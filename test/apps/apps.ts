// Builds and starts the programs of this folder for a test, and ends them after it.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll } from 'vitest'
import { temporaryFolder } from '../temporary.ts'

const here = import.meta.dirname

const started: ChildProcess[] = []

afterAll(() => {
  for (const child of started) child.kill('SIGKILL')
})

/** The tools of this list that are not on PATH: what a skipped test has to name. */
export function missing(...tools: string[]): string[] {
  return tools.filter(tool => {
    return !(process.env.PATH ?? '')
      .split(':')
      .some(folder => fs.existsSync(path.join(folder, tool)))
  })
}

/** Compiles `native/NAME.c` and answers the path of the program. */
export function compile(name: string, flags: readonly string[] = []): string {
  const program = path.join(temporaryFolder(), name)
  const usual = ['-O1', '-g', '-fno-omit-frame-pointer', '-fno-inline']
  execFileSync('cc', [...usual, ...flags, '-o', program, path.join(here, 'native', `${name}.c`)])
  return program
}

/** Starts a program that is killed when the test file has ended. */
export function start(file: string, args: readonly string[]): ChildProcess & { pid: number } {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  return child as ChildProcess & { pid: number }
}

export function startPython(name: string, seconds: number): ChildProcess & { pid: number } {
  return start('python3', [path.join(here, 'cpython', name), `${seconds}`])
}
