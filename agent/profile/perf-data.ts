// perf.data: what `perf record` writes, as a file or into a pipe (`-o -`).
//
//     pipe: "PERFILE2", u64 16; records, the first of which describe the events
//     file: "PERFILE2", u64 104, sections (attributes, data), a bitmap of
//           features; ids; attributes; data = records; features
//
// https://github.com/torvalds/linux/blob/master/tools/perf/Documentation/perf.data-file-format.txt
//
// Both are read as they come, in any pieces, in one pass: the pipe while perf
// still records, the file from a pipe too, since what its records need stands
// before them and what only names things behind them. Nothing is kept but the
// stacks, so the size of a recording does not matter.
//
// Traps. Records do not come in the order of time (perf-order.ts). The layout
// of a sample is said elsewhere (perf-attr.ts). A file whose perf was killed has
// a data size of 0 and no features. And what is cut off in the middle is still
// good up to there, so it is kept, and said.

import { ProfilerError } from '../errors.ts'
import { attrSize, readAttr } from './perf-attr.ts'
import { readFeatures, readIds } from './perf-features.ts'
import { inflater } from './perf-inflate.ts'
import { type RecordBytes, recordType } from './perf-records.ts'
import { type PerfDataOptions, Session } from './perf-session.ts'
import { RecordStream } from './perf-stream.ts'
import type { PerfCounts, PerfDataSummary } from './perf-summary.ts'
import type { Window } from './perf-waiting.ts'
import type { Profile, ProfileBuilder } from './profile.ts'

export type { PerfDataOptions, PerfDataSummary }

export interface PerfDataReader {
  /** @throws {ProfilerError} `SP_PERF_DATA_MALFORMED` if no sample could be read from here on; not for a record. */
  push(chunk: Uint8Array): void
  /** What has been counted so far. */
  readonly counts: Readonly<PerfCounts>
  /** What has been read so far, as a copy that reading on does not change; undefined before its first event. */
  snapshot(): { readonly profile: Profile; readonly summary: PerfDataSummary } | undefined
  /**
   * Hands the weights to the builder. To be called once, when no more will come.
   *
   * @param window when recording began and ended, where somebody knows better than the records
   */
  end(window?: Window): PerfDataSummary
}

/** Whether this is the beginning of a perf.data, of either byte order. 8 bytes are enough. */
export function detectPerfData(head: Uint8Array): boolean {
  const magic = Buffer.from(head.subarray(0, 8)).toString('latin1')
  return magic === magicHere || magic === magicSwapped
}

/**
 * Reads a recording into `builder`, chunk by chunk.
 *
 * Compressed recordings (`perf record -z`) are for `readPerfData`: Node
 * decompresses a stream only asynchronously.
 */
export function perfDataReader(
  builder: ProfileBuilder,
  options: PerfDataOptions = {},
): PerfDataReader {
  const recording = new Recording(builder, options)
  return {
    push(chunk) {
      for (const _packed of recording.push(chunk)) {
        throw malformed('is compressed, which cannot be read while it is recorded: leave out -z')
      }
    },
    get counts() {
      return recording.counts
    },
    snapshot: () => recording.snapshot(),
    end: window => recording.end(window),
  }
}

/**
 * Reads a whole recording, compressed or not.
 *
 * A recording without samples is no error here: the summary says why there may be none.
 *
 * @throws {ProfilerError} `SP_PERF_DATA_MALFORMED`, with the offset.
 */
export async function readPerfData(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  builder: ProfileBuilder,
  options: PerfDataOptions = {},
): Promise<PerfDataSummary> {
  const recording = new Recording(builder, options)
  const { inflate, close } = inflater()
  try {
    for await (const chunk of chunks) {
      for (const packed of recording.push(chunk)) {
        const isWhole = await inflate(packed, piece => recording.pushInflated(piece))
        if (!isWhole) recording.stopAtDamage()
      }
    }
  } finally {
    close()
  }
  return recording.end()
}

const magicHere = 'PERFILE2'
const magicSwapped = '2ELIFREP'
const magicOld = 'PERFFILE'

const pipeHeaderSize = 16
const fileHeaderSize = 104
// Ids and attributes of the events: 64 CPUs and 100 events are some 60 KB.
const mostHead = 16 << 20
// Features: build-ids and BPF programs are the large ones. What is behind this much is not read.
const mostTail = 16 << 20

interface FileHeader {
  readonly attrSize: number
  readonly attrs: Section
  readonly data: Section
  readonly features: Buffer
}

