// From a capture's segments to one profile: each is read as it comes, by the
// reader of its format.

import type { Segment } from '../capture/capture.ts'
import type { Mode } from '../config.ts'
import { type NettraceSummary, readNettrace } from './nettrace.ts'
import { type PerfDataOptions, perfDataReader } from './perf-data.ts'
import type { PerfCounts, PerfDataSummary } from './perf-summary.ts'
import type { Window } from './perf-waiting.ts'
import { type Profile, ProfileBuilder } from './profile.ts'
import { readerNamed } from './readers.ts'

export interface ReadCapture {
  readonly profile: Profile
  /** Of a perf segment. */
  readonly perf: PerfDataSummary | undefined
  /** Of a segment in which a runtime sampled itself. */
  readonly trace: NettraceSummary | undefined
}

export interface ReadOptions
  extends Pick<PerfDataOptions, 'mapped' | 'onModule' | 'onUse' | 'unwinder'> {
  /** Whether samples of threads that wait are wanted, where a format has both. */
  readonly mode: Mode
}

/**
 * @param options how a perf segment is read: told of each mapped file as soon as it is read of,
 *   while the target still lives, and of each that was sampled
 * @param look shown what has been counted after each piece of a perf segment
 * @param window asked when all has come: when recording began and ended, on perf's clock
 */
export async function readSegments(
  segments: AsyncIterable<Segment>,
  options: ReadOptions,
  window?: () => Promise<Window>,
  look?: (counts: Readonly<PerfCounts>) => void,
): Promise<ReadCapture> {
  let builder = new ProfileBuilder()
  let perf: PerfDataSummary | undefined
  let trace: NettraceSummary | undefined
  for await (const { format, chunks, supersedes } of segments) {
    if (supersedes) builder = new ProfileBuilder()
    if (format === 'perf.data') {
      const reader = perfDataReader(builder, options)
      let isEmpty = true
      for await (const chunk of chunks) {
        isEmpty = false
        reader.push(chunk)
        look?.(reader.counts)
      }
      // Nothing at all is how perf refuses: what it said tells why, not the header that is missing.
      if (!isEmpty) perf = reader.end(await window?.())
    } else if (format === 'nettrace') {
      const mode = options.mode === 'wall' ? 'wall' : 'cpu'
      trace = await readNettrace(chunks, builder, { mode })
    } else {
      await readerNamed(format).read(chunks, builder)
    }
  }
  return { profile: builder.build(), perf, trace }
}
