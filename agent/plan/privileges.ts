// What this process may do to that target here: looked at, and where looking
// tells nothing, tried harmlessly.
//
// The trap: a pod's specification is not the truth. A non-root container with
// `capabilities.add` has none of them; the effective set of this very process
// is what counts. Nor does a setting's number predict what the kernel does.

import fs from 'node:fs'
import path from 'node:path'
import type { Privileges, Tool } from '../runtimes/runtime.ts'
import { openMemory, readKernelSetting, readStatus } from '../target/procfs.ts'

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

const tools: readonly Tool[] = ['perf', 'py-spy']

export function readPrivileges(pid: number): Privileges {
  const status = readStatus('self')
  return {
    uid: status.uid,
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
    canAttach: canOpenMemory(pid),
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

function canOpenMemory(pid: number): boolean {
  try {
    fs.closeSync(openMemory(pid))
    return true
  } catch {
    return false
  }
}
