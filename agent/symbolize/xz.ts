// xz: the container of LZMA2 data, as far as .gnu_debugdata uses it.
//
// Spec: https://tukaani.org/xz/xz-file-format.txt
//
//     header | block … block | index | footer        each part padded to 4 bytes
//
// A block is a header, LZMA2 chunks (lzma2.ts) and a check of what they give.
// The index repeats the size of each block and the footer the size of the index:
// we check both, so that a cut or altered file never passes for a smaller one.
//
// We read one stream with the LZMA2 filter alone. xz can put filters in front
// (x86, delta) and streams in a row; nobody does so for debug data, and a file
// that does is refused by name.

import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { crc64 } from './crc64.ts'
import { decodeLzma2, malformed } from './lzma2.ts'

const magic = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])
const footerMagic = Buffer.from('YZ')
const headerBytes = 12
const lzma2Filter = 0x21

/** Size in bytes of each check and how it is made. Others are reserved. */
const checks = new Map<number, { size: number; of: (data: Buffer) => Buffer }>([
  [0, { size: 0, of: () => Buffer.alloc(0) }],
  [1, { size: 4, of: data => littleEndian(crc32(data)) }],
  [4, { size: 8, of: crc64 }],
  [10, { size: 32, of: data => createHash('sha256').update(data).digest() }],
])

/**
 * Unpacks an xz file.
 *
 * @param limit the most bytes that it may give
 * @throws {ProfilerError} `SP_ELF_MALFORMED` if anything in it is wrong or not supported, or if it would
 *   give more than `limit`
 */
export function unpackXz(packed: Buffer, limit: number): Buffer {
  if (packed.length < 2 * headerBytes || !packed.subarray(0, 6).equals(magic))
    throw malformed('it is not xz')
  const flags = packed.subarray(6, 8)
  if (packed.readUInt32LE(8) !== crc32(flags)) throw malformed('its header fails the check')
  const check = checks.get(flags[1]!)
  if (flags[0] !== 0 || check === undefined) throw malformed(`its check ${flags[1]} is unknown`)

  const parts: Buffer[] = []
  const sizes: { unpadded: number; unpacked: number }[] = []
  let left = limit
  let at = headerBytes
  // A block begins with its header's size, the index with a zero.
  while (at < packed.length && packed[at] !== 0) {
    const contentAt = readBlockHeader(packed, at)
    const content = decodeLzma2(packed, contentAt, left)
    const checkAt = align4(content.end, at)
    const checkEnd = checkAt + check.size
    if (checkEnd > packed.length) throw malformed('it ends inside a block')
    if (packed.subarray(content.end, checkAt).some(byte => byte !== 0))
      throw malformed('its padding is not zero')
    if (!check.of(content.data).equals(packed.subarray(checkAt, checkEnd))) {
      throw malformed('a block fails the check')
    }
    sizes.push({ unpadded: content.end - at + check.size, unpacked: content.data.length })
    parts.push(content.data)
    left -= content.data.length
    at = checkEnd
  }
  const end = readIndex(packed, at, sizes)
  readFooter(packed, end, end - at, flags)
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

/** Where the block's content begins. */
function readBlockHeader(packed: Buffer, at: number): number {
  const size = (packed[at]! + 1) * 4
  const header = packed.subarray(at, at + size)
  if (
    header.length < size ||
    header.readUInt32LE(size - 4) !== crc32(header.subarray(0, size - 4))
  ) {
    throw malformed('a block header fails the check')
  }
  const flags = header[1]!
  if ((flags & 0x3c) !== 0) throw malformed('a block has unknown flags')
  const read = numbersOf(header, 2)
  // Both sizes are optional and repeated in the index, where we check them.
  if ((flags & 0x40) !== 0) read()
  if ((flags & 0x80) !== 0) read()
  const filter = read()
  if ((flags & 3) !== 0 || filter !== lzma2Filter)
    throw malformed('it uses another filter than LZMA2')
  // Its one property is the size of the dictionary, which we need not keep apart: it is the output.
  return at + size
}

function readIndex(
  packed: Buffer,
  at: number,
  sizes: { unpadded: number; unpacked: number }[],
): number {
  const read = numbersOf(packed, at + 1)
  if (packed[at] !== 0 || read() !== sizes.length)
    throw malformed('its index has another count of blocks')
  for (const { unpadded, unpacked } of sizes) {
    if (read() !== unpadded || read() !== unpacked) throw malformed('its index has other sizes')
  }
  const crcAt = align4(read.at(), at)
  if (
    crcAt + 4 > packed.length ||
    packed.readUInt32LE(crcAt) !== crc32(packed.subarray(at, crcAt))
  ) {
    throw malformed('its index fails the check')
  }
  return crcAt + 4
}

function readFooter(packed: Buffer, at: number, indexSize: number, flags: Buffer): void {
  const footer = packed.subarray(at, at + headerBytes)
  const isRight =
    footer.length === headerBytes &&
    footer.readUInt32LE(0) === crc32(footer.subarray(4, 10)) &&
    (footer.readUInt32LE(4) + 1) * 4 === indexSize &&
    footer.subarray(8, 10).equals(flags) &&
    footer.subarray(10).equals(footerMagic)
  if (!isRight) throw malformed('its footer is wrong')
  // A section may be padded; anything else behind the footer would be another stream.
  if (packed.subarray(at + headerBytes).some(byte => byte !== 0))
    throw malformed('more follows its end')
}

/** Reads numbers of 7 bits a byte, low bits first, up to 2^49: more than any size here can be. */
function numbersOf(buffer: Buffer, start: number) {
  let at = start
  const read = () => {
    let value = 0
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = buffer[at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw malformed('a number in it has no end')
  }
  return Object.assign(read, { at: () => at })
}

function align4(offset: number, from: number): number {
  return from + Math.ceil((offset - from) / 4) * 4
}

function littleEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
