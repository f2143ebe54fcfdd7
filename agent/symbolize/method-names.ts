// The names that a .NET runtime gives of its methods, on top of those of files:
// what perf has sampled in code that the runtime made is in no symbol table.

import type { CaptureSignals } from '../capture/capture.ts'
import { capturePipe } from '../capture/eventpipe.ts'
import { nettraceReader } from '../profile/nettrace.ts'
import { type Module, ProfileBuilder } from '../profile/profile.ts'
import { mayHoldMethods, methodMap, methodMapSymbols } from './method-map.ts'
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
  const { segments, ended } = await capturePipe(pid, 'names', 0, signals)
  const reader = nettraceReader(new ProfileBuilder())
  for await (const { chunks } of segments) for await (const chunk of chunks) reader.push(chunk)
  reader.end()
  await ended
  const map = methodMap(reader.methods, module => reader.modulePath(module))
  return module => {
    const other = others(module)
    // Of a child, which has code of its own at the same addresses, nothing is known.
    if (module.pid !== pid || !mayHoldMethods(module)) return other
    const own = methodMapSymbols(map, module)
    return {
      find(value) {
        const found = own.find(value)
        return typeof found === 'string' ? other.find(value) : found
      },
    }
  }
}
