// The wire of protocol buffers, as far as a profile needs it:
// https://protobuf.dev/programming-guides/encoding/
//
// A message is a run of fields, each a tag (number × 8 + wire type) and a value.
// There is no length, no end and no checksum, so a cut message looks like a
// whole one but for its last field, and every length is a stranger's claim.
//
// Numbers are doubles here: exact to 2^53, which is 104 days of nanoseconds;
// beyond it the nearest double.

/** The wire types. 3 and 4 are groups, which no profile has used in this century. */
export const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/** What a message that breaks the rules of the wire throws; the reader says whose message it was. */
export class WireError extends Error {}

/** Steps through the fields of one message. */
export class WireReader {
  readonly bytes: Uint8Array
  at: number
  readonly end: number
  /** Of the field last stepped to. */
  field = 0
  type = 0
  /** The number of a varint or fixed field. */
  value = 0
  /** The bytes of a length-delimited field. */
  start = 0
  stop = 0

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.at = start
    this.end = end
  }

  /** Steps to the next field; false at the end. */
  next(): boolean {
    if (this.at >= this.end) return false
    const tag = this.varint()
    this.field = Math.floor(tag / 8)
    this.type = tag % 8
    if (this.field === 0) throw new WireError(`field 0 at byte ${this.at}`)
    if (this.type === wire.varint) this.value = this.varint()
    else if (this.type === wire.bytes) this.#take(this.varint())
    else if (this.type === wire.fixed64) this.#take(8)
    else if (this.type === wire.fixed32) this.#take(4)
    else throw new WireError(`wire type ${this.type} at byte ${this.at}`)
    return true
  }

  /** A signed 64-bit number, as profiles have them: not zigzag, so -1 takes ten bytes. */
  varint(): number {
    const { bytes, end } = this
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= end) throw new WireError(`a number is cut at byte ${this.at}`)
      const byte = bytes[this.at++]!
      // 28 bits fit without touching the sign; the rest goes above.
      if (shift < 28) low |= (byte & 0x7f) << shift
      else high += (byte & 0x7f) * 2 ** (shift - 28)
      if (byte < 0x80) return joined(low, high)
    }
    throw new WireError(`a number has no end at byte ${this.at}`)
  }

  /** Calls `take` for each number of a repeated field, packed or not. */
  numbers(take: (value: number) => void): void {
    if (this.type === wire.varint) {
      take(this.value)
      return
    }
    const inner = new WireReader(this.bytes, this.start, this.stop)
    while (inner.at < inner.end) take(inner.varint())
  }

  message(): WireReader {
    return new WireReader(this.bytes, this.start, this.stop)
  }

  #take(length: number): void {
    if (length < 0 || length > this.end - this.at) {
      throw new WireError(`a field of ${length} bytes at byte ${this.at} passes the end`)
    }
    this.start = this.at
    this.stop = this.at + length
    this.at = this.stop
  }
}

function joined(low: number, high: number): number {
  // Ten bytes carry 70 bits; the excess of the last is not ours.
  const above = high % 2 ** 36
  const value = above * 2 ** 28 + low
  return above >= 2 ** 35 ? signed(above, low) : value
}

/** The high bit is set: two's complement, taken apart so that small negatives stay exact. */
function signed(above: number, low: number): number {
  return (above - 2 ** 36) * 2 ** 28 + low
}

/** Writes the fields of one message into a buffer that grows. */
export class WireWriter {
  #bytes = Buffer.alloc(1024)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** What was written so far; valid until the next write. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  clear(): void {
    this.#length = 0
  }

  /** A number; 0 is what an absent field means, and is left out. */
  number(field: number, value: number): void {
    if (value === 0) return
    this.#varint(field * 8 + wire.varint)
    this.#varint(value)
  }

  data(field: number, data: Uint8Array): void {
    this.#varint(field * 8 + wire.bytes)
    this.#varint(data.length)
    this.#reserve(data.length)
    this.#bytes.set(data, this.#length)
    this.#length += data.length
  }

  text(field: number, text: string): void {
    this.data(field, Buffer.from(text, 'utf8'))
  }

  /** One packed repeated field: its numbers, zeros too. */
  packed(field: number, values: ArrayLike<number>): void {
    let size = 0
    for (let index = 0; index < values.length; index++) size += varintSize(values[index]!)
    this.#varint(field * 8 + wire.bytes)
    this.#varint(size)
    for (let index = 0; index < values.length; index++) this.#varint(values[index]!)
  }

  #varint(value: number): void {
    this.#reserve(10)
    let [low, high] = halves(value)
    while (high > 0 || low > 0x7f) {
      this.#bytes[this.#length++] = (low & 0x7f) | 0x80
      low = ((low >>> 7) | (high << 25)) >>> 0
      high >>>= 7
    }
    this.#bytes[this.#length++] = low
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    const grown = Buffer.alloc(2 * (this.#length + count))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}

function halves(value: number): [low: number, high: number] {
  return [value >>> 0, Math.floor(value / 2 ** 32) >>> 0]
}

function varintSize(value: number): number {
  if (value < 0) return 10
  let size = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
  return size
}
