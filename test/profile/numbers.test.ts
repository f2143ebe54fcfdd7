import { expect, test } from 'vitest'
import {
  formatPercent,
  formatWeight,
  roundPercent,
  roundWeight,
} from '../../agent/profile/numbers.ts'

test.for([
  [1234, 'samples', '1,234 samples'],
  [1, 'samples', '1 sample'],
  [0, 'bytes', '0 bytes'],
  [9_876_543_210, 'bytes', '9,876,543,210 bytes'],
  [1e22, 'samples', '10,000,000,000,000,000,000,000 samples'],
  [2.5, 'samples', '3 samples'],
  [2, 'count', '2 events'],
  [999, 'nanoseconds', '999 ns'],
  [5_600, 'nanoseconds', '5.60 µs'],
  [5_600_000, 'nanoseconds', '5.60 ms'],
  [12_340_000_000, 'nanoseconds', '12.34 s'],
] as const)('%d %s is written %s', ([weight, unit, written]) => {
  expect(formatWeight(weight, unit)).toBe(written)
})

test('a share has two decimals, and a third where two would say nothing', () => {
  expect([1, 0.12345, 0.0001, 0.00001].map(formatPercent)).toEqual([
    '100.00 %',
    '12.35 %',
    '0.01 %',
    '0.001 %',
  ])
  expect([1, 0.126, 0.0004, 0].map(roundPercent)).toEqual(['100 %', '12.6 %', '0.04 %', '0 %'])
})

test('in a sentence no number is as long as a phone number', () => {
  expect(roundWeight(9_876_543_210, 'bytes')).toBe('9.9 GB')
  expect(roundWeight(9_876_543_210, 'samples')).toBe('9.9 billion samples')
  expect(roundWeight(9_876_543_210, 'nanoseconds')).toBe('9.88 s')
  for (const unit of ['samples', 'nanoseconds', 'bytes', 'count'] as const) {
    expect(roundWeight(1e21, unit)).not.toMatch(/\d{10}/)
  }
})
