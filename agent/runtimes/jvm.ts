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

import type { ProcessFacts } from '../target/facts.ts'
import { asprofStrategies } from './asprof-strategies.ts'
import { connectObstacles, connectsAsTarget } from './jvm-attach.ts'
import { jvmSwitch, jvmTexts } from './jvm-facts.ts'
import { perfCapture, perfObstacles, perfStrategy } from './perf-strategy.ts'
import type { CaptureAsk, CaptureDescription, Obstacle, Privileges, Runtime } from './runtime.ts'

const libjvm = /\/libjvm\.so$/
const maxRelease = 64 << 10
// Of the line that -Xinternalversion prints: `OpenJDK 64-Bit Server VM (17.0.15+6-Debian-1) for linux-amd64`.
const internalVersion = /VM \((\d[^()\s]{0,60})\) for linux/

export const jvmRuntime: Runtime = {
  name: 'jvm',
  title: 'OpenJDK',

  detect(facts) {
    const library = facts.mappedFiles.find(path => libjvm.test(path))
    if (library === undefined) return undefined
    return { version: versionOf(facts, library), evidence: `maps ${library}` }
  },

  strategies: [
    ...asprofStrategies,
    { ...perfStrategy, obstacles: perfHereObstacles, capture: perfHereCapture },
  ],
}

function versionOf(facts: ProcessFacts, library: string): string {
  // lib/server/libjvm.so; before Java 9 jre/lib/amd64/server/libjvm.so, with `release` beside `jre`.
  const folders = library.split('/').slice(0, -1)
  for (const up of [2, 4, 3]) {
    const home = folders.slice(0, -up).join('/')
    const release = facts.readFile(`${home}/release`, maxRelease)?.toString('utf8') ?? ''
    const version = /^JAVA_VERSION="([\w.+-]{1,60})"/m.exec(release)?.[1]
    if (version !== undefined) return version
  }
  return (
    jvmTexts(facts)?.get('java.property.java.version') ??
    facts.search(library, internalVersion)?.[1] ??
    'unknown'
  )
}

// `Compiler.perfmap` came with it.
const firstWithPerfMap = 17

/** Whether the JVM can be told to write the names of its compiled code. */
function writesPerfMap(facts: ProcessFacts, privileges: Privileges): boolean {
  const library = facts.mappedFiles.find(path => libjvm.test(path))
  const major = library === undefined ? 0 : Number.parseInt(versionOf(facts, library), 10)
  return (
    major >= firstWithPerfMap &&
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
