// One chunk of a JFR recording: it stands by itself, with its own description of
// its events, its own constants and its own clock.
//
//     0   "FLR\0"          24  offset of the metadata event     48  ticks at its start
//     4   major, minor     32  began, ns since 1970             56  ticks a second
//     8   size in bytes    40  lasted, ns                       67  flags; 1: numbers are LEB128
//     16  offset of the last checkpoint
//
// Then events, each its size, the id of its type, and its fields. Two ids are the
// format's own: 0 is the metadata, 1 a checkpoint, which brings constants: stacks,
// methods, classes, texts, by type and id. They come after what refers to them, so
// of a constant only its place is kept, and it is read when it is asked for.
//
// https://openjdk.org/jeps/328, jdk.jfr.internal.consumer.ChunkHeader and ChunkParser.

import { ProfilerError } from '../errors.ts'
import { JfrCursor, malformedJfr } from './jfr-bytes.ts'
import { type JfrType, type JfrTypes, leastBytesOf, readJfrTypes } from './jfr-metadata.ts'
import { skipValue } from './jfr-values.ts'

export const jfrHeaderBytes = 68

export interface JfrHeader {
  readonly sizeBytes: number
  readonly metadataAt: number
  readonly ticksPerSecond: number
  readonly isCompressed: boolean
}

/**
 * @param bytes the first 68
 * @throws {ProfilerError} `SP_JFR_MALFORMED`
 */
export function readJfrHeader(bytes: Buffer): JfrHeader {
  if (bytes.toString('latin1', 0, 4) !== 'FLR\0') throw malformedJfr('a chunk does not begin FLR')
  const major = bytes.readUInt16BE(4)
  if (major !== 2) {
    throw malformedJfr(`it is of version ${major}.${bytes.readUInt16BE(6)}, and 2 is read here`)
  }
  return {
    sizeBytes: Number(bytes.readBigInt64BE(8)),
    metadataAt: Number(bytes.readBigInt64BE(24)),
    ticksPerSecond: Number(bytes.readBigInt64BE(56)),
    isCompressed: (bytes[67]! & 1) !== 0,
  }
}

export class JfrChunk {
  readonly types: JfrTypes
  readonly nsPerTick: number
  readonly #bytes: Buffer
  readonly #isCompressed: boolean
  /** By the name of a type: the place of each constant. */
  readonly #pools = new Map<string, Map<number, number>>()
  #constants = 0

  /**
   * @param bytes of the whole chunk
   * @throws {ProfilerError} `SP_JFR_MALFORMED`
   */
  constructor(bytes: Buffer) {
    const { metadataAt, ticksPerSecond, isCompressed } = readJfrHeader(bytes)
    this.#bytes = bytes
    this.#isCompressed = isCompressed
    if (!(metadataAt >= jfrHeaderBytes && metadataAt < bytes.length)) {
      throw malformedJfr('a chunk has no metadata: it was not finished')
    }
    this.nsPerTick = ticksPerSecond > 0 ? 1e9 / ticksPerSecond : 1
    this.types = readJfrTypes(this.cursorAt(metadataAt))
  }

  /** Shows every event that is no checkpoint, its fields to come, and collects the constants. */
  scan(take: (type: number, cursor: JfrCursor) => void): void {
    const { length } = this.#bytes
    const cursor = this.cursorAt(jfrHeaderBytes)
    for (let at = jfrHeaderBytes; at < length; ) {
      cursor.at = at
      cursor.end = length
      const size = cursor.number('int')
      if (!(size > 0 && size <= length - at)) {
        throw malformedJfr(`an event of ${size} bytes at byte ${at}`)
      }
      at += size
      cursor.end = at
      const type = cursor.number('long')
      if (type === checkpointEvent) this.#takeConstants(cursor)
      else if (type !== metadataEvent) take(type, cursor)
    }
  }

  /** Where the constant of this type and id stands; undefined where there is none. */
  constant(type: string, id: number): JfrCursor | undefined {
    const at = this.#pools.get(type)?.get(id)
    return at === undefined ? undefined : this.cursorAt(at)
  }

  typeNamed(name: string): JfrType | undefined {
    for (const type of this.types.values()) if (type.name === name) return type
    return undefined
  }

  cursorAt(at: number): JfrCursor {
    return new JfrCursor(this.#bytes, this.#isCompressed, at)
  }

  #takeConstants(cursor: JfrCursor): void {
    for (const _ of ['start', 'duration', 'distance']) cursor.number('long')
    cursor.byte()
    for (let pools = cursor.count(2); pools > 0; pools--) {
      const id = cursor.number('long')
      const type = this.types.get(id)
      if (type === undefined) throw malformedJfr(`constants of a type ${id} that it lacks`)
      // With its id.
      const count = cursor.count(1 + leastBytesOf(type))
      const pool = keptPools.has(type.name) ? this.#poolOf(type.name) : undefined
      if (pool !== undefined) this.#constants += count
      if (this.#constants > maxConstants) {
        throw new ProfilerError('SP_LIMIT', `a JFR chunk has more than ${maxConstants} constants`)
      }
      for (let left = count; left > 0; left--) {
        const key = cursor.number('long')
        pool?.set(key, cursor.at)
        skipValue(cursor, type)
      }
    }
  }

  #poolOf(name: string): Map<number, number> {
    let pool = this.#pools.get(name)
    if (pool === undefined) {
      pool = new Map()
      this.#pools.set(name, pool)
    }
    return pool
  }
}

/** Of these the constants are asked for; all others are stepped over. */
export const jfrPools = {
  stack: 'jdk.types.StackTrace',
  method: 'jdk.types.Method',
  class: 'java.lang.Class',
  symbol: 'jdk.types.Symbol',
  frameType: 'jdk.types.FrameType',
  threadState: 'jdk.types.ThreadState',
  text: 'java.lang.String',
} as const

const keptPools: ReadonlySet<string> = new Set(Object.values(jfrPools))
const metadataEvent = 0
const checkpointEvent = 1
// A service with 50,000 classes has some 500,000 methods and names in a chunk.
const maxConstants = 1 << 22
