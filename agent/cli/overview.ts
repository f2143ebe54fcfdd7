// `sp-flamegraph` alone: what runs here, what to type, where names come from,
// where the result will go. True for this machine at this moment.

import { askKernel } from '../capture/probe.ts'
import type { Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { plan } from '../plan/plan.ts'
import { readPrivileges } from '../plan/privileges.ts'
import { defaultIncident } from '../publish/place.ts'
import { type RedactionPolicy, redactionPolicy } from '../redact/policy.ts'
import { redactTexts } from '../redact/redact.ts'
import type { Answers } from '../runtimes/answers.ts'
import { alsoRuns, fingerprint } from '../runtimes/index.ts'
import { readNameSources } from '../symbolize/sources.ts'
import { type Candidate, readCandidates } from '../target/candidates.ts'
import { type ProcessFacts, withFacts } from '../target/facts.ts'
import { isBusy } from '../target/find.ts'
import { workersOf } from '../target/workers.ts'
import type { Terminal } from './terminal.ts'

// As many as a person reads under stress; `--json` has them all.
const maxShown = 8

export interface Row {
  readonly pid: number
  readonly runtime: string
  readonly version: string
  readonly evidence: string
  readonly cpuShare: number
  readonly comm: string
  readonly libc: string
  /** What else runs in it: `Ruby 3.1.2`. */
  readonly alsoRuns: readonly string[]
  /** Of a busy process: the idle one that started it. */
  readonly under?: { readonly pid: number; readonly comm: string }
  /** Of an idle process: the busiest below it, which `record` would take instead. */
  readonly worker?: number
  readonly uid: number
  readonly container?: string
  /** The tool that `record` would use, or why none would work. */
  readonly tool?: string
  readonly blocked?: string
  readonly remarks: readonly string[]
  readonly nameSources: readonly string[]
}

export async function overview(settings: Settings, terminal: Terminal): Promise<void> {
  const policy = redactionPolicy({ customerIds: settings.customerIds })
  const candidates = await readCandidates()
  const rows = await rowsOf(candidates, settings, policy)
  const busyPids = new Set(candidates.filter(isBusy).map(({ pid }) => pid))
  const busy = rows.filter(({ pid }) => busyPids.has(pid))
  const shown = (busy.length > 0 ? busy : rows).slice(0, maxShown)
  for (const row of shown) printRow(row, terminal)
  if (rows.length > shown.length) {
    terminal.print(`  and ${rows.length - shown.length} more that use less (--json lists them all)`)
  }
  const best = shown.find(row => row.blocked === undefined)
  if (best !== undefined) printSuggestion(best, settings, terminal)
  terminal.emit({ targets: rows, to: settings.to })
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

async function rowsOf(
  candidates: readonly Candidate[],
  settings: Settings,
  policy: RedactionPolicy,
): Promise<Row[]> {
  const answersOf = await askKernel(candidates.map(({ pid }) => pid))
  return candidates.flatMap(candidate => {
    const { pid } = candidate
    try {
      const row = {
        ...withFacts(pid, facts => describe(candidate, facts, answersOf(pid), settings)),
        ...relationsOf(candidate, candidates, settings),
      }
      // A list is pasted into a chat, and a process may be named after a customer.
      return [redactTexts(row, policy)]
    } catch (error) {
      // It ended while we looked: it is no longer here.
      if (error instanceof ProfilerError && error.code === 'SP_TARGET_GONE') return []
      throw error
    }
  })
}

function relationsOf(
  candidate: Candidate,
  all: readonly Candidate[],
  { mode }: Settings,
): Pick<Row, 'under' | 'worker'> {
  const parent = all.find(({ pid }) => pid === candidate.parentPid)
  if (isBusy(candidate)) {
    return parent === undefined || isBusy(parent)
      ? {}
      : { under: { pid: parent.pid, comm: parent.comm } }
  }
  const worker = workersOf(candidate, all, mode)?.workers[0]
  return worker === undefined ? {} : { worker: worker.pid }
}

function describe(
  candidate: Candidate,
  facts: ProcessFacts,
  answers: Answers,
  settings: Settings,
): Row {
  const fingerprints = fingerprint(facts)
  const found = fingerprints[0]
  const row = {
    pid: facts.pid,
    runtime: found?.runtime.title ?? 'unknown',
    version: found?.version ?? '',
    evidence: found?.evidence ?? `cannot read ${facts.denied.join(', ')}`,
    cpuShare: candidate.cpuShare,
    comm: facts.comm,
    uid: facts.uid,
    libc: facts.libc,
    alsoRuns: alsoRuns(fingerprints),
    ...(facts.containerId !== undefined && { container: facts.containerId.slice(0, 12) }),
  }
  try {
    const ask = { mode: settings.mode, hertz: settings.hertz, durationMs: settings.duration }
    const privileges = readPrivileges(facts.pid, answers)
    const how = plan(facts, fingerprints, privileges, { ...ask, tool: settings.tool })
    const { captures, remarks } = how
    return { ...row, tool: captures[0]!.tool, remarks, nameSources: readNameSources(facts) }
  } catch (error) {
    if (!(error instanceof ProfilerError)) throw error
    return { ...row, blocked: error.message, remarks: [], nameSources: [] }
  }
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

function printSuggestion(row: Row, settings: Settings, terminal: Terminal): void {
  const incident = settings.incident ?? defaultIncident(new Date())
  terminal.print('Suggested capture:')
  terminal.print(`  sp-flamegraph record ${row.pid} --duration 30   # ${row.tool} at 99 Hz`)
  terminal.print(`  sp-flamegraph record ${row.pid} --hertz 999     # closer, for an incident`)
  for (const remark of row.remarks) terminal.print(`  note: ${remark}`)
  terminal.print(`Symbols: ${row.nameSources.join('; ')}`)
  terminal.print(`Output: ${settings.to}/incidents/${incident}/ (redacted; nothing else leaves)`)
}
