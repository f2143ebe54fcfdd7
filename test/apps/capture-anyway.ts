// What each strategy can really do to a process, whatever its obstacles say:
// runs every one for a moment, and prints what came of it as one line of JSON.
//
//     node capture-anyway.ts COMM...

import { askKernel } from '../../agent/capture/probe.ts'
import type { Mode } from '../../agent/config.ts'
import { readPrivileges } from '../../agent/plan/privileges.ts'
import type { Frame } from '../../agent/profile/profile.ts'
import { fingerprint, runtimes } from '../../agent/runtimes/index.ts'
import type { CaptureDescription, Privileges } from '../../agent/runtimes/runtime.ts'
import { captureNamed } from '../../agent/symbolize/named-capture.ts'
import { withFacts } from '../../agent/target/facts.ts'
import { targetOf } from '../../agent/target/find.ts'
import { listPids, readStat, ticksPerSecond } from '../../agent/target/procfs.ts'

export interface Tried {
  readonly strategy: string
  readonly mode: Mode
  /** Why there is no sample. */
  readonly error?: string
  /** Whether anything of the target itself, of the kernel, and of the kernel with a name was seen. */
  readonly sees: {
    readonly target: boolean
    readonly kernel: boolean
    readonly kernelNames: boolean
  }
}

export interface Attempt {
  readonly comm: string
  readonly isKnown: boolean
  readonly can: Pick<
    Privileges,
    'canAttach' | 'canOpenMemory' | 'canReadFiles' | 'canSignal' | 'answers'
  > & { readonly hidesKernelNames: boolean }
  readonly tried: readonly Tried[]
}

const ask = { hertz: 499, durationMs: 10_000 }
// A hundred samples of a program that runs half the time: beside others it takes as long as it takes.
const enoughTicks = 0.2 * ticksPerSecond
// Everything else of perf is the same permission once more.
const tested: readonly Mode[] = ['cpu', 'off-cpu']

const attempts: Attempt[] = []
for (const pid of listPids()) {
  if (process.argv.slice(2).includes(readStat(pid).comm)) attempts.push(await attempt(pid))
}
console.log(JSON.stringify({ attempts }))

async function attempt(pid: number): Promise<Attempt> {
  const answers = (await askKernel([pid]))(pid)
  const { descriptions, ...known } = withFacts(pid, facts => {
    const privileges = readPrivileges(pid, answers)
    const [found] = fingerprint(facts)
    const { strategies } = found?.runtime ?? runtimes.at(-1)!
    return {
      comm: facts.comm,
      isKnown: found !== undefined,
      can: {
        canAttach: privileges.canAttach,
        canOpenMemory: privileges.canOpenMemory,
        canReadFiles: privileges.canReadFiles,
        canSignal: privileges.canSignal,
        answers,
        hidesKernelNames: privileges.confinement.hidesKernelNames,
      },
      descriptions: strategies.flatMap(strategy =>
        strategy.modes
          .filter(mode => tested.includes(mode))
          .map(mode => ({
            strategy: strategy.name,
            mode,
            description: strategy.capture(facts, privileges, { ...ask, mode }),
          })),
      ),
    }
  })
  const tried: Tried[] = []
  for (const { strategy, mode, description } of descriptions) {
    tried.push({ strategy, mode, ...(await run(description)) })
  }
  return { ...known, tried }
}

async function run(description: CaptureDescription): Promise<Pick<Tried, 'error' | 'sees'>> {
  const { pid } = description
  const stop = new AbortController()
  const signals = { stop: stop.signal, discard: new AbortController().signal }
  const before = readStat(pid).cpuTicks
  const timer = setInterval(() => {
    if (readStat(pid).cpuTicks - before >= enoughTicks) stop.abort()
  }, 50)
  try {
    const progress = { state() {} }
    const { profile } = await captureNamed([description], targetOf(pid), signals, progress)
    const isKernel = ({ kind, module }: Frame) => kind === 'kernel' || module === '[kernel]'
    const frames = profile.frames.filter(({ kind }) => kind !== 'thread')
    const sees = {
      target: frames.some(frame => !isKernel(frame)),
      kernel: frames.some(isKernel),
      kernelNames: frames.some(({ kind }) => kind === 'kernel'),
    }
    // A thread leaves its core within the kernel: where nothing of that was seen, no switch was, and
    // what came is the CPU time alone.
    const isEmpty = description.tool === 'perf' && description.mode === 'off-cpu' && !sees.kernel
    return isEmpty ? { error: 'no switch of a thread was seen', sees } : { sees }
  } catch (error) {
    const sees = { target: false, kernel: false, kernelNames: false }
    return { error: (error as Error).message, sees }
  } finally {
    clearInterval(timer)
  }
}
