// Numbers at offsets, in either width and byte order.

/** Fields of either width and byte order. Out of range reads throw: check lengths first. */
export function fieldsOf(buffer: Buffer, is64: boolean, isLittleEndian: boolean) {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
  const u32 = (at: number) => view.getUint32(at, isLittleEndian)
  const high = (at: number) => (isLittleEndian ? at + 4 : at)
  const low = (at: number) => (isLittleEndian ? at : at + 4)
  return {
    u8: (at: number) => view.getUint8(at),
    u16: (at: number) => view.getUint16(at, isLittleEndian),
    u32,
    /** A size or offset. Above 2^53 it is not exact, but then it is outside of every file. */
    word: (at: number) => (is64 ? u32(high(at)) * 0x1_0000_0000 + u32(low(at)) : u32(at)),
    /** An address: signed when 64 bits wide, so that a kernel's is exact. */
    address: (at: number) =>
      is64 ? view.getInt32(high(at), isLittleEndian) * 0x1_0000_0000 + u32(low(at)) : u32(at),
  }
}
