// From a target and an ask to what will be run, or a refusal with reasons.
//
// The first strategy that nothing blocks is taken, and every obstacle that was
// met on the way is kept, so that whoever reads the picture knows what it lacks.

import { ProfilerError } from '../errors.ts'
import { filesObstacles } from '../runtimes/attach.ts'
import type { Fingerprint } from '../runtimes/index.ts'
import type {
  CaptureAsk,
  CaptureDescription,
  Mode,
  Obstacle,
  Privileges,
  Strategy,
  Tool,
} from '../runtimes/runtime.ts'
import type { ProcessFacts } from '../target/facts.ts'

/** A strategy and what stands in its way, for one target and one ask. */
export interface Weighed {
  readonly fingerprint: Fingerprint
  readonly strategy: Strategy
  readonly obstacles: readonly Obstacle[]
}

export interface Plan {
  readonly fingerprint: Fingerprint
  /** In the order to try them; at least one. */
  readonly captures: readonly CaptureDescription[]
  /** What of all these only one capture at a time may hold. */
  readonly exclusive: readonly string[]
  /** Why better ones were passed over, and what the chosen one will lack, as sentences. */
  readonly remarks: readonly string[]
}

/**
 * @throws {ProfilerError} `SP_NOT_PERMITTED` or `SP_TOOL_MISSING` when every strategy is blocked,
 *   `SP_TOOL_UNSUITABLE` when the tool asked for cannot sample this runtime
 */
export function plan(
  facts: ProcessFacts,
  fingerprints: readonly Fingerprint[],
  privileges: Privileges,
  ask: CaptureAsk,
): Plan {
  const fingerprint = fingerprints[0]
  if (fingerprint === undefined) {
    const { what, grant } = unknownRuntime(facts, privileges)
    throw new ProfilerError('SP_NOT_PERMITTED', `${what}; ${grant}.`)
  }
  const weighed = weigh(facts, fingerprint, privileges, ask)
  if (weighed.length === 0) throw unsuitable(fingerprint, ask)
  const open = weighed.filter(({ obstacles }) => !obstacles.some(blocks))
  if (open.length === 0) throw refusal(facts.pid, weighed)

  const best = open[0]!
  const passedOver = weighed.slice(0, weighed.indexOf(best))
  return {
    fingerprint,
    captures: open.map(({ strategy }) =>
      strategy.capture(facts, privileges, {
        mode: ask.mode,
        hertz: Math.min(ask.hertz, strategy.maxHertz),
        durationMs: ask.durationMs,
        pause: ask.pause === true,
        ...(ask.callGraph !== undefined && { callGraph: ask.callGraph }),
        ...(ask.native === true && { native: true }),
      }),
    ),
    exclusive: [...new Set(open.flatMap(({ strategy }) => strategy.exclusive ?? []))],
    remarks: [
      ...passedOver.map(
        ({ strategy, obstacles }) =>
          `${strategy.name} is not used: ${obstacles
            .filter(blocks)
            .map(({ what }) => what)
            .join('; ')}`,
      ),
      ...(ask.hertz > best.strategy.maxHertz
        ? [`${best.strategy.name} gives ${best.strategy.maxHertz} Hz at most, not ${ask.hertz}`]
        : []),
      ...(ask.native === true && !best.strategy.seesNative
        ? [`${best.strategy.name} shows no native code, with --native or without`]
        : []),
      ...best.obstacles.map(({ what, grant }) => `${what} (to mend it: ${grant})`),
    ],
  }
}

/** The strategies of a runtime for what was asked, best first, each with its obstacles: what `doctor` prints. */
export function weigh(
  facts: ProcessFacts,
  fingerprint: Fingerprint,
  privileges: Privileges,
  ask: CaptureAsk,
): Weighed[] {
  return fingerprint.runtime.strategies
    .filter(strategy => {
      const isAsked = ask.tool === undefined || strategy.tool === ask.tool
      return isAsked && strategy.modes.includes(ask.mode) && strategy.suits?.(facts) !== false
    })
    .map(strategy => ({
      fingerprint,
      strategy,
      obstacles: strategy.obstacles(facts, privileges, ask),
    }))
}

/** What stands in the way of every strategy where no runtime says that the process is its own. */
export function unknownRuntime(facts: ProcessFacts, privileges: Privileges): Obstacle {
  const what = `process ${facts.pid} does not show what it runs`
  const [obstacle] = filesObstacles(facts, privileges, 'blocks')
  if (obstacle !== undefined) {
    const why = obstacle.what.replace(`the files of process ${facts.pid}`, 'its files')
    return { ...obstacle, what: `${what}: ${why}` }
  }
  const denied = [...new Set(facts.denied)].join(', ')
  return {
    effect: 'blocks',
    what: denied === '' ? what : `${what}: ${denied} cannot be read`,
    grant: 'a program whose executable is an ELF file',
  }
}

function unsuitable(
  { runtime }: Fingerprint,
  { tool, mode }: { readonly tool?: Tool | undefined; readonly mode: Mode },
): ProfilerError {
  const offered = [...new Set(runtime.strategies.flatMap(({ modes }) => modes))].join(', ')
  const who = tool ?? 'no tool here'
  return new ProfilerError(
    'SP_TOOL_UNSUITABLE',
    `${who} cannot sample ${runtime.title} in mode ${mode}; modes that can be sampled: ${offered}`,
  )
}

function blocks({ effect }: Obstacle): boolean {
  return effect === 'blocks'
}

function refusal(pid: number, weighed: readonly Weighed[]): ProfilerError {
  const reasons = weighed.flatMap(({ strategy, obstacles }) =>
    obstacles.filter(blocks).map(({ what, grant }) => `${strategy.name}: ${what}; ${grant}`),
  )
  const isMissing = reasons.every(reason => reason.includes('not installed'))
  return new ProfilerError(
    isMissing ? 'SP_TOOL_MISSING' : 'SP_NOT_PERMITTED',
    `process ${pid} cannot be profiled. ${reasons.join('. ')}.`,
  )
}
