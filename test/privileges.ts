// Privileges as they may be, for plans that are made without a machine to match.

import { unasked } from '../agent/runtimes/answers.ts'
import type { Privileges } from '../agent/runtimes/runtime.ts'

const all = new Set(['SYS_PTRACE', 'PERFMON', 'SYS_ADMIN', 'SYSLOG', 'KILL', 'DAC_OVERRIDE'])

/** Root on a plain node: nothing stands in anybody's way. The kernel was asked nothing. */
export const everything: Privileges = {
  uid: 0,
  gid: 0,
  capabilities: all,
  boundingCapabilities: all,
  answers: unasked,
  confinement: {
    isFiltered: false,
    yamaScope: undefined,
    label: undefined,
    isUserNamespace: false,
    sandbox: undefined,
    hidesKernelNames: false,
    kernelPointers: 1,
    hidesOtherUsers: false,
    lockableKiB: 516,
  },
  perfEventParanoid: 2,
  perfMaxHertz: 100_000,
  tools: new Map([
    ['perf', '/usr/bin/perf'],
    ['py-spy', '/usr/bin/py-spy'],
  ]),
  canAttach: true,
  canOpenMemory: true,
  canReadFiles: true,
  canSignal: true,
}
