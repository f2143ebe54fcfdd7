// What this very process is confined by: the seccomp filter, the security
// module, the user namespace, the sandbox.
//
// The trap: of none of these does a number say what will happen. They explain
// an answer of the kernel (`capture/probe.ts` asks for those), and stand in for
// one only where nothing could be asked.

import fs from 'node:fs'
import os from 'node:os'
import {
  hidesOtherUsers,
  openKallsyms,
  readKernelSetting,
  readProc,
  readSecurityLabel,
  readStatus,
} from './procfs.ts'

export interface Confinement {
  /** A seccomp filter decides which system calls reach the kernel. */
  readonly isFiltered: boolean
  /** Of Yama: 0 none, 1 only descendants, 2 only with SYS_PTRACE, 3 nobody; undefined without Yama. */
  readonly yamaScope: number | undefined
  /** What AppArmor or SELinux calls us. */
  readonly label: string | undefined
  /** The capabilities count in this namespace only, so those that guard the whole kernel do not. */
  readonly isUserNamespace: boolean
  readonly sandbox: 'gVisor' | 'Fargate' | undefined
  /** The kernel shows no address of its functions: its frames have no names. */
  readonly hidesKernelNames: boolean
  /** kptr_restrict: 1 shows them with SYSLOG, 2 to nobody. */
  readonly kernelPointers: number
  readonly hidesOtherUsers: boolean
  /** How much of its buffers perf may lock in memory for each CPU, before others of our user take their part. */
  readonly lockableKiB: number
}

export function readConfinement(): Confinement {
  return {
    isFiltered: readStatus('self').seccomp === 2,
    yamaScope: readKernelSetting('yama/ptrace_scope'),
    label: readSecurityLabel('self'),
    isUserNamespace: !isInitialUserNamespace(),
    sandbox: readSandbox(),
    hidesKernelNames: hidesKernelNames(),
    kernelPointers: readKernelSetting('kptr_restrict') ?? 1,
    hidesOtherUsers: hidesOtherUsers(),
    lockableKiB: readLockableKiB(),
  }
}

/** The first user namespace maps every uid to itself: https://man7.org/linux/man-pages/man7/user_namespaces.7.html */
function isInitialUserNamespace(): boolean {
  const map = readProc('self', 'uid_map', 4096).toString('latin1').trim().split(/\s+/)
  return map.join(' ') === '0 0 4294967295'
}

/** By marks that are documented: a sandbox that hides itself is known by what the kernel answers. */
function readSandbox(): Confinement['sandbox'] {
  // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-environment-variables.html
  if (process.env.AWS_EXECUTION_ENV === 'AWS_ECS_FARGATE') return 'Fargate'
  // gVisor says this of itself to every program, whatever the host's kernel is:
  // https://github.com/google/gvisor/blob/master/pkg/sentry/syscalls/linux/linux64.go
  return os.release() === '4.4.0' && os.version() === '#1 SMP Sun Jan 10 15:06:54 PST 2016'
    ? 'gVisor'
    : undefined
}

function hidesKernelNames(): boolean {
  const fd = openKallsyms()
  if (fd === undefined) return true
  try {
    // A hundred symbols: of those that are variables of each CPU only the first lie at 0.
    const piece = Buffer.alloc(4096)
    const shown = piece.toString('latin1', 0, fs.readSync(fd, piece))
    return !/^0*[1-9a-f][0-9a-f]* /m.test(shown)
  } finally {
    fs.closeSync(fd)
  }
}

/** perf_event_mlock_kb is for each CPU; RLIMIT_MEMLOCK, for all of them, is what is taken beyond it. */
function readLockableKiB(): number {
  const limits = readProc('self', 'limits', 4096).toString('latin1')
  const soft = /^Max locked memory +(\d+)/m.exec(limits)?.[1]
  const limitKiB = soft === undefined ? Number.POSITIVE_INFINITY : Number(soft) / 1024
  return (readKernelSetting('perf_event_mlock_kb') ?? 0) + limitKiB / os.cpus().length
}
