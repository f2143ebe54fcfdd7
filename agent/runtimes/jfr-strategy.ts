// Java's own flight recorder as a strategy: it needs no tool here and no library
// there, only that the JVM can be attached to. https://openjdk.org/jeps/328
//
// Every so many milliseconds it looks at up to five threads that run Java code
// and one that is in a native method. So CPU time is what Java code uses alone:
// the collector, the compiler, the kernel are not in it; a thread that waits for a
// core is; and what is in a native method, running or waiting, is counted apart.
//
// Two traps. Java's own settings go down to 10 ms, so we do. And up to Java 24 a
// sample whose place in the code has no debug information is thrown away, later
// it goes to the caller: of a tight loop nearly all, unless the JVM was started
// with -XX:+DebugNonSafepoints. How many came is held against the CPU time.

import type { ProcessFacts } from '../target/facts.ts'
import { placingFolders } from './asprof-strategies.ts'
import { connectObstacles, connectsAsTarget } from './jvm-attach.ts'
import { jvmHasModule, jvmMajor, jvmSwitch } from './jvm-facts.ts'
import type { CaptureAsk, JfrCapture, Obstacle, Privileges, Strategy } from './runtime.ts'

export const jfrStrategy: Strategy = {
  name: 'the flight recorder of Java',
  tool: 'jfr',
  modes: ['cpu'],
  maxHertz: 100,

  obstacles: (facts, privileges, ask) => [
    ...recorderObstacles(facts, privileges),
    ...connectObstacles(facts, privileges),
    ...qualityObstacles(facts, ask),
  ],

  capture(facts, privileges, ask): JfrCapture {
    const periodMs = Math.max(shortestPeriodMs, Math.round(1000 / ask.hertz))
    return {
      ...ask,
      tool: 'jfr',
      pid: facts.pid,
      hertz: Math.round(10_000 / periodMs) / 10,
      event: 'running Java code',
      countsCpuTime: true,
      columns: ['cpu', 'native'],
      periodMs,
      folder: folderFor(facts)!,
      asTarget: connectsAsTarget(facts, privileges),
    }
  },
}

// As fast as its own settings go, where they are called `max`.
const shortestPeriodMs = 10
const firstWithJfr = 11
// What it lacks, all of it has.
const better = 'what async-profiler needs'

function folderFor(facts: ProcessFacts): string | undefined {
  return placingFolders.find(folder => facts.takes(folder).files)
}

function recorderObstacles(facts: ProcessFacts, privileges: Privileges): Obstacle[] {
  const obstacles: Obstacle[] = []
  const block = (what: string, grant: string) => obstacles.push({ effect: 'blocks', what, grant })
  if (!privileges.canReadFiles) return obstacles
  if (jvmMajor(facts) < firstWithJfr) {
    block('the flight recorder of this Java is an older one, which is not spoken here', 'Java 11')
  } else if (jvmHasModule(facts, 'jdk.jfr') === false) {
    block('this Java was made without the module jdk.jfr', 'a Java that has it')
  } else if (jvmSwitch(facts, 'FlightRecorder') === false) {
    block('the JVM was started with -XX:-FlightRecorder', 'start it without that flag')
  }
  if (folderFor(facts) === undefined) {
    block('no folder of the target takes files', 'mount an emptyDir at its /tmp')
  }
  return obstacles
}

function qualityObstacles(facts: ProcessFacts, { hertz }: CaptureAsk): Obstacle[] {
  const obstacles: Obstacle[] = []
  const degrade = (what: string, grant: string) =>
    obstacles.push({ effect: 'degrades', what, grant })
  degrade(
    'only Java functions are seen, of five threads at a time, whether they have a core or wait for one',
    better,
  )
  if (jvmSwitch(facts, 'DebugNonSafepoints') !== true) {
    degrade(
      'functions that the JVM inlined, and tight loops, are missing or given to their callers',
      `${better}, or start Java with \`-XX:+UnlockDiagnosticVMOptions -XX:+DebugNonSafepoints\``,
    )
  }
  if (hertz > 1000 / shortestPeriodMs) {
    degrade(
      `the flight recorder samples every ${shortestPeriodMs} ms at most, so the rate is ${1000 / shortestPeriodMs} Hz, not ${hertz}`,
      better,
    )
  }
  return obstacles
}
