// LZMA2: LZ77 with long distances, coded bit by bit with adaptive probabilities.
//
// Spec: there is none by its maker but code; the public domain reference is
// "LZMA specification" of the LZMA SDK, https://7-zip.org/sdk.html, and for the
// chunks of LZMA2 https://tukaani.org/xz/xz-file-format.txt section 5.3.1.
//
// LZMA2 is a row of chunks: 0 ends it, 1 and 2 are stored bytes, 0x80 and above
// are LZMA with a reset of nothing, the state, the properties, or all. Every
// chunk says what it gives (at most 2 MB) and takes (at most 64 KB), so a
// corrupted one runs into its own end, never into memory. The dictionary is the
// output itself: a distance that reaches before the last reset is an error.

import { ProfilerError } from '../errors.ts'

/** Decodes the chunks from `at` on. `end` is the offset behind the last one. */
export function decodeLzma2(
  packed: Buffer,
  at: number,
  limit: number,
): { data: Buffer; end: number } {
  const output = growable(limit)
  const lzma = lzmaDecoder(output)
  let needsReset = true
  let needsProperties = true
  for (;;) {
    const control = packed[at++]
    if (control === undefined) throw malformed('it ends inside a block')
    if (control === 0) return { data: output.done(), end: at }
    const isStored = control < 0x80
    const headerEnd = at + (isStored ? 2 : control >= 0xc0 ? 5 : 4)
    if (headerEnd > packed.length) throw malformed('it ends inside a block')

    // Which reset each control byte asks for: stored 1 = all, LZMA 3 = all, 2 = properties, 1 = state.
    const reset = isStored ? (control === 1 ? 3 : 0) : (control >>> 5) & 3
    if (isStored && control > 2) throw malformed('a chunk is of unknown kind')
    if (reset === 3) output.forget()
    else if (needsReset) throw malformed('its first chunk resets nothing')
    needsReset = false
    if (reset === 3) needsProperties = true

    if (isStored) {
      const size = packed.readUInt16BE(at) + 1
      at = headerEnd
      if (at + size > packed.length) throw malformed('it ends inside a chunk')
      output.append(packed.subarray(at, at + size))
      at += size
      continue
    }
    const unpackedSize = ((control & 0x1f) << 16) + packed.readUInt16BE(at) + 1
    const packedSize = packed.readUInt16BE(at + 2) + 1
    if (reset >= 2) lzma.setProperties(packed[at + 4]!)
    else if (needsProperties) throw malformed('a chunk has no properties')
    else if (reset === 1) lzma.resetState()
    needsProperties = false
    at = headerEnd
    if (at + packedSize > packed.length) throw malformed('it ends inside a chunk')
    lzma.decode(packed.subarray(at, at + packedSize), unpackedSize)
    at += packedSize
  }
}

/** The output and the dictionary in one. It doubles, so that a small file never costs the limit. */
function growable(limit: number) {
  let bytes = Buffer.allocUnsafe(Math.min(limit, 1 << 18))
  let length = 0
  let oldest = 0
  return {
    /** Makes room; throws if that would be above the limit. */
    reserve(count: number): { bytes: Buffer; length: number; oldest: number } {
      if (length + count > limit) throw malformed(`it gives more than ${limit} bytes`)
      if (length + count > bytes.length) {
        const grown = Buffer.allocUnsafe(
          Math.min(limit, Math.max(length + count, 2 * bytes.length)),
        )
        bytes.copy(grown, 0, 0, length)
        bytes = grown
      }
      return { bytes, length, oldest }
    },
    advance(count: number): void {
      length += count
    },
    append(data: Buffer): void {
      this.reserve(data.length)
      data.copy(bytes, length)
      length += data.length
    },
    forget(): void {
      oldest = length
    },
    done: () => bytes.subarray(0, length),
  }
}

// The probabilities of one decoder in one array: the offset of each group. The names are the
// specification's; each bit that the decoder reads has one probability, chosen by what came before.
const states = 12
const positionStates = 16
const isMatch = 0
const isRepeat = isMatch + states * positionStates
const isRepeat0 = isRepeat + states
const isRepeat1 = isRepeat0 + states
const isRepeat2 = isRepeat1 + states
const isLongRepeat0 = isRepeat2 + states
const distanceSlot = isLongRepeat0 + states * positionStates
const distanceSpecial = distanceSlot + 4 * 64
const distanceAlign = distanceSpecial + 128
const matchLength = distanceAlign + 16
const lengthSize = 2 + 2 * positionStates * 8 + 256
const repeatLength = matchLength + lengthSize
const literals = repeatLength + lengthSize
// LZMA2 allows lc + lp of at most 4.
const probabilities = literals + 0x300 * 16

