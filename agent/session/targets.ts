// What runs here, each with its runtime and the capture that would work: for the
// overview, for a choice, and for those who ask the daemon.

import { askKernel } from '../capture/probe.ts'
import type { Mode, Settings, Tool } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { plan } from '../plan/plan.ts'
import { readPrivileges } from '../plan/privileges.ts'
import type { RedactionPolicy } from '../redact/policy.ts'
import { redactTexts } from '../redact/redact.ts'
import type { Answers } from '../runtimes/answers.ts'
import { alsoRuns, fingerprint } from '../runtimes/index.ts'
import { readNameSources } from '../symbolize/sources.ts'
import { attempted, type Candidate } from '../target/candidates.ts'
import { type ProcessFacts, withFacts } from '../target/facts.ts'
import { isBusy } from '../target/find.ts'
import { workersOf } from '../target/workers.ts'

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
  /** Other modes that would work too, the most telling first. */
  readonly alternatives: readonly Alternative[]
  readonly blocked?: string
  readonly remarks: readonly string[]
  readonly nameSources: readonly string[]
}

export interface Alternative {
  readonly mode: Mode
  readonly tool: Tool
}

// What a picture of CPU time leaves open: what is allocated, and where threads wait.
const otherModes: readonly Mode[] = ['alloc', 'off-cpu', 'wall']

/** Each of them as a row: redacted, for a list is pasted into a chat. */
export async function rowsOf(
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
  const { mode, hertz, duration: durationMs, tool } = settings
  const privileges = readPrivileges(facts.pid, answers)
  const planFor = (mode: Mode) =>
    plan(facts, fingerprints, privileges, { mode, hertz, durationMs, tool })
  const alternatives = otherModes.flatMap(other => {
    const how = other === mode ? undefined : attempted(() => planFor(other))
    return how === undefined ? [] : [{ mode: other, tool: how.captures[0]!.tool }]
  })
  try {
    const { captures, remarks } = planFor(mode)
    const { tool } = captures[0]!
    const nameSources = readNameSources(facts, tool)
    return { ...row, tool, alternatives, remarks, nameSources }
  } catch (error) {
    if (!(error instanceof ProfilerError)) throw error
    return { ...row, blocked: error.message, alternatives, remarks: [], nameSources: [] }
  }
}
