// What a person should know of this place before asking for anything: of us, and
// of what no strategy can see.

import { isRefused } from '../runtimes/answers.ts'
import { otherProfilers, placeNotes } from '../runtimes/other-profilers.ts'
import type { Privileges } from '../runtimes/runtime.ts'
import type { ProcessFacts } from '../target/facts.ts'
import { captureBytes, captureProcesses, type Limits } from '../target/limits.ts'
import { memoryNotes, memoryOfTarget } from './memory.ts'

export function notesOnUs(privileges: Privileges, limits: Limits): string[] {
  const { answers, confinement, uid, capabilities, boundingCapabilities } = privileges
  const inVain = ['SYS_PTRACE', 'PERFMON', 'SYS_ADMIN'].filter(
    name => uid !== 0 && boundingCapabilities.has(name) && !capabilities.has(name),
  )
  const notes: (string | false)[] = [
    inVain.length > 0 &&
      `${inVain.join(', ')} may be held here, but uid ${uid} does not get it: only root does`,
    confinement.isUserNamespace &&
      'in a user namespace: PERFMON, BPF, SYSLOG and SYS_ADMIN do not reach the kernel',
    confinement.sandbox !== undefined && `the sandbox is ${confinement.sandbox}`,
    confinement.hidesOtherUsers && 'the /proc here hides the processes of other users (hidepid)',
    answers.perfEvents === 'unknown' &&
      'neither perl nor perf is here to ask the kernel with: what follows goes by capabilities',
    isRefused(answers.readMemory) &&
      'seccomp blocks process_vm_readv: memory is read through /proc/PID/mem where the tool can',
    isRefused(answers.ptrace) && 'seccomp blocks ptrace: what stops its target cannot be used',
    limits.freeMemoryBytes < captureBytes &&
      `the memory limit is near: ${limits.freeMemoryBytes >> 20} MiB are left, a capture takes up to ${captureBytes >> 20}`,
    limits.freeProcesses < captureProcesses &&
      `the limit of processes is near: ${limits.freeProcesses} are left, a capture takes ${captureProcesses}`,
  ]
  return notes.filter(note => note !== false)
}

export function notesOnTarget(facts: ProcessFacts, limits: Limits): string[] {
  return [
    ...otherProfilers(facts),
    ...placeNotes(facts),
    ...memoryNotes(limits.memory, memoryOfTarget(facts)),
  ]
}
