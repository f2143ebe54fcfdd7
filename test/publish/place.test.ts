// The object names of a capture.

import { expect, test } from 'vitest'
import { placeOf } from '../../agent/publish/place.ts'

test('a name that was redacted is a name that every store and shell takes', () => {
  expect(placeOf('INC-[mobile:7f3a9c]', 'c')).toBe('incidents/INC-mobile-7f3a9c/c')
  expect(placeOf('INC-4711_a.b', 'c')).toBe('incidents/INC-4711_a.b/c')
})
