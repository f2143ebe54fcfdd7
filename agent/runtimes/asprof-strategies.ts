// async-profiler as strategies: what stands in its way, and what it is told.
// https://github.com/async-profiler/async-profiler/blob/master/docs/ProfilerOptions.md
//
// CPU time is sampled in three ways, best first. Perf events that we open and
// hand over have the full rate and the kernel's frames, whatever the target may
// do itself. Perf events that the target opens have the full rate. The kernel's
// timer works everywhere, and has the rate of its tick.

import type { ProcessFacts } from '../target/facts.ts'
import { capabilityGrant } from './attach.ts'
import { connectObstacles, connectsAsTarget, hasAll } from './jvm-attach.ts'
import { holderOfSignal } from './other-profilers.ts'
import { samplesKernel, samplingRefusal } from './perf-permission.ts'
import type { AsprofCapture, CaptureAsk, Mode, Obstacle, Privileges, Strategy } from './runtime.ts'

interface Way {
  readonly name: string
  readonly modes: readonly Mode[]
  readonly event: (mode: Mode, facts: ProcessFacts, privileges: Privileges) => string
  readonly options: (
    ask: CaptureAsk,
    facts: ProcessFacts,
    privileges: Privileges,
  ) => readonly string[]
  readonly unit?: (mode: Mode) => AsprofCapture['unit']
  readonly maxHertz: number
  readonly obstacles: (
    facts: ProcessFacts,
    privileges: Privileges,
    ask: CaptureAsk,
  ) => readonly Obstacle[]
  readonly handsOverPerf?: boolean
  readonly hertz?: (ask: CaptureAsk, facts: ProcessFacts) => number
}

const ways: readonly Way[] = [
  {
    name: 'async-profiler with our perf events',
    modes: ['cpu'],
    event: () => 'cpu-clock',
    options: ask => ['event=cpu-clock', interval(ask)],
    maxHertz: 999,
    obstacles: handOverObstacles,
    handsOverPerf: true,
  },
  {
    name: "async-profiler with the target's perf events",
    modes: ['cpu'],
    event: (_, ...here) => (seesKernel(...here) ? 'cpu-clock' : 'cpu-clock:u'),
    options: (ask, ...here) => [
      'event=cpu-clock',
      interval(ask),
      ...(seesKernel(...here) ? [] : ['alluser']),
    ],
    maxHertz: 999,
    obstacles: ownEventObstacles,
  },
  {
    name: "async-profiler with the kernel's timer",
    modes: ['cpu'],
    event: () => 'ctimer',
    options: (ask, facts) => ['event=ctimer', interval({ hertz: timerHertz(ask, facts) })],
    maxHertz: 999,
    obstacles: timerObstacles,
    hertz: timerHertz,
  },
  {
    name: 'async-profiler',
    modes: ['wall', 'alloc', 'lock'],
    event: mode =>
      ({ wall: 'wall clock', alloc: 'allocated', lock: 'lock contention' })[mode as string] ?? mode,
    options: ask =>
      ask.mode === 'wall'
        ? ['event=wall', interval(ask)]
        : ask.mode === 'alloc'
          ? ['event=alloc', `alloc=${allocBytes}`]
          : ['event=lock', `lock=${lockNs}`],
    unit: mode => (mode === 'alloc' ? 'bytes' : mode === 'lock' ? 'nanoseconds' : undefined),
    // A sample of a thread that waits is a signal to it: with hundreds of threads more is felt.
    maxHertz: 99,
    obstacles: () => [],
  },
]

// One sample for each 512 KB, async-profiler's own default: some hundred a second in a busy service.
const allocBytes = 512 << 10
// A lock is sampled each time that the time waited for it has grown by this much; its own default.
const lockNs = 10_000

