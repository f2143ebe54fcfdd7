// Cuts a stream of NetTrace bytes into its objects.
//
//     "Nettrace", u32 20, "!FastSerialization.1", objects…, NULL
//     object   BEGIN, type, payload, END       type   BEGIN, NULL, u32 version, u32 least version of
//     a block  u32 size, zeros up to a multiple    of a reader, u32 length, name, END
//              of 4 bytes of the file, payload
//
// https://github.com/microsoft/perfview/blob/main/src/TraceEvent/EventPipe/NetTraceFormat_v5.md
//
// Chunks come as a socket gives them, so an object may begin in one and end three
// later. The trap: a block is aligned to the whole stream, not to its object. What
// is framed wrongly ends the stream for good, since nothing says where the next
// object begins.

import { ProfilerError } from '../errors.ts'

export interface NettraceObject {
  readonly name: string
  readonly version: number
  /** Without size and padding. The object's own copy: it may be kept. */
  readonly payload: Buffer
}

const magic = 'Nettrace'
const signature = '!FastSerialization.1'
const headerSize = magic.length + 4 + signature.length
const tag = { null: 1, begin: 5, end: 6 } as const
/** Of the Trace object, the only one without a size: a date, two clocks, four numbers. */
const traceSize = 48
// The runtime's blocks have 100 KB, and its event buffers at most the 256 MB of a session.
const maxBlock = 64 << 20
/** BEGIN, BEGIN, NULL, three numbers; the longest name that is known has 13 letters. */
const typeSize = 15
const maxName = 64

/** Versions 4 and 5 differ only in what a metadata record says after what we read of it. */
const newestVersion = 5

/** Whether this is the beginning of a NetTrace file; undefined when it is too short to tell. */
export function detectNettrace(head: Uint8Array): boolean | undefined {
  const start = Buffer.from(head.subarray(0, magic.length)).toString('latin1')
  return start === magic ? true : magic.startsWith(start) ? undefined : false
}

export class NettraceObjects {
  /** The stream said that it has no more objects. */
  isComplete = false
  /** Where in the stream an object stands that cannot be one, if that was met. */
  brokenAt: number | undefined
  readonly #take: (object: NettraceObject) => void
  #inbox = Buffer.alloc(256 * 1024)
  #from = 0
  #to = 0
  /** Where in the stream `#from` is. */
  #offset = 0
  #hasHeader = false
  #hasTrace = false

  constructor(take: (object: NettraceObject) => void) {
    this.#take = take
  }

  /** @throws {ProfilerError} `SP_NETTRACE_MALFORMED` if it is no NetTrace, or of a version that is not known */
  push(chunk: Uint8Array): void {
    if (this.isComplete || this.brokenAt !== undefined) return
    this.#makeRoom(chunk.length)
    this.#inbox.set(chunk, this.#to)
    this.#to += chunk.length
    while (this.#step());
  }

  /** @throws {ProfilerError} `SP_NETTRACE_MALFORMED` if there was not even a Trace object */
  end(): void {
    if (!this.#hasTrace) throw malformed('it ends before it has said what it is')
  }

  #makeRoom(length: number): void {
    const pending = this.#to - this.#from
    if (this.#to + length <= this.#inbox.length) return
    const target =
      pending + length <= this.#inbox.length ? this.#inbox : Buffer.alloc(2 * (pending + length))
    this.#inbox.copy(target, 0, this.#from, this.#to)
    this.#inbox = target
    this.#from = 0
    this.#to = pending
  }

  /** Takes one object, if it is all there. */
  #step(): boolean {
    if (!this.#hasHeader) return this.#readHeader()
    const bytes = this.#inbox.subarray(this.#from, this.#to)
    if (bytes[0] === tag.null) {
      this.isComplete = true
      return false
    }
    if (bytes.length < typeSize) return false
    const length = bytes.readUInt32LE(11)
    const isType = bytes[0] === tag.begin && bytes[1] === tag.begin && bytes[2] === tag.null
    if (!isType || length > maxName) return this.#break()
    const contentAt = typeSize + length + 1
    if (bytes.length < contentAt) return false
    if (bytes[contentAt - 1] !== tag.end) return this.#break()
    const name = bytes.toString('latin1', typeSize, contentAt - 1)
    const version = bytes.readUInt32LE(3)
    if (!this.#hasTrace) checkFirst(name, bytes.readUInt32LE(7))
    const extent = name === 'Trace' ? [contentAt, traceSize] : this.#blockExtent(bytes, contentAt)
    if (extent === undefined) return false
    const [payloadAt, size] = extent as [number, number]
    if (size > maxBlock) return this.#break()
    const end = payloadAt + size
    if (bytes.length <= end) return false
    if (bytes[end] !== tag.end) return this.#break()
    this.#hasTrace = true
    this.#advance(end + 1)
    this.#take({ name, version, payload: Buffer.from(bytes.subarray(payloadAt, end)) })
    return true
  }

  #blockExtent(bytes: Buffer, at: number): [number, number] | undefined {
    if (bytes.length < at + 4) return undefined
    const padding = -(this.#offset + at + 4) & 3
    return [at + 4 + padding, bytes.readUInt32LE(at)]
  }

  #readHeader(): boolean {
    const bytes = this.#inbox.subarray(this.#from, this.#to)
    if (detectNettrace(bytes) === false) throw malformed('it does not begin like one')
    if (bytes.length < headerSize) return false
    const length = bytes.readUInt32LE(magic.length)
    // From version 6 on, which no runtime writes yet, a zero and the version stand here.
    if (length === 0) throw unknownVersion(bytes.readUInt32LE(magic.length + 4))
    if (bytes.toString('latin1', magic.length + 4, headerSize) !== signature) {
      throw malformed('its signature is not the one of the format')
    }
    this.#hasHeader = true
    this.#advance(headerSize)
    return true
  }

  #advance(count: number): void {
    this.#from += count
    this.#offset += count
  }

  #break(): false {
    if (!this.#hasTrace) throw malformed('its first object is not one')
    this.brokenAt = this.#offset
    return false
  }
}

function checkFirst(name: string, leastVersion: number): void {
  if (name !== 'Trace') throw malformed('its first object does not describe the trace')
  if (leastVersion > newestVersion) throw unknownVersion(leastVersion)
}

function malformed(why: string): ProfilerError {
  return new ProfilerError('SP_NETTRACE_MALFORMED', `the NetTrace file is malformed: ${why}`)
}

function unknownVersion(version: number): ProfilerError {
  return new ProfilerError(
    'SP_NETTRACE_MALFORMED',
    `the NetTrace file has version ${version} of the format, and 4 and 5 are known here`,
  )
}
