// Starts the programs of ruby/, php/ and erlang/ for a test: each spends 60, 30 and 10 % of its
// time in parse, encode and sum.

import { type ChildProcess, execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import type { Published } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'
import { start } from './apps.ts'
import { expectShares as expectKnown } from './shares.ts'

type Started = ChildProcess & { pid: number }

const appOf = (name: string) => path.join(import.meta.dirname, name)

/** What the program does beside: nothing, sleep most of the time, start two more, become another program. */
export type Habit = 'burn' | 'wait' | 'fork' | 'exec' | 'workers'

/** @param under a program and its arguments that start it */
export function startRuby(seconds: number, habit: Habit = 'burn', under: readonly string[] = []) {
  // Not by its path: another user may not reach this checkout.
  const source = fs.readFileSync(appOf('ruby/shares.rb'), 'utf8')
  return startUnder(under, ['ruby', '-e', source, `${seconds}`, habit])
}

export function startPhp(seconds: number, under: readonly string[] = []): Started {
  const code = fs.readFileSync(appOf('php/shares.php'), 'utf8').replace('<?php', '')
  return startUnder(under, ['php', '-r', code, '--', `${seconds}`])
}

/** Compiles `erlang/shares.erl`, and runs it with these flags of the emulator. */
export function startErlang(seconds: number, flags: readonly string[] = ['+JPperf', 'true']) {
  const folder = temporaryFolder()
  execFileSync('erlc', ['-o', folder, appOf('erlang/shares.erl')])
  const run = ['-noshell', '-pa', folder, '-run', 'shares', 'main', `${seconds}`]
  return startUnder([], ['erl', ...flags, ...run])
}

function startUnder(under: readonly string[], command: readonly string[]): Started {
  const [file, ...args] = [...under, ...command]
  return start(file!, args)
}

/** Another user, who owns nothing here. */
export const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--']

/** The three shares of `ruby/`, `php/` and `erlang/`. */
export function expectShares(
  published: Published,
  nameOf = (name: string): string | RegExp => name,
): void {
  expectKnown(published, { parse: 0.6, encode: 0.3, sum: 0.1 }, nameOf)
}
