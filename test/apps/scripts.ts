// Starts the programs of ruby/, php/ and erlang/ for a test: each spends 60, 30 and 10 % of its
// time in parse, encode and sum.

import { type ChildProcess, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { expect } from 'vitest'
import { askNames } from '../../agent/capture/epmd.ts'
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

/** A node with its distribution, its port mapper and its home folder all its own. */
export interface Node {
  readonly process: Started
  readonly cookie: string
  /** What it has written. */
  said(): string
}

/**
 * The same program as a node that others can connect to.
 *
 * @param asOther as nobody, whose cookie others may not read
 */
export async function startErlangNode(
  seconds: number,
  flags: readonly string[] = ['-sname', 'shares'],
  asOther = false,
): Promise<Node> {
  const folder = temporaryFolder()
  execFileSync('erlc', ['-o', folder, appOf('erlang/shares.erl')])
  const cookie = randomBytes(12).toString('hex')
  const file = path.join(folder, '.erlang.cookie')
  fs.writeFileSync(file, cookie, { mode: 0o400 })
  if (asOther) for (const each of [folder, file]) fs.chownSync(each, 65534, 65534)
  const port = await freePort()
  // Started by a node it would outlive it.
  start('epmd', ['-port', `${port}`])
  await untilListening(port)
  const run = ['-noshell', '-pa', folder, '-run', 'shares', 'main', `${seconds}`]
  const [command, ...args] = [...(asOther ? asNobody : []), 'erl', ...flags, ...run]
  const env = { ...process.env, HOME: folder, ERL_EPMD_PORT: `${port}` }
  const child = start(command!, args, { env, cwd: folder, stderr: 'pipe' })
  let said = ''
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      said += piece
    })
  }
  await expect
    .poll(async () => (await askNames(port)).length, { timeout: 20_000 })
    .toBeGreaterThan(0)
  return { process: child, cookie, said: () => said }
}

async function untilListening(port: number): Promise<void> {
  await expect.poll(async () => typeof (await askNames(port)), { timeout: 20_000 }).toBe('object')
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
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
