// What this process may do to that target here: looked at, and where looking
// tells nothing, tried harmlessly.
//
// The trap: a pod's specification is not the truth. A non-root container with
// `capabilities.add` has none of them; the effective set of this very process
// is what counts. Nor does a setting's number predict what the kernel does: it
// is asked (`capture/probe.ts`), and what it answered comes in here.

import fs from 'node:fs'
import path from 'node:path'
import { tools } from '../config.ts'
import { type Answers, unasked } from '../runtimes/answers.ts'
import type { Privileges } from '../runtimes/runtime.ts'
import { readConfinement } from '../target/confinement.ts'
import { openMemory, readExecutable, readKernelSetting, readStatus } from '../target/procfs.ts'

/** Bits of capabilities(7) that decide what a profiler may do. */
const capabilityBits: readonly (readonly [name: string, bit: bigint])[] = [
  ['CHOWN', 0n],
  ['DAC_OVERRIDE', 1n],
  ['KILL', 5n],
  ['SETGID', 6n],
  ['SETUID', 7n],
  ['IPC_LOCK', 14n],
  ['SYS_CHROOT', 18n],
  ['SYS_PTRACE', 19n],
  ['SYS_ADMIN', 21n],
  ['SYSLOG', 34n],
  ['PERFMON', 38n],
  ['BPF', 39n],
  ['CHECKPOINT_RESTORE', 40n],
]

export function readPrivileges(pid: number, answers: Answers = unasked): Privileges {
  const status = readStatus('self')
  const capabilities = capabilityNames(status.effectiveCapabilities)
  const canReadFiles = succeeds(() => readExecutable(pid))
  const canOpenMemory = succeeds(() => fs.closeSync(openMemory(pid)))
  return {
    uid: status.uid,
    gid: status.gid,
    capabilities,
    boundingCapabilities: capabilityNames(status.boundingCapabilities),
    answers,
    confinement: readConfinement(),
    perfEventParanoid: readKernelSetting('perf_event_paranoid'),
    perfMaxHertz: readKernelSetting('perf_event_max_sample_rate') ?? Number.POSITIVE_INFINITY,
    tools: new Map(
      tools.flatMap(tool => {
        const found = findTool(tool)
        return found === undefined ? [] : [[tool, found] as const]
      }),
    ),
    // A root that may attach may still be kept from opening the file, which belongs to the target's user.
    canAttach:
      canOpenMemory ||
      (answers.attach === 'unknown'
        ? canReadFiles && capabilities.has('SYS_PTRACE')
        : answers.attach === 'allowed'),
    canOpenMemory,
    canReadFiles,
    profilerLibrary: findLibrary(),
    // Signal 0 is sent to nobody: only the permission is looked at.
    canSignal: succeeds(() => process.kill(pid, 0)),
  }
}

/** Those of a mask that decide what a profiler may do, without `CAP_`. */
export function capabilityNames(mask: bigint): ReadonlySet<string> {
  return new Set(
    capabilityBits.filter(([, bit]) => ((mask >> bit) & 1n) === 1n).map(([name]) => name),
  )
}

/** The mask of these names: what stands in no line of the table is in none. */
export function capabilityMask(names: ReadonlySet<string>): bigint {
  return capabilityBits.reduce(
    (mask, [name, bit]) => (names.has(name) ? mask | (1n << bit) : mask),
    0n,
  )
}

/** The first executable of this name on PATH. */
export function findTool(tool: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    if (!path.isAbsolute(folder)) continue
    const candidate = path.join(folder, tool)
    try {
      fs.accessSync(candidate, fs.constants.X_OK)
      if (fs.statSync(candidate).isFile()) return candidate
    } catch {
      // Not in this folder: the next one may have it.
    }
  }
  return undefined
}

/** Beside asprof, as async-profiler is packed: in `../lib`, or in the same folder. */
function findLibrary(): string | undefined {
  const asprof = findTool('asprof')
  if (asprof === undefined) return undefined
  const folder = path.dirname(fs.realpathSync(asprof))
  return [path.join(folder, '../lib'), folder]
    .map(each => path.join(each, 'libasyncProfiler.so'))
    .find(file => succeeds(() => fs.accessSync(file, fs.constants.R_OK)))
}

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt()
    return true
  } catch {
    return false
  }
}
