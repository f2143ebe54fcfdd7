// Cuts a stream of bytes into perf records.
//
// Chunks come as a pipe gives them, so a record may begin in one and end three
// later. Bytes are gathered in one aligned piece of memory, where a record is
// read in place as 32-bit words: the largest (64 KB) fits whole.
//
// Traps. A record of less than its own header's size would make no progress:
// the stream is broken there, for good, since nothing says where the next one
// begins. A record need not end on a word (COMPRESSED holds any number of
// bytes), so one that stands askew is copied to a straight place first. And
// two kinds are followed by data that their size does not count.

import { type RecordBytes, recordBytes, recordType } from './perf-records.ts'

/** Reads the record of `size` bytes at `at`, a multiple of 4. Nothing of `from` may be kept. */
export type TakeRecord = (from: RecordBytes, at: number, size: number) => void

const headerSize = 8
const largestRecord = 0x1_0000
// Four of the largest records: less would move the cut-off one too often, more would only leave the cache.
const inboxSize = 4 * largestRecord

export class RecordStream {
  /** Where in this stream a record stands that cannot be one, if that was met. */
  brokenAt: number | undefined
  /** Where in this stream the next record begins: behind the one that is being taken. */
  offset = 0
  readonly #take: TakeRecord
  readonly #inbox = recordBytes(inboxSize)
  readonly #straight = recordBytes(largestRecord)
  #at = 0
  #length = 0
  #skip = 0

  constructor(take: TakeRecord) {
    this.#take = take
  }

  /** Bytes of a record that has begun and not ended. */
  get pending(): number {
    return this.#length - this.#at + this.#skip
  }

  /**
   * Hands every whole record on. A compressed one is yielded instead, and what
   * it holds has to be dealt with before the next step, to keep the order.
   */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, void> {
    let from = 0
    while (from < chunk.length && this.brokenAt === undefined) {
      this.#inbox.bytes.copyWithin(0, this.#at, this.#length)
      this.#length -= this.#at
      this.#at = 0
      const count = Math.min(chunk.length - from, inboxSize - this.#length)
      this.#inbox.bytes.set(chunk.subarray(from, from + count), this.#length)
      this.#length += count
      from += count
      for (let packed = this.#drain(); packed !== undefined; packed = this.#drain()) yield packed
    }
  }

  /** Takes records up to the first compressed one, whose payload is returned, or to the end of what is there. */
  #drain(): Uint8Array | undefined {
    const { bytes, words } = this.#inbox
    for (;;) {
      if (this.#skip > 0) {
        const count = Math.min(this.#skip, this.#length - this.#at)
        this.#skip -= count
        this.#advance(count)
      }
      const at = this.#at
      if (this.#length - at < headerSize) return undefined
      const size = bytes.readUInt16LE(at + 6)
      if (size < headerSize) {
        this.brokenAt = this.offset
        return undefined
      }
      if (this.#length - at < size) return undefined
      this.#advance(size)
      const type = (at & 3) === 0 ? words[at >> 2]! : bytes.readInt32LE(at)
      if (type === recordType.compressed) return bytes.subarray(at + headerSize, at + size)
      if (type === recordType.compressed2) return compressed2(bytes.subarray(at, at + size))
      if (type === recordType.tracingData && size >= 12) {
        this.#skip = Math.ceil(bytes.readUInt32LE(at + 8) / 8) * 8
      } else if (type === recordType.auxtrace && size >= 16) {
        this.#skip = Number(bytes.readBigUInt64LE(at + 8))
      } else if ((at & 3) === 0) {
        this.#take(this.#inbox, at, size)
      } else {
        bytes.copy(this.#straight.bytes, 0, at, at + size)
        this.#take(this.#straight, 0, size)
      }
    }
  }

  #advance(count: number): void {
    this.#at += count
    this.offset += count
  }
}

/** COMPRESSED2 says how much of it is data, since it is padded to 8 bytes. */
function compressed2(record: Buffer): Uint8Array {
  const dataAt = headerSize + 8
  if (record.length < dataAt) return record.subarray(record.length)
  const size = Number(record.readBigUInt64LE(headerSize))
  return record.subarray(dataAt, dataAt + Math.min(size, record.length - dataAt))
}
