// What this process may do to that target here: looked at, and where looking
// tells nothing, tried harmlessly.
//
// The trap: a pod's specification is not the truth. A non-root container with
// `capabilities.add` has none of them; the effective set of this very process
// is what counts. Nor does a setting's number predict what the kernel does.

import fs from 'node:fs'
import path from 'node:path'
import { tools } from '../config.ts'
import type { Privileges, Tool } from '../runtimes/runtime.ts'
import { openMemory, readExecutable, readKernelSetting, readStatus } from '../target/procfs.ts'

/** Bits of capabilities(7) that decide what a profiler may do. */
const capabilityBits: readonly (readonly [name: string, bit: bigint])[] = [
  ['DAC_OVERRIDE', 1n],
  ['KILL', 5n],
  ['SYS_PTRACE', 19n],
  ['SYS_ADMIN', 21n],
  ['SYSLOG', 34n],
  ['PERFMON', 38n],
  ['BPF', 39n],
  ['CHECKPOINT_RESTORE', 40n],
]

export function readPrivileges(pid: number): Privileges {
  const status = readStatus('self')
  return {
    uid: status.uid,
    gid: status.gid,
    capabilities: new Set(
      capabilityBits
        .filter(([, bit]) => ((status.effectiveCapabilities >> bit) & 1n) === 1n)
        .map(([name]) => name),
    ),
    perfEventParanoid: readKernelSetting('perf_event_paranoid'),
    perfMaxHertz: readKernelSetting('perf_event_max_sample_rate') ?? Number.POSITIVE_INFINITY,
    tools: new Map(
      tools.flatMap(tool => {
        const found = findTool(tool)
        return found === undefined ? [] : [[tool, found] as const]
      }),
    ),
    canAttach: succeeds(() => fs.closeSync(openMemory(pid))),
    canReadFiles: succeeds(() => readExecutable(pid)),
    // Signal 0 is sent to nobody: only the permission is looked at.
    canSignal: succeeds(() => process.kill(pid, 0)),
  }
}

/** The first executable of this name on PATH. */
export function findTool(tool: Tool): string | undefined {
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

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt()
    return true
  } catch {
    return false
  }
}
