// The names that a .NET runtime gives of its methods, on top of those of files:
// what perf has sampled in code that the runtime made is in no symbol table.

import { type CaptureSignals, monotonicMs } from '../capture/capture.ts'
import { capturePipe } from '../capture/eventpipe.ts'
import { nettraceReader } from '../profile/nettrace.ts'
import { type Module, ProfileBuilder } from '../profile/profile.ts'
import { type MethodMap, mayHoldMethods, methodMap, methodMapSymbols } from './method-map.ts'
import type { ModuleSymbols } from './symbols.ts'

/**
 * Asks the runtime, which has to live, for its methods.
 *
 * @returns names for a module: the runtime's, and where it has none those of `others`
 * @throws {ProfilerError} `SP_NOT_PERMITTED`, `SP_TARGET_GONE`, `SP_TOOL_FAILED`, `SP_NETTRACE_MALFORMED`
 */
export async function withMethodNames(
  pid: number,
  others: (module: Module) => ModuleSymbols,
  signals: CaptureSignals,
): Promise<(module: Module) => ModuleSymbols> {
  return namesOnTop(pid, await askMethods(pid, signals), others)
}

export interface MethodsNow {
  /** Names for a module as they are known now: those of `others` until the runtime has answered. */
  over(others: (module: Module) => ModuleSymbols): (module: Module) => ModuleSymbols
  close(): void
}

/** For looks at what goes on: the runtime is asked at the first, and again when its answer is old. */
export function methodsNow(pid: number): MethodsNow {
  const closed = new AbortController()
  let map: MethodMap | undefined
  let askedMs = Number.NEGATIVE_INFINITY
  return {
    over(others) {
      if (monotonicMs() - askedMs > oldMs) {
        askedMs = monotonicMs()
        askMethods(pid, { stop: closed.signal, discard: closed.signal }).then(
          answer => {
            map = answer
          },
          () => {
            // A look without these names; the end of the capture says what is wrong.
          },
        )
      }
      return map === undefined ? others : namesOnTop(pid, map, others)
    },
    close: () => closed.abort(),
  }
}

// An answer is a tenth of a second's work of one thread of the runtime; most is compiled in its first seconds.
const oldMs = 30_000

async function askMethods(pid: number, signals: CaptureSignals): Promise<MethodMap> {
  const { segments, ended } = await capturePipe(pid, 'names', 0, signals)
  const reader = nettraceReader(new ProfileBuilder())
  for await (const { chunks } of segments) for await (const chunk of chunks) reader.push(chunk)
  reader.end()
  await ended
  return methodMap(reader.methods, module => reader.modulePath(module))
}

function namesOnTop(
  pid: number,
  map: MethodMap,
  others: (module: Module) => ModuleSymbols,
): (module: Module) => ModuleSymbols {
  return module => {
    const other = others(module)
    // Of a child, which has code of its own at the same addresses, nothing is known.
    const isOurs = module.pid === pid || module.pid === traced
    if (!isOurs || !mayHoldMethods(module)) return other
    const own = methodMapSymbols(map, module)
    return {
      find(value) {
        const found = own.find(value)
        return typeof found === 'string' ? other.find(value) : found
      },
    }
  }
}

/** In what a trace samples there is no pid: it is of one process. */
const traced = -1