export const asprofStrategies: readonly Strategy[] = ways.map(way => ({
  name: way.name,
  tool: 'asprof',
  modes: way.modes,
  maxHertz: way.maxHertz,
  obstacles: (facts, privileges, ask) => [
    ...libraryObstacles(facts, privileges),
    ...connectObstacles(facts, privileges),
    ...signalObstaclesOf(facts, ask),
    ...way.obstacles(facts, privileges, ask),
  ],
  capture: (facts, privileges, ask): AsprofCapture => {
    const unit = way.unit?.(ask.mode)
    return {
      ...ask,
      hertz: way.hertz?.(ask, facts) ?? ask.hertz,
      tool: 'asprof',
      toolPath: privileges.tools.get('asprof')!,
      libraryPath: privileges.profilerLibrary!,
      pid: facts.pid,
      event: way.event(ask.mode, facts, privileges),
      countsCpuTime: ask.mode === 'cpu',
      options: way.options(ask, facts, privileges),
      ...(unit !== undefined && { unit }),
      handsOverPerf: way.handsOverPerf === true,
      folder: folderFor(facts)!,
      asTarget: connectsAsTarget(facts, privileges),
      reusesLibrary: facts.libc === 'glibc',
    }
  },
}))

function interval({ hertz }: Pick<CaptureAsk, 'hertz'>): string {
  return `interval=${Math.round(1e9 / hertz)}`
}

// The slowest tick that a kernel has: below it there is nothing to find out.
const slowestTick = 100

/** The kernel's timer fires at ticks only. */
function timerHertz({ hertz }: Pick<CaptureAsk, 'hertz'>, facts: ProcessFacts): number {
  return hertz <= slowestTick ? hertz : Math.min(hertz, facts.kernelHertz() ?? hertz)
}

/**
 * Where people expect what is temporary, then the container's own layer. No other volume: a database
 * that finds a strange folder among its files may not start again.
 */
export const placingFolders = [
  '/tmp',
  '/var/tmp',
  '/dev/shm',
  '/run',
  '/opt',
  '/usr/local/lib',
  '/',
]

function folderFor(facts: ProcessFacts): string | undefined {
  return placingFolders.find(folder => facts.takes(folder).programs)
}

function libraryObstacles(facts: ProcessFacts, privileges: Privileges): Obstacle[] {
  const obstacles: Obstacle[] = []
  const block = (what: string, grant: string) => obstacles.push({ effect: 'blocks', what, grant })
  if (!privileges.tools.has('asprof')) {
    block(
      'asprof is not installed here',
      'install async-profiler and have `asprof` on PATH, or use the sp-profiler image',
    )
  } else if (privileges.profilerLibrary === undefined) {
    block(
      'libasyncProfiler.so is not installed here, beside asprof',
      'install async-profiler whole: bin/asprof and lib/libasyncProfiler.so',
    )
  }
  if (privileges.canReadFiles && folderFor(facts) === undefined) {
    const { files } = facts.takes('/tmp')
    block(
      files
        ? 'no folder of the target lets programs be executed (its /tmp is noexec)'
        : 'no folder of the target takes files that may be executed',
      'mount an emptyDir at its /tmp, without noexec',
    )
  }
  return obstacles
}

// By which async-profiler samples. What it had before is not given back when it ends.
const sigprof = { number: 27, name: 'SIGPROF' }
const sigvtalrm = { number: 26, name: 'SIGVTALRM' }

function signalObstaclesOf(facts: ProcessFacts, { mode }: CaptureAsk): Obstacle[] {
  const signal = mode === 'cpu' ? sigprof : mode === 'wall' ? sigvtalrm : undefined
  const holder = signal && holderOfSignal(facts, signal.number)
  if (holder === undefined) return []
  return [
    {
      effect: 'blocks',
      what: `${holder} is at work in the JVM by ${signal!.name}, which async-profiler would take from it, and is left alone`,
      grant: 'end that profiler first',
    },
  ]
}

