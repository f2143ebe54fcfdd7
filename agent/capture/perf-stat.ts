// Counters beside a capture, whatever its tool: `perf stat` runs for as long.
//
// https://man7.org/linux/man-pages/man1/perf-stat.1.html
//
// It prints when it is interrupted, or when its target has ended. It costs the
// target nothing but the reading of counters when its threads switch.

import { ProfilerError } from '../errors.ts'
import { monotonicMs } from './capture.ts'
import { startTool } from './run.ts'

export interface Counting {
  /** Ends it, and gives what it printed. A failure to count is words, not an error: the capture is what was asked for. */
  stop(): Promise<{ readonly text: string; readonly durationMs: number; readonly said: string }>
  /** Ends it at once. */
  kill(): void
}

/** @param events in perf's words */
export async function startCounting(
  toolPath: string,
  pid: number,
  events: readonly string[],
): Promise<Counting> {
  const args = ['stat', '-x,', '--log-fd=1', `--event=${events.join(',')}`, `--pid=${pid}`]
  const startedMs = monotonicMs()
  const tool = await startTool({ path: toolPath, args })
  let text = ''
  tool.stdout.setEncoding('utf8').on('data', (piece: string) => {
    if (text.length < maxText) text += piece
  })
  return {
    async stop() {
      tool.stop()
      // The clock stops here: what perf does after that counts nothing.
      const durationMs = monotonicMs() - startedMs
      try {
        const { stderrTail } = await tool.ended
        return { text, durationMs, said: stderrTail }
      } catch (error) {
        if (!(error instanceof ProfilerError)) throw error
        return { text, durationMs, said: error.message }
      }
    },
    kill: () => tool.kill(),
  }
}

// A line a counter, and there are a dozen.
const maxText = 64 << 10
