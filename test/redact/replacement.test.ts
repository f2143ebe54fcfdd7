import { expect, test } from 'vitest'
import { unsafeReplacement } from '../../agent/redact/replacement.ts'

test('no replacement is found as a value itself, whatever stands beside it', () => {
  expect(unsafeReplacement([])).toBeUndefined()
})