function handOverObstacles(facts: ProcessFacts, privileges: Privileges): Obstacle[] {
  const { uid, capabilities, confinement } = privileges
  const obstacles: Obstacle[] = []
  const block = (what: string, grant: string) => obstacles.push({ effect: 'blocks', what, grant })
  const refusal = samplingRefusal(facts, privileges)
  if (refusal !== undefined) obstacles.push({ effect: 'blocks', ...refusal })
  else if (!samplesKernel(privileges)) {
    block('we may not open perf events for others', capabilityGrant('PERFMON', privileges))
  }
  if (!facts.sharesPids) {
    block('the PID namespace of the target is not ours', 'share it (shareProcessNamespace)')
  }
  if (!facts.sharesNetwork) {
    block(
      'the network namespace of the target is not ours, and perf events are handed over a socket in it',
      'run in the pod of the target, which shares its network',
    )
  }
  if (facts.uid !== uid && !hasAll(capabilities, ['SETUID', 'SETGID'])) {
    block(
      `asprof may not act as uid ${facts.uid}`,
      'add the capabilities SETUID and SETGID, or run as that uid',
    )
  }
  if (confinement.hidesKernelNames) {
    obstacles.push({
      effect: 'degrades',
      what: 'kernel functions have no names (kallsyms is hidden)',
      grant: capabilityGrant('SYSLOG', privileges),
    })
  }
  return obstacles
}

const privilegedForPerf = (1n << 38n) | (1n << 21n)

/** PERFMON or SYS_ADMIN, of the target itself. */
function isPrivileged({ effectiveCapabilities }: ProcessFacts): boolean {
  return (effectiveCapabilities & privilegedForPerf) !== 0n
}

/** Whether the target may sample the kernel too. */
function seesKernel(facts: ProcessFacts, { perfEventParanoid }: Privileges): boolean {
  return isPrivileged(facts) || (perfEventParanoid !== undefined && perfEventParanoid <= 1)
}

function ownEventObstacles(facts: ProcessFacts, privileges: Privileges): Obstacle[] {
  const obstacles: Obstacle[] = []
  const { perfEventParanoid, answers, confinement } = privileges
  // Of a filter of ours nothing follows for the target.
  const isMissing = answers.perfEvents === 'ENOSYS' && !confinement.isFiltered
  if (isMissing || confinement.sandbox === 'gVisor' || perfEventParanoid === undefined) {
    obstacles.push({
      effect: 'blocks',
      what: 'this kernel has no perf events',
      grant: 'a node whose kernel has CONFIG_PERF_EVENTS (gVisor has none)',
    })
  } else if (!seesKernel(facts, privileges)) {
    obstacles.push({ effect: 'degrades', ...noKernelFrames(privileges) })
  }
  if (facts.seccomp === 2 && !isPrivileged(facts)) {
    obstacles.push({
      effect: 'degrades',
      what: 'a seccomp filter of the target may forbid it perf events',
      grant: grantFor(privileges),
    })
  }
  return obstacles
}

function noKernelFrames(privileges: Privileges): Pick<Obstacle, 'what' | 'grant'> {
  return { what: 'frames of the kernel are left out', grant: grantFor(privileges) }
}

function grantFor(privileges: Privileges): string {
  return samplesKernel(privileges)
    ? 'what lets us hand over our own perf events'
    : `${capabilityGrant('PERFMON', privileges)}, so that we open the perf events`
}

function timerObstacles(facts: ProcessFacts, privileges: Privileges, ask: CaptureAsk): Obstacle[] {
  const obstacles: Obstacle[] = [{ effect: 'degrades', ...noKernelFrames(privileges) }]
  const tick = ask.hertz <= slowestTick ? slowestTick : facts.kernelHertz()
  if (tick === undefined || ask.hertz > tick) {
    obstacles.push({
      effect: 'degrades',
      what:
        tick === undefined
          ? 'the rate is limited by the tick of the kernel, which is not known here'
          : `the kernel's timer ticks ${tick} times a second (CONFIG_HZ), so the rate is ${tick} Hz, not ${ask.hertz}`,
      grant: grantFor(privileges),
    })
  }
  return obstacles
}
