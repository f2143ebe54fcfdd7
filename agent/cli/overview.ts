// `sp-flamegraph` alone: what runs here, what to type, where names come from,
// where the result will go. True for this machine at this moment.

import fs from 'node:fs'
import path from 'node:path'
import type { Settings } from '../config.ts'
import { placeIn, readDestination } from '../publish/destination.ts'
import { nearestFolder } from '../publish/output.ts'
import { defaultIncident } from '../publish/place.ts'
import { redactionPolicy } from '../redact/policy.ts'
import { type Row, rowsOf } from '../session/targets.ts'
import {
  type Candidate,
  notShared,
  readCandidates,
  seesOwnContainerOnly,
} from '../target/candidates.ts'
import { isBusy } from '../target/find.ts'
import { readMountNamespace } from '../target/procfs.ts'
import type { Terminal } from './terminal.ts'

// As many as a person reads under stress; `--json` has them all.
const maxShown = 8

export async function overview(settings: Settings, terminal: Terminal): Promise<void> {
  const policy = redactionPolicy({ customerIds: settings.customerIds })
  const candidates = await readCandidates()
  const rows = await rowsOf(candidates, settings, policy)
  const busyPids = new Set(candidates.filter(isBusy).map(({ pid }) => pid))
  const busy = rows.filter(({ pid }) => busyPids.has(pid))
  const shown = (busy.length > 0 ? busy : likeliest(rows, candidates)).slice(0, maxShown)
  for (const row of shown) printRow(row, terminal)
  if (rows.length > shown.length) {
    terminal.print(`  and ${rows.length - shown.length} more that use less (--json lists them all)`)
  }
  const best = shown.find(row => row.blocked === undefined)
  if (best !== undefined) printSuggestion(best, busyPids.has(best.pid), terminal)
  const lacking = shown.find(({ blocked, remarks }) => blocked !== undefined || remarks.length > 0)
  if (lacking !== undefined) {
    const what = lacking.blocked === undefined ? 'as above' : `rights or tools for ${lacking.pid}`
    terminal.print(`Missing: ${what}; \`sp-flamegraph doctor ${lacking.pid}\` says what to grant`)
  }
  const isAlone = seesOwnContainerOnly()
  if (isAlone) terminal.print(`Note: ${notShared}`)
  const to = absolute(settings.to)
  if (best !== undefined) {
    const incident = settings.incident ?? defaultIncident(new Date())
    terminal.print(`Symbols: ${best.nameSources.join('; ')}`)
    const place = placeIn(to, `incidents/${incident}/`)
    terminal.print(`Output: ${place} (redacted; nothing else leaves)`)
  }
  const isPassing = endsWithContainer(to)
  if (isPassing) terminal.print(`Note: ${passing}`)
  const notes = [...(isAlone ? [notShared] : []), ...(isPassing ? [passing] : [])]
  terminal.emit({ targets: rows, to, notes })
}

/**
 * Where nothing is busy: what has worked most so far, for a pod's own first process has done next to nothing,
 * and of other containers than ours, where there are any: our own shell and daemon are not meant.
 */
function likeliest(rows: readonly Row[], candidates: readonly Candidate[]): readonly Row[] {
  const ticks = new Map(candidates.map(({ pid, cpuTicks }) => [pid, cpuTicks]))
  const own = readMountNamespace('self')
  const elsewhere = rows.filter(({ pid }) => readMountNamespace(pid) !== own)
  return (elsewhere.length > 0 ? elsewhere : rows).toSorted(
    (a, b) => ticks.get(b.pid)! - ticks.get(a.pid)!,
  )
}

/** Where a relative folder is, for a person who does not know where a shell has begun. */
function absolute(to: string): string {
  const where = readDestination(to)
  return where.kind === 'file' ? `file:${path.resolve(where.directory)}` : to
}

const passing =
  'what is written here goes when this container ends: name a store (`--to s3://BUCKET/DIR`), ' +
  'or `kubectl cp` it out before'

/** In the shell of the image a folder that is no volume: it is of the container's own file system. */
function endsWithContainer(to: string): boolean {
  const where = readDestination(to)
  if (process.env.SP_PROFILER_SHELL === undefined || where.kind !== 'file') return false
  return fs.statSync(nearestFolder(where.directory)).dev === fs.statSync('/').dev
}

/** For a list to choose from: one line a process. */
export async function printChoice(
  candidates: readonly Candidate[],
  settings: Settings,
  terminal: Terminal,
): Promise<void> {
  const policy = redactionPolicy({ customerIds: settings.customerIds })
  const rows = await rowsOf(candidates, settings, policy)
  for (const row of rows.slice(0, maxShown)) printRow(row, terminal)
  terminal.emit({ targets: rows })
}

function printRow(row: Row, terminal: Terminal): void {
  const runs = [`${row.runtime} ${row.version}`.trim(), ...row.alsoRuns].join(' with ')
  const where = [
    `PID ${row.pid}`,
    row.comm,
    `${Math.round(row.cpuShare * 100)} % of a core`,
    row.libc,
    ...(row.under === undefined ? [] : [`under ${row.under.pid} (${row.under.comm})`]),
    ...(row.container === undefined ? [] : [`container ${row.container}`]),
  ]
  terminal.print(`Detected: ${runs} (${where.join(', ')})`)
  if (row.worker !== undefined) terminal.print(`  idle: record would take ${row.worker}, below it`)
  if (row.blocked !== undefined) terminal.print(`  blocked: ${row.blocked}`)
}

function printSuggestion(row: Row, isBusy: boolean, terminal: Terminal): void {
  terminal.print('Suggested capture:')
  const suggest = (options: string, why: string) => {
    terminal.print(`  ${`sp-flamegraph record ${row.pid} ${options}`.padEnd(46)} # ${why}`)
  }
  suggest('--duration 30', `${row.tool} at 99 Hz`)
  suggest('--hertz 999', 'closer, for an incident')
  // What idles has little CPU time to show: where it waits is the question.
  const others = isBusy
    ? row.alternatives
    : row.alternatives.toSorted((a, b) => Number(a.mode === 'alloc') - Number(b.mode === 'alloc'))
  const first = others[0]
  if (first !== undefined)
    suggest(`--mode ${first.mode}`, `or, ${questions[first.mode]}, by ${first.tool}`)
  for (const remark of row.remarks) terminal.print(`  note: ${remark}`)
}

const questions: Readonly<Record<string, string>> = {
  alloc: 'what it allocates',
  'off-cpu': 'where its threads wait',
  wall: 'all time, at work or waiting',
}
