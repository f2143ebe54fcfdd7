// The contract of a runtime: it describes, it does not act.
//
// A runtime says whether a process is its own, and lists its strategies, best
// first. A strategy says what stands in its way and what to run. `doctor` prints
// the obstacles of every strategy and `plan` takes the first that nothing
// blocks: the same function, so they cannot disagree.

import type { CallGraph, Mode, Tool } from '../config.ts'
import type { Confinement } from '../target/confinement.ts'
import type { ProcessFacts } from '../target/facts.ts'
import type { Answers } from './answers.ts'

export type { CallGraph, Mode, Tool }

export interface Detection {
  /** `3.11.7`; `unknown` when the process is ours but does not tell. */
  readonly version: string
  /** The fact that decided, for people: `maps libpython3.11.so.1.0`. */
  readonly evidence: string
}

/** What we, the profiler, may do here. Found out by `plan/privileges.ts`. */
export interface Privileges {
  readonly uid: number
  readonly gid: number
  /** Names without `CAP_`, of those that matter to a profiler. */
  readonly capabilities: ReadonlySet<string>
  /** Those that a root process here would have: of a capability that was added and is not held, the trace. */
  readonly boundingCapabilities: ReadonlySet<string>
  /** What the kernel says when it is asked. This decides; the settings and limits below only explain. */
  readonly answers: Answers
  readonly confinement: Confinement
  /** undefined where the kernel has no such setting. */
  readonly perfEventParanoid: number | undefined
  /** The kernel clamps a higher rate to this one. */
  readonly perfMaxHertz: number
  /** Where each tool was found; a tool that is missing has no entry. */
  readonly tools: ReadonlyMap<Tool, string>
  /** What asprof has loaded into the target; undefined where it is not beside it. */
  readonly profilerLibrary?: string | undefined
  /** Whether the kernel lets us read the target's memory (process_vm_readv) and attach to it. */
  readonly canAttach: boolean
  /** Whether /proc/PID/mem can be opened: as above, and its file's mode, which stops a root without DAC_OVERRIDE. */
  readonly canOpenMemory: boolean
  /** Whether its files may be reached, through its root. */
  readonly canReadFiles: boolean
  /** Whether it may be sent a signal. */
  readonly canSignal: boolean
}

export interface CaptureAsk {
  readonly mode: Mode
  readonly hertz: number
  readonly durationMs: number
  /** The target may be stopped for the moment of each sample, where that makes stacks exact. */
  readonly pause?: boolean
  /** Default: `auto`. */
  readonly callGraph?: CallGraph
  /** Native code and the kernel as well, where the tool alone sees none of them. */
  readonly native?: boolean
  /** Where one was asked for by its name. */
  readonly tool?: Tool | undefined
  /** What would give us the right to run anything in the target may be used, to ask for stacks. */
  readonly allowRemoteEval?: boolean
}

/** What stands in the way of a strategy, and the one thing that would remove it. */
export interface Obstacle {
  readonly effect: 'blocks' | 'degrades'
  readonly what: string
  readonly grant: string
}

interface Description extends CaptureAsk {
  readonly pid: number
  /** What is sampled, for people: `cpu-clock`, `running threads`. */
  readonly event: string
  /** A second of CPU time gives `hertz` samples: what is achieved can be held against what was asked. */
  readonly countsCpuTime: boolean
  /** Of what the tool gives, the columns to keep, the width first. Left out: all, as they come. */
  readonly columns?: readonly string[]
  /** Frames after which the tool cuts a stack, at the root. */
  readonly stackLimit?: number
}

export interface PerfCapture extends Description {
  readonly tool: 'perf'
  readonly toolPath: string
  /** The runtime is asked for the names of the code that it made, over this protocol, when the sampling is over. */
  readonly methodNames?: 'eventpipe'
  /** `auto`: by frame pointers, and by copied stacks when those show no callers. */
  readonly callGraph: CallGraph
  /** Of 4 KB for each CPU: as much as may be locked, for what comes in bursts. */
  readonly mostBufferPages: number
  /** Beside the CPU clock, every so many switches of a thread with their stacks, and the times of all. */
  readonly switches?: {
    readonly period: number
    /** The same where stacks are copied, which are 40 times as large. */
    readonly copyingPeriod: number
    /** The capture ends there. */
    readonly maxBytes: number
  }
  /** Of a JVM that can be told to write its perf map, and how we connect to it. */
  readonly perfMap?: { readonly asTarget: boolean }
}

export interface PySpyCapture extends Description {
  readonly tool: 'py-spy'
  readonly toolPath: string
  /** Threads that wait are sampled as well. */
  readonly withIdle: boolean
  readonly pause: boolean
}

/** Where a program listens. */
export interface Endpoint {
  readonly address: string
  readonly port: number
}

