import { expect, test } from 'vitest'
import { isCard, isGstin, isLuhn, isVerhoeff } from '../../agent/redact/checksums.ts'

test('Verhoeff accepts the published examples', () => {
  for (const number of ['2363', '123451', '84736430954837284567892'])
    expect(isVerhoeff(number)).toBe(true)
})

test('Verhoeff sees every wrong digit and every exchange of neighbours', () => {
  const number = '84736430954837284567892'
  for (let at = 0; at < number.length; at++) {
    for (let digit = 0; digit < 10; digit++) {
      const wrong = `${number.slice(0, at)}${digit}${number.slice(at + 1)}`
      expect(isVerhoeff(wrong)).toBe(wrong === number)
    }
    const swapped = `${number.slice(0, at)}${number[at + 1] ?? ''}${number[at]}${number.slice(at + 2)}`
    expect(isVerhoeff(swapped)).toBe(swapped === number)
  }
})

test('Luhn accepts the cards of the test books', () => {
  for (const number of [
    '4111111111111111',
    '378282246310005',
    '30569309025904',
    '6011111111111117',
  ]) {
    expect(isLuhn(number)).toBe(true)
    expect(isCard(number)).toBe(true)
  }
  expect(isLuhn('4111111111111112')).toBe(false)
})

test.for([
  ['a RuPay card', '6074820000000007'],
  ['a Maestro card of nineteen', '5018000000000000009'],
])('%s is one by its prefix and length', ([, number]) => {
  expect(isCard(number!)).toBe(isLuhn(number!))
})

test.for([
  ['milliseconds since 1970', '1745568152129'],
  ['microseconds since 1970', '1745568152123452'],
  ['nanoseconds since 1970', '1745568152123456786'],
  ['the multiplier of a random generator', '6364136223846793005'],
])('%s are no card', ([, number]) => {
  expect(isCard(number!)).toBe(false)
})

test('the check character of a GSTIN', () => {
  expect(isGstin('27AAPFU0939F1ZV')).toBe(true)
  expect(isGstin('29AAGCB7383J1Z4')).toBe(true)
  expect(isGstin('27AAPFU0939F1ZW')).toBe(false)
})
