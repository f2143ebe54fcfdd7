// The bytes of a JFR chunk: numbers, and texts.
//
// Numbers are big-endian, or (flag 1 of the header, which every JVM sets) LEB128:
// seven bits a byte, the low ones first, but the ninth byte has all of its eight.
// A number may be padded: `80 80 80 00` is 0. Here numbers are doubles, exact to
// 2^53; ids beyond that are a hostile file's.
//
// Every length is a stranger's claim: it is held against what is left, so that
// nothing is allocated or looped over that is not there.

import { ProfilerError } from '../errors.ts'

export function malformedJfr(why: string): ProfilerError {
  return new ProfilerError('SP_JFR_MALFORMED', `the JFR recording is malformed: ${why}`)
}

/** The numbers that a field may be. */
export type Primitive =
  | 'boolean'
  | 'byte'
  | 'char'
  | 'short'
  | 'int'
  | 'long'
  | 'float'
  | 'double'
  | 'java.lang.String'

const fixedBytes = { char: 2, short: 2, int: 4, long: 8 }

export class JfrCursor {
  readonly bytes: Buffer
  readonly isCompressed: boolean
  at: number
  end: number

  constructor(bytes: Buffer, isCompressed: boolean, at = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.isCompressed = isCompressed
    this.at = at
    this.end = end
  }

  byte(): number {
    if (this.at >= this.end) throw malformedJfr(`it ends in the middle, at byte ${this.at}`)
    return this.bytes[this.at++]!
  }

  number(kind: keyof typeof fixedBytes): number {
    if (this.isCompressed) return this.#leb128()
    const size = fixedBytes[kind]
    const at = this.at
    this.skip(size)
    if (size === 8) return Number(this.bytes.readBigInt64BE(at))
    return size === 4 ? this.bytes.readInt32BE(at) : this.bytes.readUInt16BE(at)
  }

  /** How many things follow, of which each has at least so many bytes. */
  count(leastBytes = 1): number {
    const count = this.number('int')
    if (!(count >= 0 && count * leastBytes <= this.end - this.at)) {
      throw malformedJfr(`${count} things at byte ${this.at} are more than its bytes`)
    }
    return count
  }

  skip(count: number): void {
    if (!(count >= 0 && count <= this.end - this.at)) {
      throw malformedJfr(`${count} bytes at byte ${this.at} pass its end`)
    }
    this.at += count
  }

  /** A text; a number where it stands in the pool of texts; undefined for none. */
  text(): string | number | undefined {
    const encoding = this.byte()
    if (encoding === 0) return undefined
    if (encoding === 1) return ''
    if (encoding === 2) return this.number('long')
    if (encoding === 4) return this.#characters()
    if (encoding !== 3 && encoding !== 5) throw malformedJfr(`a text in encoding ${encoding}`)
    const length = this.count()
    const start = this.at
    this.skip(length)
    const shown = Math.min(length, maxTextLength)
    return this.bytes.toString(encoding === 3 ? 'utf8' : 'latin1', start, start + shown)
  }

  skipPrimitive(kind: Primitive): void {
    if (kind === 'java.lang.String') this.text()
    else if (kind === 'boolean' || kind === 'byte') this.skip(1)
    else if (kind === 'float') this.skip(4)
    else if (kind === 'double') this.skip(8)
    else this.number(kind)
  }

  /** Of a primitive that is a whole number. */
  whole(kind: Primitive): number {
    if (kind === 'boolean' || kind === 'byte') return this.byte()
    if (kind === 'float' || kind === 'double' || kind === 'java.lang.String') {
      this.skipPrimitive(kind)
      return 0
    }
    return this.number(kind)
  }

  #leb128(): number {
    const first = this.byte()
    if (first < 0x80) return first
    let value = first & 0x7f
    for (let scale = 2 ** 7; scale < 2 ** 56; scale *= 2 ** 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    const last = this.byte()
    return last < 0x80 ? value + last * 2 ** 56 : this.#negative(this.at - 9)
  }

  /** By its complement: beside 2^64 a small number would be rounded away. */
  #negative(from: number): number {
    let complement = 0
    for (let index = 0; index < 9; index++) {
      const mask = index < 8 ? 0x7f : 0xff
      complement += (~this.bytes[from + index]! & mask) * 2 ** (7 * index)
    }
    return -complement - 1
  }

  #characters(): string {
    const units: number[] = []
    for (let left = this.count(); left > 0; left--) {
      const unit = this.number('char')
      if (units.length < maxTextLength) units.push(unit & 0xffff)
    }
    return String.fromCharCode(...units)
  }
}

// A method's name has some hundred letters; of a longer text the rest is passed over.
const maxTextLength = 4096
