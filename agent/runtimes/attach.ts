// Why a target may not be looked into, and the one thing that would let us.
//
// https://man7.org/linux/man-pages/man2/ptrace.2.html, "Ptrace access mode checking"
//
// The kernel asks the same twice: READ for the links and files under
// /proc/PID, ATTACH for the memory, where Yama has a say as well. What it
// answered is in the privileges; here is only found out why.

import type { ProcessFacts } from '../target/facts.ts'
import type { Obstacle, Privileges } from './runtime.ts'

/** For a strategy that reads the target's memory. */
export function attachObstacles(facts: ProcessFacts, privileges: Privileges): Obstacle[] {
  if (privileges.canAttach) return []
  const { why, grant } = reason(facts, privileges)
  const what = `the memory of process ${facts.pid} may not be read`
  return [{ effect: 'blocks', what: why === undefined ? what : `${what}: ${why}`, grant }]
}

/** For a strategy that names what it sees from the target's files. */
export function filesObstacles(
  facts: ProcessFacts,
  privileges: Privileges,
  effect: Obstacle['effect'],
): Obstacle[] {
  if (privileges.canReadFiles) return []
  const { why, grant } = reason(facts, { ...privileges, canAttach: true })
  const what = `the files of process ${facts.pid} may not be read`
  return [{ effect, what: why === undefined ? what : `${what}: ${why}`, grant }]
}

/** For a strategy that talks to the target by signals. */
export function signalObstacles(facts: ProcessFacts, privileges: Privileges): Obstacle[] {
  if (privileges.canSignal) return []
  const what = `process ${facts.pid} may not be sent a signal`
  return [{ effect: 'blocks', what, grant: identityOr(facts, 'KILL', privileges) }]
}

/**
 * How a capability gets to us. Neither Kubernetes nor Docker gives an added one to a user that is not root,
 * so for such a one the capability alone is no grant.
 */
export function capabilityGrant(capability: string, privileges: Privileges): string {
  const { uid, boundingCapabilities } = privileges
  if (uid === 0) return `add the capability ${capability}`
  return boundingCapabilities.has(capability)
    ? `run as uid 0: ${capability} may be held here, but uid ${uid} does not get it`
    : `add the capability ${capability} and run as uid 0`
}

/** To be who the target is, as far as we are not; undefined where we are. */
export function identityGrant(facts: ProcessFacts, { uid, gid }: Privileges): string | undefined {
  const lacking = [
    ...(uid === facts.uid ? [] : [`uid ${facts.uid}`]),
    ...(gid === facts.gid ? [] : [`gid ${facts.gid}`]),
  ]
  return lacking.length === 0 ? undefined : `run as ${lacking.join(' and ')}`
}

/** One way or another, of those that there are. */
export function either(...ways: readonly (string | undefined)[]): string {
  return ways.filter(way => way !== undefined).join(', or ')
}

/** To be who the target is, which needs no capability, or to have the one. */
function identityOr(facts: ProcessFacts, capability: string, privileges: Privileges): string {
  const add = capabilityGrant(capability, privileges)
  // Root looks into root only where it has every capability that the other one has.
  return facts.uid === 0 ? add : either(identityGrant(facts, privileges), add)
}

function reason(
  facts: ProcessFacts,
  privileges: Privileges,
): { readonly why?: string; readonly grant: string } {
  const { uid, gid, capabilities, confinement, canAttach } = privileges
  const { yamaScope = 0, label, isUserNamespace, sandbox } = confinement
  if (!canAttach && yamaScope === 3) {
    return {
      why: 'Yama forbids it to everybody (ptrace_scope is 3)',
      grant: 'a node with kernel.yama.ptrace_scope below 3: it is set when the node boots',
    }
  }
  if (capabilities.has('SYS_PTRACE')) {
    if (facts.securityLabel !== label) {
      return {
        why: `${label ?? 'what has no label'} may not look into ${facts.securityLabel ?? 'it'}`,
        grant: 'the same AppArmor profile or SELinux label for both containers',
      }
    }
    if (isUserNamespace) {
      const grant = 'the same `hostUsers` for both containers'
      return { why: 'it runs in another user namespace', grant }
    }
    const why = `${sandbox ?? 'a security module of the node'} forbids it`
    return { why, grant: "read in the node's audit log what refused, and allow it" }
  }
  if (uid !== facts.uid || gid !== facts.gid) {
    return { grant: identityOr(facts, 'SYS_PTRACE', privileges) }
  }
  const grant = capabilityGrant('SYS_PTRACE', privileges)
  if (!facts.isDumpable) return { why: 'it is not dumpable', grant }
  if (!canAttach && yamaScope > 0) {
    return { why: `Yama forbids it (ptrace_scope is ${yamaScope})`, grant }
  }
  return { why: 'it has capabilities that we have not', grant }
}
