// Reads DWARF's numbers in order: fixed widths, LEB128, and the encoded pointers of .eh_frame.
//
// Whatever lies outside of the buffer is a RangeError: whoever starts a parse catches it.

/** Of pointer encodings (DW_EH_PE_*): https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/dwarfext.html */
const format = { absolute: 0, uleb: 1, u2: 2, u4: 3, u8: 4, sleb: 9, s2: 10, s4: 11, s8: 12 }
const relative = { toNothing: 0, toPlace: 0x10, toData: 0x30 }
export const omitted = 0xff

export class Cursor {
  at: number
  readonly #view: DataView
  readonly #buffer: Buffer
  /** SVMA of the buffer's first byte, for pointers that are relative to where they stand. */
  readonly #address: number

  constructor(buffer: Buffer, at = 0, address = 0) {
    this.#buffer = buffer
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    this.#address = address
    this.at = at
  }

  get isAtEnd(): boolean {
    return this.at >= this.#buffer.length
  }

  u8(): number {
    return this.#view.getUint8(this.at++)
  }

  u16(): number {
    this.at += 2
    return this.#view.getUint16(this.at - 2, true)
  }

  u32(): number {
    this.at += 4
    return this.#view.getUint32(this.at - 4, true)
  }

  s16(): number {
    this.at += 2
    return this.#view.getInt16(this.at - 2, true)
  }

  s32(): number {
    this.at += 4
    return this.#view.getInt32(this.at - 4, true)
  }

  u64(): number {
    const low = this.u32()
    return this.u32() * 0x1_0000_0000 + low
  }

  s64(): number {
    const low = this.u32()
    return this.s32() * 0x1_0000_0000 + low
  }

  uleb(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      if (scale > 2 ** 63) throw new RangeError('a LEB128 of more than 64 bits')
    }
  }

  sleb(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return byte & 0x40 ? value - scale * 128 : value
      if (scale > 2 ** 63) throw new RangeError('a LEB128 of more than 64 bits')
    }
  }

  /** So many bytes, in place. */
  block(length: number): Buffer {
    const end = this.at + length
    if (!(length >= 0) || end > this.#buffer.length) throw new RangeError('a block beyond its end')
    const block = this.#buffer.subarray(this.at, end)
    this.at = end
    return block
  }

  text(): string {
    const end = this.#buffer.indexOf(0, this.at)
    if (end < 0) throw new RangeError('a text without its end')
    const text = this.#buffer.toString('latin1', this.at, end)
    this.at = end + 1
    return text
  }

  /** A pointer. `data` is what data-relative ones are relative to. */
  pointer(encoding: number, data = 0): number {
    const place = this.#address + this.at
    const value = this.#value(encoding & 0x0f)
    switch (encoding & 0x70) {
      case relative.toNothing:
        return value
      case relative.toPlace:
        return place + value
      case relative.toData:
        return data + value
      default:
        throw new RangeError(`a pointer encoded as ${encoding}`)
    }
  }

  #value(encoding: number): number {
    switch (encoding) {
      case format.absolute:
      case format.u8:
        return this.u64()
      case format.uleb:
        return this.uleb()
      case format.u2:
        return this.u16()
      case format.u4:
        return this.u32()
      case format.sleb:
        return this.sleb()
      case format.s2:
        return this.s16()
      case format.s4:
        return this.s32()
      case format.s8:
        return this.s64()
      default:
        throw new RangeError(`a pointer encoded as ${encoding}`)
    }
  }
}
