// What a command costs, from its start to its end.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

export interface Cost {
  readonly seconds: number
  readonly cpuSeconds: number
  /** Of the largest of its processes. */
  readonly peakMegabytes: number
}

const root = path.resolve(import.meta.dirname, '../..')

/** The command as people start it from a checkout. */
export const command = path.join(root, 'scripts/sp-flamegraph')

/** What is kept between runs of the benchmark. */
export const cache = path.join(root, '.cache/bench')

/** A folder for one run, removed when it is over. */
export function scratchFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sp-flamegraph-bench-'))
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Runs a command to its end. @throws {Error} if it fails. */
export function costOf(file: string, ...args: string[]): Cost {
  const began = performance.now()
  // GNU time, for the peak is told to nobody but who waits for the process.
  const { status, stderr } = spawnSync('time', ['--format=%U %S %M', file, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  const seconds = (performance.now() - began) / 1000
  if (status !== 0) throw new Error(`${file} ${args.join(' ')}: ${stderr}`)
  const [user, system, kilobytes] = stderr.trimEnd().split('\n').at(-1)!.split(' ').map(Number)
  return { seconds, cpuSeconds: user! + system!, peakMegabytes: kilobytes! / 1000 }
}

/** The best of several runs, each number by itself: what else the machine does only ever adds. */
export function best(runs: readonly Cost[]): Cost {
  const least = (of: (cost: Cost) => number) => Math.min(...runs.map(of))
  return {
    seconds: least(({ seconds }) => seconds),
    cpuSeconds: least(({ cpuSeconds }) => cpuSeconds),
    peakMegabytes: least(({ peakMegabytes }) => peakMegabytes),
  }
}

/** Several things in turns, so that a busy moment of the machine is no one's alone. */
export function inTurns<Name extends string>(
  count: number,
  measures: Readonly<Record<Name, () => Cost>>,
): Record<Name, Cost> {
  const names = Object.keys(measures) as Name[]
  const runs = new Map<Name, Cost[]>(names.map(name => [name, []]))
  for (let turn = 0; turn < count; turn++) {
    for (const name of names) runs.get(name)!.push(measures[name]())
  }
  return Object.fromEntries(names.map(name => [name, best(runs.get(name)!)])) as Record<Name, Cost>
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}
