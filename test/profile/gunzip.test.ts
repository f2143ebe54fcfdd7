// What a gzip stream inflates to, however large it is.

import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { gunzip } from '../../agent/profile/gunzip.ts'

test('a stream of many pieces leaves no listener behind for each', async () => {
  const warnings: Error[] = []
  const remember = (warning: Error) => warnings.push(warning)
  process.on('warning', remember)
  // Random, so that it stays as large, and each piece has to wait for room.
  const zipped = gzipSync(randomBytes(4 << 20))
  const pieces = Array.from({ length: 64 }, (_, index) =>
    zipped.subarray((index << 16) + (index && 1024), ((index + 1) << 16) + 1024),
  )
  let size = 0
  for await (const piece of gunzip([...pieces, zipped.subarray((64 << 16) + 1024)], () => {})) {
    size += piece.length
  }
  process.off('warning', remember)
  expect(size).toBe(4 << 20)
  expect(warnings).toEqual([])
})
