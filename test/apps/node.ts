// Starts the programs of `node/` under each Node that scripts/setup brings.

import type { ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { listPids, readSockets, readStatus } from '../../agent/target/procfs.ts'
import { temporaryFolder } from '../temporary.ts'
import { start } from './apps.ts'

const root = path.resolve(import.meta.dirname, '../..')
export const installed = path.join(root, '.cache/targets/node_modules')

/** The release lines that are there, and where: a test that runs under none of them is skipped with a title. */
export const releases: ReadonlyMap<string, string> = new Map(
  [
    ['20', path.join(installed, 'node-20/bin/node')],
    ['22', path.join(installed, 'node-22/bin/node')],
    ['24', process.execPath],
  ].filter((entry): entry is [string, string] => fs.existsSync(entry[1]!)),
)

export interface NodeTarget extends ChildProcess {
  readonly pid: number
  /** Where its inspector opens; a port of its own, because tests run side by side. */
  readonly port: number
  /** What it wrote to both of its outputs. */
  said(): string
}

export interface NodeOptions {
  readonly release?: string
  readonly flags?: readonly string[]
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
  /** A program and its arguments that start it: `setpriv --reuid=65534 --`. */
  readonly under?: readonly string[]
}

/** Starts a program of `node/`, and waits until Node has set up its signals. */
export async function startScript(
  [script, ...args]: readonly [string, ...string[]],
  { release = '24', flags = [], port, env = {}, under = [] }: NodeOptions = {},
): Promise<NodeTarget> {
  const itsPort = port ?? (await freePort())
  const file = path.join(import.meta.dirname, 'node', script)
  const words = [releases.get(release)!, `--inspect-port=${itsPort}`, ...flags, file, ...args]
  const [program, ...rest] = [...under, ...words] as [string, ...string[]]
  const child = start(program, rest, {
    cwd: temporaryFolder(),
    env: { ...process.env, ...env },
    stderr: 'pipe',
  })
  let said = ''
  child.stdout!.setEncoding('utf8').on('data', (piece: string) => {
    said += piece
  })
  child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
    said += piece
  })
  for (let tries = 0; tries < 100 && !catchesSignal(child.pid); tries++) await sleep(20)
  // And past its start.
  await sleep(300)
  return Object.assign(child, { port: itsPort, said: () => said })
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Whether anybody listens on this port of the target's network. */
export function isOpen({ pid, port }: { pid: number; port: number }): boolean {
  return readSockets(pid).some(socket => socket.state === 'listening' && socket.port === port)
}

/** Runs, sleeps or waits: has not ended, and is not stopped. */
export function isAlive(pid: number): boolean {
  return listPids().includes(pid) && !/[ZXTt]/.test(readState(pid))
}

function readState(pid: number): string {
  return fs.readFileSync(`/proc/${pid}/status`, 'utf8').match(/^State:\s*(\S)/m)?.[1] ?? 'X'
}

function catchesSignal(pid: number): boolean {
  return (readStatus(pid).caughtSignals & 0x200n) !== 0n
}
