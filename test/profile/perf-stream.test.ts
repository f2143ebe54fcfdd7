import { expect, test } from 'vitest'
import { RecordStream } from '../../agent/profile/perf-stream.ts'
import { record, u32, u64 } from './perf-writer.ts'

/** What a stream makes of chunks: each record as `type:size`, what is compressed as `packed:bytes`. */
function taken(...chunks: Uint8Array[]): { out: string[]; stream: RecordStream } {
  const out: string[] = []
  const stream = new RecordStream((from, at, size) => {
    expect(at % 4).toBe(0)
    expect(from.words[at >> 2]).toBe(from.bytes.readInt32LE(at))
    out.push(`${from.words[at >> 2]}:${size}`)
  })
  for (const chunk of chunks) {
    for (const packed of stream.push(chunk)) out.push(`packed:${packed.length}`)
  }
  return { out, stream }
}

test('records are cut out wherever chunks end', () => {
  const bytes = Buffer.concat([record(1, 0, u64(1)), record(2, 0), record(3, 0, u64(1, 2))])
  for (let at = 0; at <= bytes.length; at++) {
    expect(taken(bytes.subarray(0, at), bytes.subarray(at)).out).toEqual(['1:16', '2:8', '3:24'])
  }
})

test('records that stand askew are read straight', () => {
  const odd = record(80, 0, Buffer.alloc(5))
  expect(taken(Buffer.concat([odd, record(3, 0, u64(1)), odd, odd, record(4, 0)])).out).toEqual([
    '80:13',
    '3:16',
    '80:13',
    '80:13',
    '4:8',
  ])
})

test('the largest records pass, many at a time', () => {
  const large = record(9, 0, Buffer.alloc(65_527))
  expect(taken(Buffer.concat(Array.from({ length: 9 }, () => large))).out).toEqual(
    Array.from({ length: 9 }, () => '9:65535'),
  )
})

test('what follows tracing data and AUX data is found behind them', () => {
  const tracing = Buffer.concat([record(66, 0, u32(13)), Buffer.alloc(16, 0xee)])
  const aux = Buffer.concat([record(71, 0, u64(1000, 0, 0, 0)), Buffer.alloc(1000, 0xee)])
  const bytes = Buffer.concat([tracing, record(3, 0), aux, record(4, 0)])
  expect(taken(bytes).out).toEqual(['3:8', '4:8'])
  expect(taken(...[...bytes].map(byte => Buffer.from([byte]))).out).toEqual(['3:8', '4:8'])
})

test('AUX data of a size that no file has are awaited, not kept', () => {
  const { out, stream } = taken(record(71, 0, u64(2n ** 63n)), Buffer.alloc(1 << 20))
  expect(out).toEqual([])
  expect(stream.pending).toBeGreaterThan(2 ** 62)
})

test('a compressed record gives what it holds, without the padding of the newer kind', () => {
  const old = record(81, 0, Buffer.alloc(11))
  const padded = record(83, 0, u64(11), Buffer.alloc(16))
  const lying = record(83, 0, u64(2n ** 40n), Buffer.alloc(16))
  const short = record(83, 0)
  expect(taken(Buffer.concat([old, padded, lying, short, record(3, 0)])).out).toEqual([
    'packed:11',
    'packed:11',
    'packed:16',
    'packed:0',
    '3:8',
  ])
})

test.for([0, 1, 7])('a record of size %i breaks the stream, there and for good', size => {
  const broken = record(9, 0)
  broken.writeUInt16LE(size, 6)
  const { out, stream } = taken(
    Buffer.concat([record(3, 0, u64(1)), broken, record(4, 0)]),
    record(4, 0),
  )
  expect(out).toEqual(['3:16'])
  expect(stream.brokenAt).toBe(16)
})

test('what is left of a record is pending', () => {
  expect(taken(record(3, 0, u64(1)).subarray(0, 15)).stream.pending).toBe(15)
  expect(taken(record(3, 0, u64(1))).stream.pending).toBe(0)
})
