// What perf may do here, and what stands in its way.
//
// https://docs.kernel.org/admin-guide/perf-security.html
//
// What decides is what the kernel answered when it was asked for an event of this
// very target. The paranoid level and the capabilities explain a refusal, and
// stand in for an answer only where nothing could be asked.

import type { ProcessFacts } from '../target/facts.ts'
import { isRefused } from './answers.ts'
import { capabilityGrant, either, identityGrant } from './attach.ts'
import type { CaptureAsk, Obstacle, Privileges } from './runtime.ts'

export function permissionObstacles(
  facts: ProcessFacts,
  privileges: Privileges,
  ask: CaptureAsk,
): Obstacle[] {
  const refusal = samplingRefusal(facts, privileges) ?? bufferRefusal(privileges)
  return refusal === undefined
    ? kernelObstacles(privileges, ask)
    : [{ effect: 'blocks', ...refusal }]
}

/**
 * Whether the kernel's own side can be sampled. In mode `cpu` its frames are missed where it cannot; any
 * other mode is made of its switches of threads, and a thread leaves its core within the kernel.
 */
function kernelObstacles(privileges: Privileges, { mode }: CaptureAsk): Obstacle[] {
  const effect = mode === 'cpu' ? 'degrades' : 'blocks'
  const missing =
    mode === 'cpu' ? 'kernel frames are left out' : 'switches of threads are not shown'
  const { confinement, capabilities, perfEventParanoid = 0 } = privileges
  if (!samplesKernel(privileges)) {
    // Capabilities of a user namespace are none over the kernel, however full the set looks.
    if (confinement.isUserNamespace) {
      const grant = '`hostUsers: true` and the capability PERFMON'
      return [{ effect, what: `${missing} (a user namespace)`, grant }]
    }
    const what = `${missing} (perf_event_paranoid is ${perfEventParanoid})`
    return [{ effect, what, grant: capabilityGrant('PERFMON', privileges) }]
  }
  if (!confinement.hidesKernelNames) return []
  const grant = capabilities.has('SYSLOG')
    ? 'sysctl kernel.kptr_restrict=1 on the node'
    : capabilityGrant('SYSLOG', privileges)
  return [
    { effect: 'degrades', what: 'kernel functions have no names (kallsyms is hidden)', grant },
  ]
}

/** Whether the kernel's side of the target can be sampled. */
export function samplesKernel(privileges: Privileges): boolean {
  const { answers, confinement, capabilities, perfEventParanoid = 0 } = privileges
  if (answers.perfKernel !== 'unknown') return answers.perfKernel === 'allowed'
  const isPrivileged = sampling.some(name => capabilities.has(name))
  return perfEventParanoid <= 1 || (isPrivileged && !confinement.isUserNamespace)
}

type Refusal = Omit<Obstacle, 'effect'>

/** Either of them lets perf sample every process, and past the filters of Docker and containerd. */
const sampling = ['PERFMON', 'SYS_ADMIN']

/** Why the target cannot be sampled at all; undefined where nothing says so. */
export function samplingRefusal(facts: ProcessFacts, privileges: Privileges): Refusal | undefined {
  const { answers, capabilities, confinement, perfEventParanoid } = privileges
  if (answers.perfUser === 'allowed') return undefined
  if (confinement.sandbox === 'Fargate') {
    const grant = 'tasks on EC2 instances: on Fargate only SYS_PTRACE can be added'
    return { what: 'Fargate has no perf events', grant }
  }
  const isMissing = answers.perfEvents === 'ENOSYS' && !confinement.isFiltered
  if (isMissing || confinement.sandbox === 'gVisor' || perfEventParanoid === undefined) {
    const grant = 'a node whose kernel has CONFIG_PERF_EVENTS (gVisor has none)'
    return { what: 'this kernel has no perf events', grant }
  }
  if (isRefused(answers.perfEvents) && confinement.isFiltered) {
    const what = 'seccomp blocks perf_event_open'
    if (capabilities.has('PERFMON')) {
      // Profiles of podman 4 and of engines before 2021 know no PERFMON.
      const grant = 'a seccomp profile that allows perf_event_open, or `Unconfined`'
      return { what: `${what}, even with PERFMON`, grant }
    }
    return { what, grant: `${capabilityGrant('PERFMON', privileges)}, or seccomp \`Unconfined\`` }
  }
  if (isRefused(answers.perfUser)) {
    const isOurs = privileges.canReadFiles && perfEventParanoid > 2
    const what = isOurs
      ? `this kernel lets nobody use perf (perf_event_paranoid is ${perfEventParanoid})`
      : `the kernel does not let perf sample process ${facts.pid}`
    const other = facts.uid === 0 || isOurs ? undefined : identityGrant(facts, privileges)
    return { what, grant: either(other, capabilityGrant('PERFMON', privileges)) }
  }
  const isPrivileged = [...sampling, 'SYS_PTRACE'].some(name => capabilities.has(name))
  if (facts.uid !== privileges.uid && !isPrivileged) {
    const what = `the target runs as uid ${facts.uid}, we as ${privileges.uid}`
    const grant = `run as uid ${facts.uid}, or ${capabilityGrant('PERFMON', privileges)}`
    return { what, grant }
  }
  return undefined
}

// 128 KiB and a page for each CPU: see `--mmap-pages` of capture/perf.ts.
const bufferKiB = 132

/** Buffers are locked memory: those of all perfs of one user count against one limit. */
function bufferRefusal({ confinement, capabilities }: Privileges): Refusal | undefined {
  const { lockableKiB } = confinement
  if (capabilities.has('IPC_LOCK') || lockableKiB >= bufferKiB) return undefined
  return {
    what: `perf may lock ${Math.floor(lockableKiB)} KiB of memory a CPU, and needs ${bufferKiB}`,
    grant: 'sysctl kernel.perf_event_mlock_kb=516 on the node',
  }
}
