import { expect, test } from 'vitest'
import { allShades, fillOf, ink } from '../../agent/render/colour.ts'

// WCAG 2.2, relative luminance and contrast ratio: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
function luminance(hex: string): number {
  const digits =
    hex.length === 4 ? [...hex.slice(1)].map(digit => digit + digit) : hex.match(/\w\w/g)!
  const [red, green, blue] = digits.map(pair => {
    const value = Number.parseInt(pair, 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
}

function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (light! + 0.05) / (dark! + 0.05)
}

test('text meets AA on every shade, light and dark', () => {
  for (const { light, dark } of allShades()) {
    expect(contrast(light, ink.light), light).toBeGreaterThanOrEqual(4.5)
    expect(contrast(dark, ink.dark), dark).toBeGreaterThanOrEqual(4.5)
  }
})

test('no light shade is used twice, for the dark one is found by it', () => {
  const lights = allShades().map(({ light }) => light)
  expect(new Set(lights).size).toBe(lights.length)
})

test('a function has one colour in every picture, and kinds have different ones', () => {
  expect(fillOf('native', 'parse')).toBe(fillOf('native', 'parse'))
  const kinds = ['kernel', 'native', 'jit', 'inlined', 'interpreted', 'thread', 'unknown'] as const
  expect(new Set(kinds.map(kind => fillOf(kind, 'parse'))).size).toBe(kinds.length)
})

test('names spread over the shades of their kind', () => {
  const fills = new Map<string, number>()
  for (let index = 0; index < 600; index++) {
    const fill = fillOf('native', `function_${index}`)
    fills.set(fill, (fills.get(fill) ?? 0) + 1)
  }
  expect(fills.size).toBe(6)
  expect(Math.min(...fills.values())).toBeGreaterThan(50)
})
