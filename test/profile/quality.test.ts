import { expect, test } from 'vitest'
import { ProfileBuilder } from '../../agent/profile/profile.ts'
import { assess, type CaptureFacts, qualityThresholds } from '../../agent/profile/quality.ts'
import { addStack, profileOf } from '../render/example.ts'

const perf: CaptureFacts = { tool: 'perf', event: 'cpu-clock' }
const good = profileOf('main;handle;parse 2900')

test('a full capture is trusted, and says its numbers', () => {
  const facts = { ...perf, requestedHertz: 99, cpuSeconds: 30, throttled: 0 }
  expect(assess(good, facts)).toEqual({
    level: 'trusted',
    reasons: [],
    tool: 'perf',
    event: 'cpu-clock',
    requestedHertz: 99,
    achievedHertz: 96.7,
    samples: 2900,
    expectedSamples: 2970,
    unreadable: 0,
    unknownLeaf: 0,
    unknownAnywhere: 0,
    unknownByReason: [],
    lost: 0,
    throttled: 0,
  })
})

test.for([
  [1000, 'trusted'],
  [999, 'usable with care'],
  [100, 'usable with care'],
  [99, 'do not trust'],
] as const)('%d samples are %s', ([samples, level]) => {
  expect(assess(profileOf(`main;f ${samples}`), perf).level).toBe(level)
})

test.for([
  [3000, 'trusted'],
  [2699, 'usable with care'],
  [1499, 'do not trust'],
  [3700, 'usable with care'],
] as const)('%d of 3,000 expected samples are %s', ([samples, level]) => {
  const facts = { ...perf, requestedHertz: 100, cpuSeconds: 30 }
  expect(assess(profileOf(`main;f ${samples}`), facts).level).toBe(level)
})

test.for([
  [19, 'trusted'],
  [200, 'usable with care'],
  [500, 'do not trust'],
] as const)('with %d lost beside 2,900 it is %s', ([lost, level]) => {
  const builder = new ProfileBuilder()
  addStack(builder, ['main', 'f'], 2900)
  builder.lose('lost by the kernel', lost)
  const quality = assess(builder.build(), perf)
  expect(quality.level).toBe(level)
  expect(quality.lost).toBeCloseTo(lost / (2900 + lost))
})

test('what was lost is told by its reason, the largest first', () => {
  const builder = new ProfileBuilder()
  addStack(builder, ['main', 'f'], 6900)
  builder.lose('lost by the kernel', 100)
  builder.lose('whose stack changed while it was read', 3000)
  expect(assess(builder.build(), perf).reasons).toEqual([
    '3,100 samples lost (31 %): 3,000 whose stack changed while it was read, 100 lost by the kernel.',
  ])
})

test('weight that cannot be read is counted by reason', () => {
  const quality = assess(profileOf('main;unknown:a 100\nunknown:b;f 900\nmain;g 1000'), perf)
  expect(quality.unknownLeaf).toBe(0.05)
  expect(quality.unknownAnywhere).toBe(0.5)
  expect(quality.unknownByReason).toEqual([{ reason: 'no symbols', share: 0.05 }])
  expect(quality.reasons).toEqual([
    '5 % of the weight cannot be read, for want of names: 5 % no symbols.',
  ])
})

test('stacks as deep as the limit are cut: a thread and an inlined call are not walked', () => {
  const profile = profileOf('thread:t;a;inlined:i;b;kernel:c 500\nthread:t;a;kernel:c 500')
  const quality = assess(profile, { ...perf, stackLimit: 3 })
  expect(quality.truncated).toBe(0.5)
  expect(quality.reasons[0]).toBe('50 % of the stacks reach the limit of 3 frames and are cut.')
})

test('one-frame user stacks count where frame pointers are walked, kernel threads do not', () => {
  const profile = profileOf('thread:t;f;kernel:k 300\nthread:t;main;f 700\nthread:k;kernel:k 1000')
  expect(assess(profile, { ...perf, framePointers: true }).shallow).toBe(0.3)
  expect(assess(profile, perf).shallow).toBeUndefined()
})

test('a throttled capture is used with care', () => {
  expect(assess(good, { ...perf, throttled: 3 }).reasons).toEqual([
    'The kernel throttled the sampling 3 times.',
  ])
})

test('what would make it untrusted stands before what asks for care', () => {
  const { level, reasons } = assess(profileOf('main;unknown:a 500'), perf)
  expect(level).toBe('do not trust')
  expect(reasons[0]).toMatch(/cannot be read/)
  expect(reasons[1]).toMatch(/too few/)
})

test('weights that are no samples make the number of samples unknown', () => {
  const builder = new ProfileBuilder()
  builder.column('alloc_space', 'bytes')
  const { level, samples } = assess(builder.build(), { tool: 'pprof', event: 'alloc_space' })
  expect([level, samples]).toEqual(['usable with care', undefined])
})

test('each threshold is worse for distrust than for care', () => {
  for (const limit of Object.values(qualityThresholds)) {
    if (!('distrust' in limit)) continue
    expect(limit.distrust).not.toBe(limit.care)
  }
})
