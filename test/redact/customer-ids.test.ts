import { describe, expect, test } from 'vitest'
import { type CustomerIdPattern, customerIdRules } from '../../agent/redact/customer-ids.ts'
import { detect } from '../../agent/redact/detectors.ts'
import { redactionPolicy } from '../../agent/redact/policy.ts'

const client: CustomerIdPattern = {
  name: 'client_code',
  pattern: '\\bZK[A-Z]{2}\\d{4,6}',
  examples: ['ZKAB1234', 'ZKAB123456'],
  rejects: ['ZKAB12'],
}

test('a configured pattern finds what its examples say', () => {
  const [hit] = detect('load(ZKAB12345)', customerIdRules([client]))
  expect(hit).toEqual({ class: 'customer_id', start: 5, end: 14 })
})

describe('a pattern is refused', () => {
  test.for([
    ['ZK\\d+', 'character 5 is not allowed'],
    ['ZK\\d*', 'not allowed'],
    ['(ZK|YK)\\d{4}', 'not allowed'],
    ['(a{1,9}){1,9}', 'not allowed'],
    ['ZK.{6}', 'not allowed'],
    ['ZKAB\\d{4,}', 'a count has no upper bound'],
    ['ZKAB\\d{6,4}', 'ends before it begins'],
    ['[A-Z]{1,60}[A-Z]{1,60}1234', 'more than 64 ways'],
    ['ZKAB\\d{4}[A-Z]{0,200}', 'more than 128'],
    ['ZK\\d', 'fewer than 5'],
    ['[z-a]ZKABC', 'not a regular expression'],
    ['', 'empty'],
    ['ZKXX\\d{4}', 'does not match the whole of example 1'],
    ['[A-Za-z0-9]{5,12}', 'ordinary names of functions'],
  ])('%s: %s', ([pattern, why]) => {
    expect(() => customerIdRules([{ ...client, pattern: pattern! }])).toThrow(why)
  })

  test('that matches what it must leave alone', () => {
    expect(() => customerIdRules([{ ...client, rejects: ['ZKAB1234'] }])).toThrow('number 1')
  })

  test('without an example', () => {
    expect(() => customerIdRules([{ ...client, examples: [] }])).toThrow('it has no example')
  })

  test('that would find what redaction writes', () => {
    const pattern = { ...client, pattern: '[0-9a-f]{6}\\]', examples: ['00abcd]'], rejects: [] }
    expect(() => redactionPolicy({ customerIds: [pattern] })).toThrow(
      'what redaction writes itself',
    )
  })

  test('with every problem of every pattern at once', () => {
    const bad = [
      { ...client, name: 'one', pattern: 'ZK\\d' },
      { ...client, name: 'two', pattern: '.' },
    ]
    expect(() => customerIdRules(bad)).toThrow(/`one`.*`two`/s)
  })
})

test('a short key is refused', () => {
  expect(() => redactionPolicy({ key: Buffer.alloc(8) })).toThrow('shorter than 16 bytes')
})
