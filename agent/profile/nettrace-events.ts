// The events of a NetTrace block, one after the other, and the metadata records
// that say what an event is.
//
// https://github.com/microsoft/perfview/blob/main/src/TraceEvent/EventPipe/NetTraceFormat_v5.md#event-blobs
//
// In most blocks the headers are compressed: a byte says which fields are there,
// all others are those of the event before, and numbers are varints. The traps:
// times and sequence numbers are differences that wrap around, and within a block
// events are in order for each thread, but not among threads.

/** Reads a block's events in place: each `next` puts another one into the fields. */
export class EventBlock {
  metadataId = 0
  sequence = 0
  /** Which thread wrote the event, and which one it is about. */
  captureThread = 0
  thread = 0
  stackId = 0
  timestamp = 0
  /** No event that comes later in the stream is older. */
  isSorted = false
  /** Within `bytes`. */
  payloadAt = 0
  payloadEnd = 0
  /** The block is damaged: what came after the last event is not readable. */
  isDamaged = false
  readonly bytes: Buffer
  readonly #isCompressed: boolean
  #at: number
  #payloadSize = 0

  constructor(payload: Buffer) {
    this.bytes = payload
    // u16 size of this header, u16 flags, two times.
    const hasHeader = payload.length >= 4
    this.#isCompressed = hasHeader && (payload.readUInt16LE(2) & 1) !== 0
    this.#at = hasHeader ? payload.readUInt16LE(0) : 0
    this.isDamaged = !hasHeader || this.#at < 4 || this.#at > payload.length
  }

  next(): boolean {
    if (this.isDamaged || this.#at >= this.bytes.length) return false
    if (this.#isCompressed) this.#readCompressed()
    else this.#readPlain()
    this.isDamaged ||= this.payloadEnd > this.bytes.length
    return !this.isDamaged
  }

  get payload(): Buffer {
    return this.bytes.subarray(this.payloadAt, this.payloadEnd)
  }

  #readCompressed(): void {
    const flags = this.bytes[this.#at++]!
    if (flags & 1) this.metadataId = this.#varint()
    if (flags & 2) {
      this.sequence = (this.sequence + this.#varint()) >>> 0
      this.captureThread = this.#varint()
      // The processor.
      this.#varint()
    }
    if (this.metadataId !== 0) this.sequence = (this.sequence + 1) >>> 0
    if (flags & 4) this.thread = this.#varint()
    if (flags & 8) this.stackId = this.#varint()
    this.timestamp += this.#varint()
    // Two activity ids.
    if (flags & 16) this.#at += 16
    if (flags & 32) this.#at += 16
    this.isSorted = (flags & 64) !== 0
    if (flags & 128) this.#payloadSize = this.#varint()
    this.payloadAt = this.#at
    this.payloadEnd = this.#at + this.#payloadSize
    this.#at = this.payloadEnd
    if (this.#payloadSize < 0) this.isDamaged = true
  }

  #readPlain(): void {
    const { bytes } = this
    const at = this.#at
    const end = at + 4 + (at + plainHeader <= bytes.length ? bytes.readUInt32LE(at) : 0)
    if (end < at + plainHeader || end > bytes.length) {
      this.isDamaged = true
      return
    }
    // Its highest bit is a mark like `isSorted`, about whose meaning the sources differ.
    this.metadataId = bytes.readUInt32LE(at + 4) & 0x7fff_ffff
    this.sequence = bytes.readUInt32LE(at + 8)
    this.thread = Number(bytes.readBigInt64LE(at + 12))
    this.captureThread = Number(bytes.readBigInt64LE(at + 20))
    this.stackId = bytes.readUInt32LE(at + 32)
    this.timestamp = Number(bytes.readBigInt64LE(at + 36))
    this.payloadAt = at + plainHeader
    this.payloadEnd = this.payloadAt + bytes.readUInt32LE(at + plainHeader - 4)
    if (this.payloadEnd > end) this.isDamaged = true
    this.#at = (end + 3) & ~3
  }

  /**
   * A number of up to 64 bits. What has its highest bits set is a small negative
   * one: a time that goes back, or -1 for a thread that is none.
   */
  #varint(): number {
    const { bytes } = this
    let value = 0
    let scale = 1
    for (let count = 0; count < 7; count++) {
      const byte = bytes[this.#at++]
      if (byte === undefined) return this.#damage()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    let high = 0n
    for (let shift = 0n; shift < 21n; shift += 7n) {
      const byte = bytes[this.#at++]
      if (byte === undefined) return this.#damage()
      high |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return Number(BigInt.asIntN(64, BigInt(value) | (high << 49n)))
    }
    return this.#damage()
  }

  #damage(): 0 {
    this.isDamaged = true
    return 0
  }
}

/** Sizes, ids, times, two activity ids of 16 bytes each, the size of the payload. */
const plainHeader = 80

export interface EventMetadata {
  readonly id: number
  readonly provider: string
  readonly eventId: number
}

/** What a record in a metadata block says; undefined if it is cut off. */
export function readMetadata(payload: Buffer): EventMetadata | undefined {
  const provider = readText(payload, 4)
  if (provider === undefined || provider.end + 4 > payload.length) return undefined
  return {
    id: payload.readUInt32LE(0),
    provider: provider.text,
    eventId: payload.readUInt32LE(provider.end),
  }
}

/** UTF-16 up to a NUL; `end` is behind that. Undefined if there is no NUL. */
export function readText(bytes: Buffer, at: number): { text: string; end: number } | undefined {
  for (let end = at; end + 1 < bytes.length; end += 2) {
    if (bytes[end] === 0 && bytes[end + 1] === 0) {
      return { text: bytes.toString('utf16le', at, end), end: end + 2 }
    }
  }
  return undefined
}
