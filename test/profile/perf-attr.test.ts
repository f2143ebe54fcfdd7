import { expect, test } from 'vitest'
import { readAttr } from '../../agent/profile/perf-attr.ts'
import { attr, usual } from './perf-writer.ts'

test.for([
  [0, 0, 'cycles', 'hardware', 'count'],
  [1, 0, 'cpu-clock', 'software', 'nanoseconds'],
  [1, 1, 'task-clock', 'software', 'nanoseconds'],
  [1, 2, 'page-faults', 'software', 'count'],
  [2, 317, 'tracepoint 317', 'tracepoint', 'count'],
  [4, 0xc0, 'raw 192', 'raw', 'count'],
  [19, 5, 'pmu 19 5', 'pmu 19', 'count'],
] as const)('type %i, config %i is %s', ([type, config, name, typeName, unit]) => {
  expect(readAttr(attr({ ...usual, type, config }), 0)).toMatchObject({
    name,
    type: typeName,
    unit,
  })
})

test('a rate and a period are told apart', () => {
  expect(readAttr(attr({ ...usual, freq: true, period: 999 }), 0)).toMatchObject({ hertz: 999 })
  expect(readAttr(attr({ ...usual, freq: false, period: 1000 }), 0)).toMatchObject({ period: 1000 })
})

test.for([1_000_001, 10 ** 18])('a rate of %i is none that a kernel gives', rate => {
  const read = readAttr(attr({ ...usual, freq: true, period: rate }), 0)
  expect(read.hertz).toBe(undefined)
  expect(read.period).toBe(undefined)
})

test('an attribute of the first version is short, and its size may be 0', () => {
  const first = attr({ ...usual, size: 0 }).subarray(0, 64)
  expect(readAttr(first, 0)).toMatchObject({ name: 'cpu-clock', maxStack: 127 })
})

test('an attribute of a version to come is long', () => {
  const coming = Buffer.concat([
    attr({ ...usual, size: 512, maxStack: 10 }),
    Buffer.alloc(400, 0xff),
  ])
  expect(readAttr(coming, 0)).toMatchObject({ name: 'cpu-clock', maxStack: 10 })
})
