import { expect, test } from 'vitest'
import { WireError, WireReader, WireWriter } from '../../agent/profile/protobuf.ts'

const exact = [
  1,
  127,
  128,
  16383,
  16384,
  2 ** 28 - 1,
  2 ** 28,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 35,
  2 ** 53 - 1,
]

test.for([...exact, ...exact.map(value => -value)])('%i is written and read as it is', value => {
  const writer = new WireWriter()
  writer.number(1, value)
  writer.packed(2, [value, 0, value])
  const reader = new WireReader(writer.bytes())
  expect([reader.next(), reader.field, reader.value]).toEqual([true, 1, value])
  const values: number[] = []
  expect([reader.next(), reader.field]).toEqual([true, 2])
  reader.numbers(found => values.push(found))
  expect(values).toEqual([value, 0, value])
  expect(reader.next()).toBe(false)
})

test('the bytes are those of the specification', () => {
  const writer = new WireWriter()
  writer.number(1, 150)
  writer.text(2, 'testing')
  writer.number(3, -1)
  expect(writer.bytes().toString('hex')).toBe('089601120774657374696e6718ffffffffffffffffff01')
})

test('a number without an end, a cut one, a group and field 0 are errors', () => {
  for (const hex of [
    '08ffffffffffffffffffff01',
    '0880',
    '0b',
    '0001',
    '1205',
    '12ffffffffffffffffff01',
    '0d0000',
  ]) {
    expect(() => new WireReader(Buffer.from(hex, 'hex')).next()).toThrow(WireError)
  }
})
