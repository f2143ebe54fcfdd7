// From a target and an ask to what will be run, or a refusal with reasons.
//
// The first strategy that nothing blocks is taken, and every obstacle that was
// met on the way is kept, so that whoever reads the picture knows what it lacks.

import { ProfilerError } from '../errors.ts'
import type { Fingerprint } from '../runtimes/index.ts'
import type {
  CaptureAsk,
  CaptureDescription,
  Obstacle,
  Privileges,
  Strategy,
  Tool,
} from '../runtimes/runtime.ts'
import type { ProcessFacts } from '../target/facts.ts'

export interface Plan {
  readonly fingerprint: Fingerprint
  /** In the order to try them; at least one. */
  readonly captures: readonly CaptureDescription[]
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
  ask: CaptureAsk & { readonly tool?: Tool | undefined },
): Plan {
  const fingerprint = fingerprints[0]
  if (fingerprint === undefined) {
    throw new ProfilerError(
      'SP_NOT_PERMITTED',
      `process ${facts.pid} does not show what it runs: ${[...new Set(facts.denied)].join(', ')} ` +
        `cannot be read. Run as uid ${facts.uid}, or add the capability SYS_PTRACE.`,
    )
  }
  const strategies = fingerprint.runtime.strategies.filter(
    strategy => ask.tool === undefined || strategy.tool === ask.tool,
  )
  if (strategies.length === 0) {
    throw new ProfilerError(
      'SP_TOOL_UNSUITABLE',
      `${ask.tool} cannot sample ${fingerprint.runtime.title}`,
    )
  }
  const weighed = strategies.map(strategy => ({
    strategy,
    obstacles: strategy.obstacles(facts, privileges, ask),
  }))
  const open = weighed.filter(({ obstacles }) => !obstacles.some(blocks))
  if (open.length === 0) throw refusal(facts.pid, weighed)

  const best = open[0]!
  const passedOver = weighed.slice(0, weighed.indexOf(best))
  return {
    fingerprint,
    captures: open.map(({ strategy }) => ({
      tool: strategy.tool,
      toolPath: privileges.tools.get(strategy.tool)!,
      pid: facts.pid,
      hertz: Math.min(ask.hertz, strategy.maxHertz),
      durationMs: ask.durationMs,
    })),
    remarks: [
      ...passedOver.map(
        ({ strategy, obstacles }) =>
          `${strategy.tool} is not used: ${obstacles
            .filter(blocks)
            .map(({ what }) => what)
            .join('; ')}`,
      ),
      ...best.obstacles.map(({ what, grant }) => `${what} (to mend it: ${grant})`),
    ],
  }
}

function blocks({ effect }: Obstacle): boolean {
  return effect === 'blocks'
}

function refusal(
  pid: number,
  weighed: readonly { strategy: Strategy; obstacles: readonly Obstacle[] }[],
): ProfilerError {
  const reasons = weighed.flatMap(({ strategy, obstacles }) =>
    obstacles.filter(blocks).map(({ what, grant }) => `${strategy.tool}: ${what}; ${grant}`),
  )
  const isMissing = reasons.every(reason => reason.includes('not installed'))
  return new ProfilerError(
    isMissing ? 'SP_TOOL_MISSING' : 'SP_NOT_PERMITTED',
    `process ${pid} cannot be profiled. ${reasons.join('. ')}.`,
  )
}
