import { expect, test } from 'vitest'
import type { Redacted } from '../../agent/redact/redacted.ts'
import { summarize, type TargetFacts } from '../../agent/render/summary.ts'
import { pageOf, profileOf } from './example.ts'

const profile = profileOf('main;parse;kernel:read 30\nmain;parse 20\nmain;unknown:x 50')
const target = { pid: 4242, runtime: 'CPython 3.11' } as unknown as Redacted<TargetFacts>

test('a summary has the numbers of the picture', () => {
  const page = pageOf(profile, { notes: ['One note.'], limits: { maxFrames: 3 } })
  const summary = summarize(profile, page, target)
  expect(summary).toMatchObject({
    schema: 1,
    title: 'payments-core',
    target: { pid: 4242, runtime: 'CPython 3.11' },
    columns: [{ event: 'cpu-clock', unit: 'samples', weight: 100 }],
    width: 0,
    unnamedByReason: [{ reason: 'no symbols', share: 0.5 }],
    lost: [],
    notes: ['One note.'],
    leftOut: { narrow: { frames: 2 }, deep: { frames: 0 } },
  })
  expect(summary.verdict.shape).toBe('hairball')
  expect(summary.topBySelf[0]).toEqual({ name: 'x', kind: 'unknown', self: 0.5, total: 0.5 })
  expect(summary.topByTotal[0]).toEqual({ name: 'main', kind: 'native', self: 0, total: 1 })
})

test('a summary survives JSON as it is', () => {
  const summary = summarize(profile, pageOf(profile), target)
  expect(JSON.parse(JSON.stringify(summary))).toEqual(summary)
})
