// CRC-64 as xz checks its blocks: the ECMA-182 polynomial, reflected.
//
// 64 bits are kept as two halves, for a BigInt a byte would be 50 times slower.

// 0xC96C5795D7870F42, the reflected polynomial.
const polynomialHigh = 0xc96c5795
const polynomialLow = 0xd7870f42

const { high: tableHigh, low: tableLow } = makeTable()

/** The checksum as xz stores it: 8 bytes, little-endian. */
export function crc64(data: Buffer): Buffer {
  let high = ~0
  let low = ~0
  for (let at = 0; at < data.length; at++) {
    const index = (low ^ data[at]!) & 0xff
    low = ((low >>> 8) | (high << 24)) ^ tableLow[index]!
    high = (high >>> 8) ^ tableHigh[index]!
  }
  const sum = Buffer.alloc(8)
  sum.writeInt32LE(~low, 0)
  sum.writeInt32LE(~high, 4)
  return sum
}

function makeTable() {
  const high = new Int32Array(256)
  const low = new Int32Array(256)
  for (let index = 0; index < 256; index++) {
    let h = 0
    let l = index
    for (let bit = 0; bit < 8; bit++) {
      const carry = l & 1
      l = (l >>> 1) | (h << 31)
      h = h >>> 1
      if (carry !== 0) {
        l ^= polynomialLow
        h ^= polynomialHigh
      }
    }
    high[index] = h
    low[index] = l
  }
  return { high, low }
}