interface Section {
  readonly offset: number
  readonly size: number
}

class Recording {
  readonly #builder: ProfileBuilder
  readonly #session: Session
  readonly #records = new RecordStream((from, at, size) => this.#take(from, at, size))
  readonly #inflated = new RecordStream((from, at, size) => this.#session.take(from, at, size))
  /** What has been gathered of the part that is read as one: the head, later the tail. */
  #gathered: Buffer[] = []
  #gatheredSize = 0
  /** Up to where the head goes: as far as is known yet. */
  #headSize = pipeHeaderSize
  #file: FileHeader | undefined
  #isInData = false
  /** Of the data, what has not come yet. */
  #dataLeft = Number.POSITIVE_INFINITY
  #dataAt = pipeHeaderSize
  #hasTooMuchTail = false
  #isDamaged = false

  constructor(builder: ProfileBuilder, options: PerfDataOptions) {
    this.#builder = builder
    this.#session = new Session(builder, options)
  }

  /** Yields each compressed piece, which must be inflated and pushed before the next step. */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, void> {
    let rest = chunk
    while (!this.#isInData) {
      if (rest.length === 0) return
      rest = this.#gatherHead(rest)
    }
    if (this.#isDamaged) return
    const data = rest.subarray(0, Math.min(rest.length, this.#dataLeft))
    this.#dataLeft -= data.length
    if (data.length > 0) yield* this.#records.push(data)
    if (data.length < rest.length) this.#gatherTail(rest.subarray(data.length))
  }

  get counts(): Readonly<PerfCounts> {
    return this.#session.counts
  }

  pushInflated(piece: Uint8Array): void {
    for (const _packed of this.#inflated.push(piece)) this.stopAtDamage()
  }

  stopAtDamage(): void {
    this.#isDamaged = true
  }

  snapshot(): { profile: Profile; summary: PerfDataSummary } | undefined {
    if (!this.#session.hasEvents) return undefined
    const { builder, summary } = this.#session.snapshot()
    return { profile: builder.build(), summary }
  }

  end(window?: Window): PerfDataSummary {
    if (!this.#isInData) {
      throw malformed(`ends at offset ${this.#gatheredSize}, within its header`)
    }
    const isTruncated = this.#noteWhereItEnds()
    if (!this.#session.hasEvents) throw malformed('does not describe any event')
    return this.#session.end(this.#file === undefined ? 'pipe' : 'file', isTruncated, window)
  }

  /** Takes what the head still needs from a chunk, and returns the rest. */
  #gatherHead(chunk: Uint8Array): Uint8Array {
    const count = Math.min(chunk.length, this.#headSize - this.#gatheredSize)
    this.#gather(chunk.subarray(0, count))
    const rest = chunk.subarray(count)
    if (this.#gatheredSize < this.#headSize) return rest
    const head = Buffer.concat(this.#gathered)
    this.#gathered = [head]
    if (head.length === pipeHeaderSize) {
      if (headerSize(head) === pipeHeaderSize) this.#startData()
      else this.#headSize = fileHeaderSize
    } else if (this.#file === undefined) {
      this.#file = readFileHeader(head)
      this.#dataAt = this.#file.data.offset
      this.#headSize = this.#dataAt
      // perf writes the size when it ends. One that was killed leaves 0, and the data go on to the end.
      if (this.#file.data.size > 0) this.#dataLeft = this.#file.data.size
      if (this.#headSize === head.length) this.#readAttrs(this.#file, head)
    } else this.#readAttrs(this.#file, head)
    return rest
  }

  #readAttrs({ attrs, attrSize }: FileHeader, head: Buffer): void {
    for (let at = attrs.offset; at + attrSize <= attrs.offset + attrs.size; at += attrSize) {
      const attr = readAttr(head.subarray(at, at + attrSize - sectionSize), at)
      const ids = readSection(head, at + attrSize - sectionSize)
      if (ids.offset + ids.size > head.length) {
        throw malformed(`has its event ids at offset ${ids.offset}, which is not before its data`)
      }
      this.#session.addEvent(attr, readIds(head.subarray(ids.offset, ids.offset + ids.size)))
    }
    this.#startData()
  }

  #startData(): void {
    this.#isInData = true
    this.#gathered = []
    this.#gatheredSize = 0
  }

  #gatherTail(chunk: Uint8Array): void {
    const count = Math.min(chunk.length, mostTail - this.#gatheredSize)
    if (count < chunk.length) this.#hasTooMuchTail = true
    if (count > 0) this.#gather(chunk.subarray(0, count))
  }

  #gather(piece: Uint8Array): void {
    this.#gathered.push(Buffer.from(piece))
    this.#gatheredSize += piece.length
  }

  #take(from: RecordBytes, at: number, size: number): void {
    if (from.words[at >> 2] === recordType.attr) {
      this.#takeAttr(from.bytes.subarray(at + 8, at + size))
    } else this.#session.take(from, at, size)
  }

  /** HEADER_ATTR: the attribute, then the ids that its samples carry. */
  #takeAttr(bytes: Buffer): void {
    // With one event read there is something to keep.
    if (this.#session.hasEvents && attrSize(bytes) > bytes.length) {
      this.#session.countMalformed()
      return
    }
    // The stream already stands behind the record.
    const attr = readAttr(bytes, this.#dataAt + this.#records.offset - bytes.length)
    this.#session.addEvent(attr, readIds(bytes.subarray(attrSize(bytes))))
  }

  /** Reads the features of a file, and says in words if anything is missing from the recording. */
  #noteWhereItEnds(): boolean {
    const kept = 'what came before is in the profile'
    const broken = this.#records.brokenAt ?? this.#inflated.brokenAt
    if (broken !== undefined || this.#isDamaged) {
      const where =
        this.#records.brokenAt === undefined
          ? 'in its compressed part'
          : `at offset ${this.#dataAt + this.#records.brokenAt}`
      if (this.#session.isEmpty) throw malformed(`is damaged ${where}, before its first sample`)
      this.#builder.note(`The recording is damaged ${where}; ${kept}.`)
      return true
    }
    const pending = this.#records.pending + this.#inflated.pending
    if (
      pending > 0 ||
      (this.#file !== undefined && this.#file.data.size > 0 && this.#dataLeft > 0)
    ) {
      if (this.#records.pending > 0) this.#builder.lose('cut off at the end of the recording', 1)
      this.#builder.note(`The recording ends in the middle of its data; ${kept}.`)
      return true
    }
    if (this.#file === undefined) return false
    const { data, features } = this.#file
    if (data.size === 0) {
      this.#builder.note(`perf did not live to finish this recording; ${kept}.`)
      return true
    }
    const tail = Buffer.concat(this.#gathered)
    const isWhole = readFeatures(this.#session.features, features, tail, data.offset + data.size)
    if (!isWhole && !this.#hasTooMuchTail) {
      this.#builder.note(
        `The recording ends within its description of itself; no sample is missing.`,
      )
    }
    return !isWhole && !this.#hasTooMuchTail
  }
}

const sectionSize = 16

function headerSize(head: Buffer): number {
  const magic = head.toString('latin1', 0, 8)
  if (magic === magicSwapped) {
    throw malformed('is from a big-endian machine, which is not read here: fold it there')
  }
  if (magic === magicOld) throw malformed('is of the first version, older than Linux 2.6.39')
  if (magic !== magicHere) throw malformed('does not begin with PERFILE2, at offset 0')
  const size = Number(head.readBigUInt64LE(8))
  if (size === pipeHeaderSize || size === fileHeaderSize) return size
  throw malformed(`has a header of ${size} bytes, at offset 8`)
}

function readFileHeader(head: Buffer): FileHeader {
  const attrSize = Number(head.readBigUInt64LE(16))
  const attrs = readSection(head, 24)
  const data = readSection(head, 40)
  if (data.offset < fileHeaderSize || data.offset > mostHead) {
    throw malformed(`has its data at ${data.offset}, says offset 40`)
  }
  if (attrs.offset + attrs.size > data.offset || attrs.offset < fileHeaderSize) {
    throw malformed(
      `has its event attributes at ${attrs.offset}, says offset 24: not before its data`,
    )
  }
  if (attrSize < sectionSize || attrSize > attrs.size) {
    throw malformed(`has event attributes of ${attrSize} bytes, says offset 16`)
  }
  return { attrSize, attrs, data, features: Buffer.from(head.subarray(72, fileHeaderSize)) }
}

function readSection(bytes: Buffer, at: number): Section {
  return {
    offset: Number(bytes.readBigUInt64LE(at)),
    size: Number(bytes.readBigUInt64LE(at + 8)),
  }
}

function malformed(what: string): ProfilerError {
  return new ProfilerError('SP_PERF_DATA_MALFORMED', `the recording ${what}`)
}
