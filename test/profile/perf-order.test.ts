import { expect, test } from 'vitest'
import { entryWords, TimeOrder } from '../../agent/profile/perf-order.ts'
import { noise } from './perf-writer.ts'

/** An order whose entries are numbers, and what it has handed on. */
function order(): {
  add: (time: number, payload?: number) => void
  out: number[]
  order: TimeOrder
} {
  const out: number[] = []
  const order = new TimeOrder((words, at) => out.push(words[at]!))
  const add = (time: number, payload = 0) => {
    const at = order.room(entryWords + payload)
    order.words[at] = time
    order.words[at + entryWords - 1] = payload
    order.add(time)
  }
  return { add, out, order }
}

test('runs of several CPUs become one', () => {
  const { add, out, order: o } = order()
  for (const time of [1, 4, 7, 2, 5, 8, 3, 6, 9]) add(time)
  o.end()
  expect(out).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('entries of one time stay in the order in which they came', () => {
  const out: number[] = []
  const o = new TimeOrder((words, at) => out.push(words[at]!))
  for (const [index, time] of [5, 5, 1, 5, 1].entries()) {
    const at = o.room(entryWords)
    o.words[at] = index
    o.words[at + entryWords - 1] = 0
    o.add(time)
  }
  o.end()
  expect(out).toEqual([2, 4, 0, 1, 3])
})

test('a round hands on what is not newer than the newest of the round before', () => {
  const { add, out, order: o } = order()
  for (const time of [10, 30, 20]) add(time)
  o.round()
  expect(out).toEqual([])
  for (const time of [25, 50, 40]) add(time)
  o.round()
  expect(out).toEqual([10, 20, 25, 30])
  o.round()
  expect(out).toEqual([10, 20, 25, 30])
  add(60)
  o.round()
  expect(out).toEqual([10, 20, 25, 30, 40, 50])
  o.end()
  expect(out).toEqual([10, 20, 25, 30, 40, 50, 60])
  expect(o.late).toBe(0)
})

test('an entry older than one that was handed on is counted as late', () => {
  const { add, out, order: o } = order()
  add(10)
  o.round()
  add(20)
  o.round()
  add(5)
  o.end()
  expect(o.late).toBe(1)
  expect(out).toEqual([10, 5, 20])
})

test('an entry without a time is handed on at once', () => {
  const { add, out, order: o } = order()
  add(1)
  const at = o.room(entryWords)
  o.words[at] = 99
  o.pass()
  o.end()
  expect(out).toEqual([99, 1])
})

test('without rounds it stays within its memory, and hands on the older half', () => {
  const { add, out, order: o } = order()
  const random = noise(7)
  // 600 entries of 10,000 words are 24 MB; the bound is 16.
  const times = Array.from({ length: 600 }, (_, index) => index * 10 + random(10))
  for (const time of times) add(time, 10_000)
  expect(o.forced).toBeGreaterThan(0)
  expect(out.length).toBeGreaterThan(100)
  expect(o.words.length * 4).toBeLessThanOrEqual(32 << 20)
  o.end()
  expect(out).toEqual(times)
})

test('any order comes out sorted, whatever the rounds', () => {
  const random = noise(11)
  const { add, out, order: o } = order()
  const times: number[] = []
  for (let round = 1; round < 200; round++) {
    for (let left = random(50); left > 0; left--) {
      // No older than the round before: what FINISHED_ROUND promises.
      const time = (round - 1) * 1000 + random(2000)
      times.push(time)
      add(time, random(5))
    }
    o.round()
  }
  o.end()
  expect(out).toEqual(times.sort((a, b) => a - b))
  expect(o.late).toBe(0)
})
