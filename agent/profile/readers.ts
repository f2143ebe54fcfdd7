// Which reader a file is for: told by what it says, never by what it is called.

import { ProfilerError } from '../errors.ts'
import { asprofWeights, readAsprof } from './asprof.ts'
import { detectCpuProfile, readCpuProfile, readThreadCpuProfile } from './cpuprofile.ts'
import { toUtf8, utf16Of } from './encoding.ts'
import { detectErlDist, readErlDist } from './erl-dist.ts'
import { detectFolded, readFolded } from './folded.ts'
import { gunzip, isGzip } from './gunzip.ts'
import { detectJfr, readJfr } from './jfr.ts'
import type { Chunks } from './lines.ts'
import { detectNettrace, readNettrace } from './nettrace.ts'
import { detectPerfData, type PerfDataOptions, readPerfData } from './perf-data.ts'
import { detectPerfScript, readPerfScript } from './perf-script.ts'
import type { PerfDataSummary } from './perf-summary.ts'
import { detectPhpspy, readPhpspy } from './phpspy.ts'
import { detectPprof, readPprof } from './pprof.ts'
import type { ProfileBuilder } from './profile.ts'
import { detectPySpyRaw, readPySpyRaw } from './py-spy-raw.ts'
import { detectRbspy, readRbspy } from './rbspy.ts'
import { detectSpeedscope, readSpeedscope } from './speedscope.ts'

export interface Reader {
  readonly format: string
  /** True: mine. False: certainly not. Undefined: cannot tell from this much. */
  detect(head: Uint8Array): boolean | undefined
  /** What a perf.data says of itself beside its samples. */
  read(
    chunks: Chunks,
    builder: ProfileBuilder,
    options?: ReadOptions,
  ): Promise<PerfDataSummary | undefined>
}

/** What a reader may need of the world: the files of a perf.data whose stacks were copied. */
export type ReadOptions = Pick<PerfDataOptions, 'unwinder'>

export interface ReadProfile {
  readonly format: string
  readonly perf: PerfDataSummary | undefined
}

/**
 * From the surest sign to the weakest. Eight bytes of magic come first (two formats have
 * them), then four (JFR), then the binary structure of pprof, which text can hardly imitate;
 * then what says its own name, then JSON by its keys. Of the texts, each is also the next one to somebody who does not look
 * closely: a line of `perf script` has a pid and a time, a line of py-spy is a
 * folded line whose frames have Python's files, one of rbspy has a file in every
 * frame, one of phpspy begins with its depth, and a folded line is anything
 * that ends in a number, so it is the last.
 */
export const readers: readonly Reader[] = [
  {
    format: 'perf.data',
    detect: detectPerfData,
    read: readPerfData,
  },
  { format: 'nettrace', detect: detectNettrace, read: alone(readNettrace) },
  { format: 'jfr', detect: detectJfr, read: alone(readJfr) },
  { format: 'pprof', detect: detectPprof, read: alone(readPprof) },
  { format: 'erl-dist', detect: detectErlDist, read: alone(readErlDist) },
  { format: 'cpuprofile', detect: detectCpuProfile, read: alone(readCpuProfile) },
  { format: 'cpuprofile of a thread', detect: () => false, read: alone(readThreadCpuProfile) },
  { format: 'speedscope', detect: detectSpeedscope, read: alone(readSpeedscope) },
  { format: 'perf script', detect: detectPerfScript, read: alone(readPerfScript) },
  { format: 'py-spy raw', detect: detectPySpyRaw, read: alone(readPySpyRaw) },
  { format: 'rbspy collapsed', detect: detectRbspy, read: alone(readRbspy) },
  { format: 'phpspy', detect: detectPhpspy, read: alone(readPhpspy) },
  { format: 'folded', detect: detectFolded, read: alone(readFolded) },
  // What it counts is not said in it: a driver knows, a file is read as any folded text.
  ...asprofWeights.map(weight => ({
    format: `asprof ${weight}`,
    detect: () => false,
    read: alone((chunks, builder) => readAsprof(chunks, builder, weight)),
  })),
]

/** A reader whose format says nothing of itself beside its samples. */
function alone(
  read: (chunks: Chunks, builder: ProfileBuilder) => Promise<unknown>,
): Reader['read'] {
  return async (chunks, builder) => {
    await read(chunks, builder)
    return undefined
  }
}

/** As much as a detector may see. A file's first 64 KiB say what it is, or nothing does. */
const headBytes = 64 * 1024

/** Wrappings are taken off one by one; nobody means to gzip three times. */
const maxWrappings = 3

/**
 * Reads a profile in whatever format it is, through gzip and UTF-16.
 *
 * @throws {ProfilerError} `SP_FORMAT_UNKNOWN`, or what the format's reader throws.
 */
export async function readProfile(
  chunks: Chunks,
  builder: ProfileBuilder,
  options: ReadOptions = {},
): Promise<ReadProfile> {
  let { head, all } = await peek(chunks)
  if (head.length === 0) throw new ProfilerError('SP_FORMAT_UNKNOWN', 'the input is empty')
  for (let wrappings = 0; wrappings < maxWrappings; wrappings++) {
    const encoding = utf16Of(head)
    if (isGzip(head)) all = gunzip(all, () => noteCut(builder))
    else if (encoding !== undefined) all = toUtf8(all, encoding)
    else break
    ;({ head, all } = await peek(all))
  }
  const reader = readerFor(withoutByteOrderMark(head))
  const summary = await reader.read(all, builder, options)
  return { format: reader.format, perf: summary }
}

/** The reader of a format that is known, as a driver's is. */
export function readerNamed(format: string): Reader {
  const reader = readers.find(each => each.format === format)
  if (reader !== undefined) return reader
  throw new ProfilerError('SP_INTERNAL', `there is no reader of ${format}`)
}

function noteCut(builder: ProfileBuilder): void {
  builder.note('The gzip stream of the input is cut: what came after is missing.')
}

function readerFor(head: Uint8Array): Reader {
  const answers = readers.map(reader => ({ reader, answer: reader.detect(head) }))
  // Who cannot tell from all of a short input will not find more in it.
  const isWhole = head.length < headBytes - 3
  const found =
    answers.find(({ answer }) => answer === true) ??
    answers.find(({ answer }) => answer === undefined && !isWhole)
  if (found !== undefined) return found.reader
  throw new ProfilerError(
    'SP_FORMAT_UNKNOWN',
    `the input is in no format that is known here; it begins with ${hexOf(head) || 'nothing'}`,
  )
}

function withoutByteOrderMark(head: Uint8Array): Uint8Array {
  return head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? head.subarray(3) : head
}

function hexOf(head: Uint8Array): string {
  return Buffer.from(head.subarray(0, 8))
    .toString('hex')
    .replace(/..(?=.)/g, '$& ')
}

/** The first bytes of a stream, and the stream as if nobody had looked. */
async function peek(chunks: Chunks): Promise<{ head: Buffer; all: Chunks }> {
  const iterator = toAsync(chunks)
  const parts: Uint8Array[] = []
  let length = 0
  while (length < headBytes) {
    const { value, done } = await iterator.next()
    if (done === true) break
    // A copy: who streams may use its buffer again.
    parts.push(Uint8Array.from(value))
    length += value.length
  }
  const seen = Buffer.concat(parts, length)
  return { head: seen.subarray(0, headBytes), all: resume(seen, iterator) }
}

async function* toAsync(chunks: Chunks): AsyncGenerator<Uint8Array> {
  yield* chunks
}

async function* resume(
  seen: Uint8Array,
  rest: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (seen.length > 0) yield seen
  yield* rest
}
