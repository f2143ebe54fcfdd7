import { expect, test } from 'vitest'
import { readJson, topLevelKeys } from '../../agent/profile/json.ts'

const read = (...chunks: (string | Uint8Array)[]) =>
  readJson(
    chunks.map(chunk => Buffer.from(chunk as string)),
    'SP_CPUPROFILE_MALFORMED',
  )

test('text may be cut inside of a letter, and may begin with a byte order mark', async () => {
  const bytes = Buffer.from('\ufeff{"函":"🔥"}')
  expect(await read(...[...bytes].map(byte => Uint8Array.of(byte)))).toEqual({ 函: '🔥' })
})

test('what is no JSON is said without quoting it', async () => {
  await expect(read('{"secret": tru')).rejects.toMatchObject({
    code: 'SP_CPUPROFILE_MALFORMED',
    message: 'the input of 14 bytes is not whole JSON',
  })
})

test.for([
  ['deep', '['.repeat(60_000)],
  ['wide', '[],'.repeat(8_000_001)],
])('JSON that is too %s is refused before it is parsed', async ([_, text]) => {
  await expect(read(text!)).rejects.toMatchObject({ code: 'SP_LIMIT' })
})

test('brackets in strings nest nothing', async () => {
  expect(await read(`["${'['.repeat(60_000)}\\"[", 1]`)).toEqual([`${'['.repeat(60_000)}"[`, 1])
})

test('JSON without end is refused', async () => {
  const endless = (function* () {
    for (;;) yield Buffer.alloc(8 * 1024 * 1024, ' ')
  })()
  await expect(readJson(endless, 'SP_CPUPROFILE_MALFORMED')).rejects.toMatchObject({
    code: 'SP_LIMIT',
  })
})

test('the keys of the outermost object are found as far as the text goes', () => {
  const keys = (text: string) => topLevelKeys(Buffer.from(text))
  expect(keys('{"a":{"b":[{"c":1}]},"d\\"e" : "f", "g":')).toEqual(new Set(['a', 'd\\"e', 'g']))
  expect(keys('  [{"a":1}]')).toBe(undefined)
  expect(keys('')).toBe(undefined)
})
