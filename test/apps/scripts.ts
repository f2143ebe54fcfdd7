// Starts the programs of ruby/, php/ and erlang/ for a test: each spends 60, 30 and 10 % of its
// time in parse, encode and sum.

import { type ChildProcess, execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import { temporaryFolder } from '../temporary.ts'
import { findOnPath, start } from './apps.ts'

type Started = ChildProcess & { pid: number }

export const shares = { parse: 0.6, encode: 0.3, sum: 0.1 } as const

const appOf = (name: string) => path.join(import.meta.dirname, name)

/** @param then what it does beside: sleep most of the time, fork, or become another program */
export function startRuby(
  seconds: number,
  then: 'burn' | 'wait' | 'fork' | 'exec' = 'burn',
  options: { readonly env?: NodeJS.ProcessEnv; readonly under?: readonly string[] } = {},
): Started {
  const command = ['ruby', appOf('ruby/shares.rb'), `${seconds}`, then]
  const [file, ...args] = [...(options.under ?? []), ...command]
  return start(file!, args, { env: { ...process.env, ...options.env } })
}

export function startPhp(seconds: number, under: readonly string[] = []): Started {
  const [file, ...args] = [...under, 'php', appOf('php/shares.php'), `${seconds}`]
  return start(file!, args)
}

/** Compiles `erlang/shares.erl`, and runs it with these flags of the emulator. */
export function startErlang(
  seconds: number,
  flags: readonly string[] = ['+JPperf', 'true'],
): Started {
  const folder = temporaryFolder()
  execFileSync(findOnPath('erlc')!, ['-o', folder, appOf('erlang/shares.erl')])
  const child = start('erl', [
    ...flags,
    '-noshell',
    '-pa',
    folder,
    '-run',
    'shares',
    'main',
    `${seconds}`,
  ])
  onTestFinished(() => fs.rmSync(`/tmp/perf-${child.pid}.map`, { force: true }))
  return child
}
