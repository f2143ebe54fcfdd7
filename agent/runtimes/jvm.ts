// The JVM (HotSpot: OpenJDK and its distributions), sampled from within by
// async-profiler: https://github.com/async-profiler/async-profiler
//
// A process is one if it maps libjvm.so. Its version stands in the file
// `release` of its Java home, in its hsperfdata, and in the library itself.
//
// perf alone sees no Java frame, so a library is loaded into the JVM: by the
// attach protocol, which asks with SIGQUIT. Two traps decide what is asked for
// here. `-e cpu` falls silently to the kernel's timer, 100 or 250 Hz, where perf
// events are not permitted: so each of the three ways to sample CPU time is a
// strategy of its own, and the slow one says its rate. And with
// -XX:+DisableAttachMechanism SIGQUIT prints a thread dump into the JVM's log:
// so that flag is looked for first.
//
// Where async-profiler cannot be had, Java's own flight recorder is asked, over the
// same protocol: it needs no library, and sees less.

import type { ProcessFacts } from '../target/facts.ts'
import { asprofStrategies } from './asprof-strategies.ts'
import { jfrStrategy } from './jfr-strategy.ts'
import { connectObstacles, connectsAsTarget } from './jvm-attach.ts'
import { jvmLibrary, jvmMajor, jvmSwitch, jvmVersion } from './jvm-facts.ts'
import { perfCapture, perfObstacles, perfStrategy } from './perf-strategy.ts'
import type { CaptureAsk, CaptureDescription, Obstacle, Privileges, Runtime } from './runtime.ts'

export const jvmRuntime: Runtime = {
  name: 'jvm',
  title: 'OpenJDK',

  detect(facts) {
    const library = jvmLibrary(facts)
    if (library === undefined) return undefined
    return { version: jvmVersion(facts, library), evidence: `maps ${library}` }
  },

  strategies: [
    ...asprofStrategies,
    jfrStrategy,
    { ...perfStrategy, obstacles: perfHereObstacles, capture: perfHereCapture },
  ],
}

// `Compiler.perfmap` came with it.
const firstWithPerfMap = 17

/** Whether the JVM can be told to write the names of its compiled code. */
function writesPerfMap(facts: ProcessFacts, privileges: Privileges): boolean {
  return (
    jvmMajor(facts) >= firstWithPerfMap &&
    connectObstacles(facts, privileges).length === 0 &&
    facts.takes('/tmp').files
  )
}

function perfHereCapture(
  facts: ProcessFacts,
  privileges: Privileges,
  ask: CaptureAsk,
): CaptureDescription {
  const capture = perfCapture(facts, privileges, ask)
  return writesPerfMap(facts, privileges)
    ? { ...capture, perfMap: { asTarget: connectsAsTarget(facts, privileges) } }
    : capture
}

function perfHereObstacles(
  facts: ProcessFacts,
  privileges: Privileges,
  ask: CaptureAsk,
): Obstacle[] {
  const obstacles = perfObstacles(facts, privileges, ask)
  const degrade = (what: string, grant: string) =>
    obstacles.push({ effect: 'degrades', what, grant })
  if (!writesPerfMap(facts, privileges)) {
    degrade(
      'perf sees the JVM itself, not the Java functions',
      'what async-profiler needs; perf has names for Java 17 or newer that can be attached to',
    )
  } else if (jvmSwitch(facts, 'PreserveFramePointer') === true) {
    degrade(
      'perf does not see Java functions that are inlined or interpreted',
      'what async-profiler needs',
    )
  } else {
    degrade(
      'perf sees compiled Java functions without their callers, and others not at all',
      'what async-profiler needs, or start Java with `-XX:+PreserveFramePointer`',
    )
  }
  return obstacles
}
