// From a capture's segments to one profile: each is read as it comes, by the
// reader of its format, and what has been read can be looked at meanwhile.
//
// The trap: perf's segment lasts as long as the capture. Where another tool samples
// in the same window, its segments are read beside it, not after it.

import type { Segment } from '../capture/capture.ts'
import type { Mode } from '../config.ts'
import { type NettraceReader, type NettraceSummary, nettraceReader } from './nettrace.ts'
import { type PerfDataOptions, type PerfDataReader, perfDataReader } from './perf-data.ts'
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

export interface Snapshot extends ReadCapture {
  /** Of segments that came whole: from when to when they were sampled, on the monotonic clock. */
  readonly sampledMs: readonly [number, number] | undefined
}

export interface Reading {
  readonly whole: Promise<ReadCapture>
  /** What has been read so far, as a copy that reading on does not change; undefined before there is anything. */
  snapshot(): Snapshot | undefined
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
export function readSegments(
  segments: AsyncIterable<Segment>,
  options: ReadOptions,
  window?: () => Promise<Window>,
  look?: (counts: Readonly<PerfCounts>) => void,
): Reading {
  let builder = new ProfileBuilder()
  /** What is looked at: never one that waits for the segment that takes its place. */
  let shown: ProfileBuilder | undefined
  let sampledMs: readonly [number, number] | undefined
  let perfReader: PerfDataReader | undefined
  let traceReader: NettraceReader | undefined
  let perf: PerfDataSummary | undefined
  let trace: NettraceSummary | undefined

  async function readPerf(chunks: Segment['chunks']): Promise<void> {
    const reader = perfDataReader(builder, options)
    let isEmpty = true
    for await (const chunk of chunks) {
      isEmpty = false
      reader.push(chunk)
      perfReader = reader
      look?.(reader.counts)
    }
    perfReader = undefined
    // Nothing at all is how perf refuses: what it said tells why, not the header that is missing.
    if (!isEmpty) perf = reader.end(await window?.())
  }

  async function readTrace(chunks: Segment['chunks']): Promise<void> {
    traceReader = nettraceReader(builder, { mode: options.mode === 'wall' ? 'wall' : 'cpu' })
    for await (const chunk of chunks) traceReader.push(chunk)
    trace = traceReader.end()
    traceReader = undefined
  }

  async function readOne(segment: Segment): Promise<void> {
    const { format, chunks, supersedes, startedMs, endedMs } = segment
    if (supersedes) builder = new ProfileBuilder()
    if (format === 'nettrace') return readTrace(chunks)
    if (startedMs === undefined) shown = builder
    await readerNamed(format).read(chunks, builder)
    shown = builder
    if (startedMs === undefined || endedMs === undefined) return
    sampledMs = [supersedes ? startedMs : (sampledMs?.[0] ?? startedMs), endedMs]
  }

  async function readAll(): Promise<ReadCapture> {
    let beside: Promise<void> | undefined
    const failed = Promise.withResolvers<never>()
    failed.promise.catch(() => {})
    const iterator = segments[Symbol.asyncIterator]()
    try {
      for (;;) {
        const { value, done } = await Promise.race([iterator.next(), failed.promise])
        if (done === true) break
        if (value.format === 'perf.data') {
          beside = readPerf(value.chunks)
          beside.catch(failed.reject)
        } else await readOne(value)
      }
      await beside
    } catch (error) {
      // Not waited for: it may be the next segment that it waits for.
      iterator.return?.().catch(() => {})
      throw error
    }
    return { profile: builder.build(), perf, trace }
  }

  return {
    whole: readAll(),
    snapshot() {
      const streamed = perfReader?.snapshot()
      if (streamed !== undefined) {
        return { profile: streamed.profile, perf: streamed.summary, trace, sampledMs }
      }
      const traced = traceReader?.snapshot()
      if (traced !== undefined) {
        return { profile: traced.profile, perf, trace: traced.summary, sampledMs }
      }
      return shown && { profile: shown.copy().build(), perf, trace, sampledMs }
    },
  }
}
