// The next command to type, by shape.
//
// Only commands that exist: our own, and those of perf and procfs. No
// part of a profile goes into one: a function's name or a library's path is
// chosen by whoever wrote the target, and these lines are pasted into a root
// shell. The pid is the only thing filled in, and it is a number.

import type { Work } from './marks.ts'
import type { Unit, UnknownReason } from './profile.ts'
import type { Shape } from './shape.ts'
import { isOccurrence } from './width.ts'

export interface NextStep {
  readonly why: string
  readonly command: string
}

export interface VerdictContext {
  /** The target's, as the shell that shows the verdict sees it. Without one the commands say `PID`. */
  readonly pid?: number | undefined
  /** As the fingerprint names it, for people. */
  readonly runtime?: string | undefined
  /** What was asked for: who had 999 already is not told to take it. */
  readonly hertz?: number | undefined
  /** Counters stand beside it already. */
  readonly isCounted?: boolean | undefined
}

interface Findings {
  readonly shape: Shape
  readonly unit: Unit
  readonly event: string
  readonly reason: UnknownReason | undefined
  readonly widestWork: Work | undefined
}

/** The pid for a command, `PID` where there is none. */
export function targetOf({ pid }: VerdictContext): string {
  return Number.isInteger(pid) && pid! > 0 ? `${pid}` : 'PID'
}

export function nextSteps(findings: Findings, context: VerdictContext): NextStep[] {
  const { runtime, hertz, isCounted } = context
  const target = targetOf(context)
  const isCpu =
    (findings.unit === 'samples' || findings.unit === 'nanoseconds') &&
    !isOccurrence(findings.event)
  const record: NextStep = {
    why: 'Then record again, and compare',
    command: `sp-flamegraph record ${target} --duration 30`,
  }
  const counters: NextStep[] = isCounted
    ? []
    : [
        {
          why: 'Instructions a cycle and cache misses',
          command: `sp-flamegraph record ${target} --stat`,
        },
      ]
  const offCpu: NextStep = {
    why: 'Where it waits instead of running',
    command: `sp-flamegraph record ${target} --mode off-cpu`,
  }
  const isClose = (hertz ?? 0) > 900
  const closer: NextStep = {
    why: 'More samples show functions of 1 %',
    command: `sp-flamegraph record ${target} --hertz 999 --duration ${isClose ? 60 : 30}`,
  }
  if (findings.shape === 'hairball') {
    return [{ ...symbolSteps[findings.reason ?? 'unnamed by the tool'](target, runtime) }, record]
  }
  if (!isCpu) {
    return [{ why: 'The CPU side of the same process', command: record.command }]
  }
  switch (findings.shape) {
    case 'wide leaf':
      return findings.widestWork === 'idle' || findings.widestWork === 'locks'
        ? [offCpu]
        : [...counters, { ...record, why: 'After the fix, the same capture again' }]
    case 'wide and flat':
      return [offCpu, ...counters]
    case 'mixed':
      return [closer, ...counters]
  }
}

/** What tells why names are missing, by the reason that most of the width has. */
const symbolSteps: Record<UnknownReason, (pid: string, runtime?: string) => NextStep> = {
  'no symbols': pid => ({
    why: 'Which files have no symbols: look for .symtab in each that is mapped',
    command: `readelf -SW /proc/${pid}/exe`,
  }),
  'not in the symbol table': pid => ({
    why: 'Whether the program was stripped of its local functions',
    command: `readelf -SW /proc/${pid}/exe`,
  }),
  'file deleted': pid => ({
    why: 'Which files were replaced under the running process: restart it to read the new ones',
    command: `grep deleted /proc/${pid}/maps`,
  }),
  'file unreadable': pid => ({
    why: 'Whether we may read the files of the target',
    command: `ls -lL /proc/${pid}/exe /proc/${pid}/root`,
  }),
  'build-id differs': pid => ({
    why: 'Which build runs: its symbols must have the same build-id',
    command: `readelf -n /proc/${pid}/exe`,
  }),
  'process ended before its files were read': pid => ({
    why: 'Which short-lived children it starts: their files are gone with them',
    command: `perf trace -e execve -p ${pid}`,
  }),
  'another file at its path': pid => ({
    why: 'Which files were replaced since: inode and build-id must be those that are mapped',
    command: `grep r-xp /proc/${pid}/maps`,
  }),
  'kallsyms hidden': () => ({
    why: 'The kernel hides its names: 0 shows them to all, 1 to a capable process',
    command: 'sysctl kernel.kptr_restrict kernel.perf_event_paranoid',
  }),
  'JIT without map': (pid, runtime) => ({
    why: `Whether ${runtime ?? 'the runtime'} writes a perf map; it must be told to when it starts`,
    command: `ls -l /proc/${pid}/root/tmp/`,
  }),
  'not mapped': pid => ({
    why: 'What is mapped now: code that was unloaded, or stacks walked without frame pointers',
    command: `grep -c r-xp /proc/${pid}/maps`,
  }),
  'malformed file': pid => ({
    why: 'Whether the program is packed or damaged: its headers must be readable',
    command: `readelf -lW /proc/${pid}/exe`,
  }),
  'unnamed by the tool': () => ({
    why: 'What runs here, how to sample it, and where its symbols come from',
    command: 'sp-flamegraph',
  }),
}
