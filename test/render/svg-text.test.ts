import { expect, test } from 'vitest'
import { cutLong, cutMiddle, widthOf, wrap } from '../../agent/render/svg-text.ts'

test('a name that fits is whole', () => {
  expect(cutMiddle('parse', 5)).toBe('parse')
})

test('a name that does not fit loses its middle', () => {
  expect(cutMiddle('com.acme.Service.handle', 11)).toBe('com.a…andle')
  expect(cutMiddle('x'.repeat(100_000), 9)).toBe('xxxx…xxxx')
})

test('wide characters take two places', () => {
  expect(widthOf('函数a')).toBe(5)
  expect(widthOf(cutMiddle('函数名称很长很长', 9))).toBeLessThanOrEqual(9)
})

test('no cut leaves half a character', () => {
  for (let places = 4; places < 20; places++) {
    expect(cutMiddle('🔥'.repeat(30), places).isWellFormed()).toBe(true)
    expect(cutLong('🔥'.repeat(30), places).isWellFormed()).toBe(true)
  }
})

test('a long text says how much of it is gone', () => {
  expect(cutLong('a'.repeat(100), 10)).toBe('aaaaa…[90 more]…aaaaa')
})

test('lines break at spaces, never before a percent sign', () => {
  expect(wrap('one two three', 7, 5)).toEqual(['one two', 'three'])
  expect(wrap('it is 22.5 % of it', 10, 5)).toEqual(['it is', '22.5 % of', 'it'])
})

test('a word longer than a line is broken', () => {
  expect(wrap('abcdefgh', 3, 5)).toEqual(['abc', 'def', 'gh'])
})

test('what has no room is marked as cut', () => {
  expect(wrap('one two three four', 5, 2)).toEqual(['one', 'two…'])
  expect(wrap('x'.repeat(1_000_000), 10, 2)).toEqual(['xxxxxxxxxx', 'xxxxxxxxx…'])
})
