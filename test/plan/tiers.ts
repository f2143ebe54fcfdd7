// What a profiler may be granted, from nothing to much: the rows of docs/grants.md.
//
// The target is an ordinary one: uid 1000, no capability, dumpable.

import type { Grant } from '../../agent/plan/grants.ts'

export interface Tier extends Grant {
  readonly name: string
}

export const target = { uid: 1000, gid: 1000 }

function tier(who: number, capabilities: string, seccomp: Grant['seccomp'] = 'runtime'): Tier {
  const names = capabilities.split(' ').filter(Boolean)
  const words = names.length === 0 ? 'nothing' : names.join(' + ')
  const name = `uid ${who}, ${words}, ${seccomp === 'runtime' ? 'RuntimeDefault' : 'Unconfined'}`
  return { name, uid: who, gid: who, capabilities: names, seccomp }
}

export const tiers: readonly Tier[] = [
  tier(2000, ''),
  // Added, and not given: only root gets what a pod adds.
  tier(2000, 'SYS_PTRACE PERFMON'),
  tier(1000, ''),
  tier(1000, '', 'unconfined'),
  tier(0, ''),
  tier(0, 'KILL'),
  tier(0, 'SYS_PTRACE'),
  tier(0, 'SYS_PTRACE', 'unconfined'),
  tier(0, 'PERFMON'),
  tier(0, 'SYS_PTRACE PERFMON'),
  tier(0, 'SYS_PTRACE PERFMON SYSLOG'),
  tier(0, 'SYS_PTRACE SYS_ADMIN'),
]
