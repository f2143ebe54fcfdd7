// What stands in the way of telling a JVM something, by its attach protocol
// (`capture/hotspot-attach.ts`): the permission to reach where it listens, and,
// where it does not listen yet, to ask it to by SIGQUIT.

import type { ProcessFacts } from '../target/facts.ts'
import {
  capabilityGrant,
  either,
  filesObstacles,
  identityGrant,
  signalObstacles,
} from './attach.ts'
import { jvmSwitch } from './jvm-facts.ts'
import type { Obstacle, Privileges } from './runtime.ts'

/** What keeps us from telling the JVM anything at all. */
export function connectObstacles(facts: ProcessFacts, privileges: Privileges): Obstacle[] {
  const { pid, uid, nspid } = facts
  const { capabilities } = privileges
  const obstacles: Obstacle[] = []
  const block = (what: string, grant: string) => obstacles.push({ effect: 'blocks', what, grant })
  // What follows is looked for in its files.
  if (!privileges.canReadFiles) return filesObstacles(facts, privileges, 'blocks')
  if (facts.tracerPid !== 0) {
    block(
      `process ${pid} is traced by process ${facts.tracerPid}, through which every signal goes`,
      'end that debugger',
    )
  }
  if (jvmSwitch(facts, 'DisableAttachMechanism') === true) {
    block('the JVM was started with -XX:+DisableAttachMechanism', 'start it without that flag')
  }
  if (connectsAsTarget(facts, privileges) && !hasAll(capabilities, ['SETUID', 'SETGID'])) {
    const takesRoot = privileges.uid === 0 && !takesOwnUserOnly(facts)
    block(
      uid === privileges.uid
        ? `the JVM runs as gid ${facts.gid}, we as ${privileges.gid}, whom it does not let connect`
        : `the JVM runs as uid ${uid}, we as ${privileges.uid}, whom it does not let connect`,
      either(
        identityGrant(facts, privileges),
        takesRoot
          ? capabilityGrant('DAC_OVERRIDE', privileges)
          : 'add the capabilities SETUID and SETGID',
      ),
    )
  }
  if (facts.kindOf(`/tmp/.java_pid${nspid}`) !== 'socket') {
    obstacles.push(...listenObstacles(facts, privileges))
  }
  return obstacles
}

/** A JVM takes its own user and group; since JDK 11 root too, who then must be let into the socket. */
export function connectsAsTarget(
  facts: ProcessFacts,
  { uid, gid, capabilities }: Privileges,
): boolean {
  if (facts.uid === uid && facts.gid === gid) return false
  return uid !== 0 || !capabilities.has('DAC_OVERRIDE') || takesOwnUserOnly(facts)
}

function takesOwnUserOnly(facts: ProcessFacts): boolean {
  // Before Java 9 the library lies in jre/lib/<architecture>/server.
  return facts.mappedFiles.some(path =>
    /\/lib\/(?:amd64|aarch64|arm|i386)\/server\/libjvm\.so$/.test(path),
  )
}

/** What keeps a JVM that does not listen yet from being asked to. */
function listenObstacles(facts: ProcessFacts, privileges: Privileges): Obstacle[] {
  const obstacles: Obstacle[] = []
  const block = (what: string, grant: string) => obstacles.push({ effect: 'blocks', what, grant })
  if (facts.kindOf('/tmp') !== 'folder') {
    block('the target has no folder /tmp, where a JVM listens', 'mount an emptyDir at its /tmp')
  } else if (!facts.takes('/tmp').files) {
    block(
      'the /tmp of the target cannot be written to, where a JVM listens',
      'mount an emptyDir at its /tmp',
    )
  }
  if ((facts.caughtSignals & sigquitBit) === 0n) {
    block(
      'the JVM does not catch SIGQUIT (-Xrs), so it cannot be asked to listen',
      'start it without -Xrs, or with -XX:+StartAttachListener',
    )
    return obstacles
  }
  return [...obstacles, ...signalObstacles(facts, privileges)]
}

const sigquitBit = 1n << 2n

export function hasAll(capabilities: ReadonlySet<string>, names: readonly string[]): boolean {
  return names.every(name => capabilities.has(name))
}