export interface PprofCapture extends Description {
  readonly tool: 'pprof'
  /** Ports of the target, of which one may answer. */
  readonly endpoints: readonly Endpoint[]
  /** The target's arguments, joined by NUL: who answers otherwise is another program. Never to be published. */
  readonly identity: string
  readonly profile: 'profile' | 'allocs' | 'heap' | 'mutex' | 'block' | 'goroutine'
}

export interface EventPipeCapture extends Description {
  readonly tool: 'eventpipe'
}

export interface AsprofCapture extends Description {
  readonly tool: 'asprof'
  readonly toolPath: string
  readonly libraryPath: string
  /** What the library is told at the start, as it writes it: `event=cpu-clock`, `alluser`. */
  readonly options: readonly string[]
  /** What its stacks are weighted by, beside samples. */
  readonly unit?: 'bytes' | 'nanoseconds'
  /** Perf events are opened by us and handed over, for the target may not. */
  readonly handsOverPerf: boolean
  /** The folder of the target's file system that takes files and lets them be executed. */
  readonly folder: string
  /** The JVM takes connections of its own user only, or we may not connect as we are. */
  readonly asTarget: boolean
  /** What was loaded before under the same path is the same library, even if its file is gone: so with glibc. */
  readonly reusesLibrary: boolean
}

export interface JfrCapture extends Description {
  readonly tool: 'jfr'
  /** Between two looks at the threads, in whole milliseconds: JFR takes no others. */
  readonly periodMs: number
  /** The folder of the target's file system that takes files. */
  readonly folder: string
  /** As with async-profiler. */
  readonly asTarget: boolean
}

export interface InspectorCapture extends Description {
  readonly tool: 'inspector'
  /** The pid as the target sees it itself: what it has to answer before anything is done. */
  readonly nspid: number
  readonly startTicks: number
  /** Where it listens already; undefined where a signal has to open it, and we close it afterwards. */
  readonly openAt: Endpoint | undefined
  /** The port that it would open; 0 for one that the kernel chooses. */
  readonly port: number
  /** Runs in the same window, for what is no JavaScript. */
  readonly perf: PerfCapture | undefined
  /** Its descriptors may be read, so that a socket can be told to be its own. */
  readonly seesSockets: boolean
}

export interface RbspyCapture extends Description {
  readonly tool: 'rbspy'
  readonly toolPath: string
  /** What it shall take the runtime's version for, where it does not know the real one. */
  readonly forceVersion: string | undefined
  /** Stops the target for the moment of each sample. */
  readonly pause: boolean
}

export interface PhpspyCapture extends Description {
  readonly tool: 'phpspy'
  readonly toolPath: string
}

export interface ErlDistCapture extends Description {
  readonly tool: 'erl-dist'
  /** Ports of the target, one of which is that of its distribution. */
  readonly endpoints: readonly Endpoint[]
  /** Where the port mapper is that knows which. */
  readonly epmdPort: number
  /** Of a node that is in no port mapper: what it was told. */
  readonly toldPort: number | undefined
}

/** What a driver runs. It decides nothing: everything is in here. One kind for each tool. */
export type CaptureDescription =
  | PerfCapture
  | PySpyCapture
  | PprofCapture
  | RbspyCapture
  | PhpspyCapture
  | EventPipeCapture
  | AsprofCapture
  | JfrCapture
  | InspectorCapture
  | ErlDistCapture

export interface Strategy {
  /** Tells apart the strategies of a runtime: `perf`, `perf with the trampoline's map`. */
  readonly name: string
  readonly tool: Tool
  readonly modes: readonly Mode[]
  /** The highest rate that the tool gives honestly. A higher ask is lowered to it, and that is said. */
  readonly maxHertz: number
  /**
   * What only one capture at a time may hold, where there is such a thing: `port 9229`. Two captures
   * with the same words here run one after the other.
   */
  readonly exclusive?: string
  /** It shows native code too, always or when asked. */
  readonly seesNative?: boolean
  /** Whether it is a way for this process at all; left out: always. What is not is not listed. */
  suits?(facts: ProcessFacts): boolean
  /** What stands in the way. Looks, and changes nothing. */
  obstacles(facts: ProcessFacts, privileges: Privileges, ask: CaptureAsk): Obstacle[]
  /** What to run. Asked for only where no obstacle blocks. */
  capture(facts: ProcessFacts, privileges: Privileges, ask: CaptureAsk): CaptureDescription
}

export interface Runtime {
  readonly name: string
  /** As people write it. */
  readonly title: string
  /**
   * Says whether the process is ours.
   *
   * - returns a detection: ours
   * - returns `undefined`: not ours, ask the next runtime
   * - throws: ours, but one that cannot be profiled, and why
   */
  detect(facts: ProcessFacts): Detection | undefined
  /** Best first. */
  readonly strategies: readonly Strategy[]
}