function lzmaDecoder(output: ReturnType<typeof growable>) {
  const probability = new Uint16Array(probabilities)
  let literalContextBits = 0
  let literalPositionMask = 0
  let positionMask = 0
  let state = 0
  let rep0 = 0
  let rep1 = 0
  let rep2 = 0
  let rep3 = 0

  // The range coder, of one chunk.
  let input: Buffer = Buffer.alloc(0)
  let at = 0
  let range = 0
  let code = 0

  function bit(index: number): number {
    const chance = probability[index]!
    const bound = (range >>> 11) * chance
    let result: number
    if (code < bound) {
      range = bound
      probability[index] = chance + ((2048 - chance) >>> 5)
      result = 0
    } else {
      range = (range - bound) >>> 0
      code = (code - bound) >>> 0
      probability[index] = chance - (chance >>> 5)
      result = 1
    }
    if (range < 0x0100_0000) shift()
    return result
  }

  /** Bits without a probability, high first. */
  function directBits(count: number): number {
    let result = 0
    for (; count > 0; count--) {
      range >>>= 1
      const isOne = code >= range
      if (isOne) code = (code - range) >>> 0
      result = result * 2 + (isOne ? 1 : 0)
      if (range < 0x0100_0000) shift()
    }
    return result
  }

  function shift(): void {
    // Behind the chunk's end are zeros: what they decode to is stopped by the chunk's size.
    range = (range << 8) >>> 0
    code = ((code << 8) | (input[at++] ?? 0)) >>> 0
  }

  /** A tree of probabilities: the high bit first. */
  function tree(base: number, bits: number): number {
    let node = 1
    for (let index = 0; index < bits; index++) node = node * 2 + bit(base + node)
    return node - (1 << bits)
  }

  /** The same with the low bit first. */
  function reverseTree(base: number, bits: number): number {
    let node = 1
    let result = 0
    for (let index = 0; index < bits; index++) {
      const value = bit(base + node)
      node = node * 2 + value
      result |= value << index
    }
    return result
  }

  function length(base: number, positionState: number): number {
    if (bit(base) === 0) return 2 + tree(base + 2 + positionState * 8, 3)
    if (bit(base + 1) === 0) return 10 + tree(base + 2 + (positionStates + positionState) * 8, 3)
    return 18 + tree(base + 2 + 2 * positionStates * 8, 8)
  }

  function distance(matched: number): number {
    const slot = tree(distanceSlot + Math.min(matched - 2, 3) * 64, 6)
    if (slot < 4) return slot
    const bits = (slot >>> 1) - 1
    const high = (2 | (slot & 1)) * 2 ** bits
    if (slot < 14) return high + reverseTree(distanceSpecial + high - slot, bits)
    return high + directBits(bits - 4) * 16 + reverseTree(distanceAlign, 4)
  }

  function resetState(): void {
    probability.fill(1024)
    state = rep0 = rep1 = rep2 = rep3 = 0
  }

  return {
    resetState,

    setProperties(byte: number): void {
      const lc = byte % 9
      const lp = Math.floor(byte / 9) % 5
      const pb = Math.floor(byte / 45)
      if (pb > 4 || lc + lp > 4) throw malformed('a chunk has impossible properties')
      literalContextBits = lc
      literalPositionMask = (1 << lp) - 1
      positionMask = (1 << pb) - 1
      resetState()
    },

    /** Decodes one chunk: it must give exactly `size` bytes and take all of `chunk`. */
    decode(chunk: Buffer, size: number): void {
      if (chunk.length < 5 || chunk[0] !== 0) throw malformed('a chunk begins wrongly')
      input = chunk
      at = 5
      range = 0xffff_ffff
      code = chunk.readUInt32BE(1)
      const { bytes, length: start, oldest } = output.reserve(size)
      const end = start + size
      let position = start
      while (position < end) {
        const positionState = (position - oldest) & positionMask
        if (bit(isMatch + state * positionStates + positionState) === 0) {
          const previous = position > oldest ? bytes[position - 1]! : 0
          const context =
            (((position - oldest) & literalPositionMask) << literalContextBits) +
            (previous >>> (8 - literalContextBits))
          const base = literals + 0x300 * context
          let symbol = 1
          if (state >= 7) {
            // After a match the byte that the match would have gone on with is a hint.
            let hint = bytes[position - rep0 - 1]!
            while (symbol < 0x100) {
              const hintBit = (hint >>> 7) & 1
              hint <<= 1
              const value = bit(base + ((1 + hintBit) << 8) + symbol)
              symbol = symbol * 2 + value
              if (value !== hintBit) break
            }
          }
          while (symbol < 0x100) symbol = symbol * 2 + bit(base + symbol)
          bytes[position++] = symbol & 0xff
          state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6
          continue
        }
        let count: number
        if (bit(isRepeat + state) === 0) {
          rep3 = rep2
          rep2 = rep1
          rep1 = rep0
          count = length(matchLength, positionState)
          rep0 = distance(count)
          state = state < 7 ? 7 : 10
        } else {
          count = 0
          if (bit(isRepeat0 + state) === 0) {
            if (bit(isLongRepeat0 + state * positionStates + positionState) === 0) count = 1
          } else {
            let chosen = rep1
            if (bit(isRepeat1 + state) !== 0) {
              chosen = rep2
              if (bit(isRepeat2 + state) !== 0) {
                chosen = rep3
                rep3 = rep2
              }
              rep2 = rep1
            }
            rep1 = rep0
            rep0 = chosen
          }
          if (count === 1) state = state < 7 ? 9 : 11
          else {
            count = length(repeatLength, positionState)
            state = state < 7 ? 8 : 11
          }
        }
        if (rep0 >= position - oldest) throw malformed('it copies from before its start')
        if (position + count > end) throw malformed('a copy crosses the end of its chunk')
        // Byte by byte: a copy may overlap what it writes.
        for (const stop = position + count; position < stop; position++) {
          bytes[position] = bytes[position - rep0 - 1]!
        }
      }
      if (at !== chunk.length || code !== 0) throw malformed('a chunk does not end where it says')
      output.advance(size)
    },
  }
}

/** The error of everything that is wrong with xz data; an ELF file is the only place where we read it. */
export function malformed(what: string): ProfilerError {
  return new ProfilerError(
    'SP_ELF_MALFORMED',
    `The debug data in this ELF file cannot be unpacked: ${what}.`,
  )
}
