// What is shown of a capture while it runs is redacted and gated like what is published.

import { describe, expect, test } from 'vitest'
import { readConfig } from '../../agent/config.ts'
import { type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { type Live, openLive } from '../../agent/publish/live.ts'
import { openWatch, type Watch } from '../../agent/symbolize/watch.ts'

const description = {
  tool: 'py-spy',
  toolPath: 'py-spy',
  pid: 42,
  mode: 'cpu',
  hertz: 99,
  durationMs: 10_000,
  event: 'running threads',
  countsCpuTime: true,
  withIdle: false,
  pause: false,
} as const

const target = {
  pid: 42,
  nspid: 1,
  comm: 'shop',
  uid: 0,
  runtime: 'CPython',
  version: '3.11',
  evidence: '',
  libc: 'glibc',
  alsoRuns: [],
}

function profileOf(stacks: Readonly<Record<string, number>>): Profile {
  const builder = new ProfileBuilder()
  const column = builder.column('samples', 'samples')
  for (const [path, weight] of Object.entries(stacks)) {
    let stack = -1
    for (const name of path.split(';')) {
      stack = builder.stack(stack, builder.frame({ name, kind: 'interpreted' }))
    }
    builder.add(stack, column, weight)
  }
  return builder.build()
}

function opened(flags: Readonly<Record<string, unknown>> = {}): { watch: Watch; live: Live } {
  const watch = openWatch()
  const { settings } = readConfig(flags, {})
  const context = { settings, target, remarks: [], startedAt: new Date(0), version: '0.0.0' }
  return { watch, live: openLive(watch, context) }
}

function show(watch: Watch, profile: Profile): void {
  watch.show({
    description,
    beganMs: 0,
    look: () => ({
      description,
      toolVersion: '1.0',
      profile,
      perf: undefined,
      trace: undefined,
      cpuSeconds: 1,
      symbols: [],
      remarks: [],
      end: { startedMs: 0, endedMs: 2000, endedByItself: false },
    }),
  })
}

describe('a view', () => {
  test('says how much there is, how far to trust it, and where it is hot', async () => {
    const { watch, live } = opened()
    show(watch, profileOf({ 'main;hot': 75, 'main;cold': 24 }))
    expect(await live.view()).toMatchObject({
      pid: 42,
      tool: 'py-spy',
      durationMs: 10_000,
      isSampling: true,
      quality: { samples: 99, achievedHertz: 99, expectedSamples: 99, level: 'do not trust' },
      top: [
        { name: 'hot', self: 75 / 99 },
        { name: 'cold', self: 24 / 99 },
      ],
    })
  })

  test('has no name that looks personal', async () => {
    const { watch, live } = opened()
    show(watch, profileOf({ 'main;greet_ada.lovelace@example.org': 10 }))
    const text = JSON.stringify(await live.view())
    expect(text).toContain('[email:')
    expect(text).not.toContain('lovelace')
  })

  test('has ten functions at most, and no name that fills a screen', async () => {
    const { watch, live } = opened()
    const many = Object.fromEntries(
      Array.from({ length: 30 }, (_, index) => [`f${index}_${'x'.repeat(5000)}`, index + 1]),
    )
    show(watch, profileOf(many))
    const { top } = (await live.view())!
    expect(top).toHaveLength(10)
    for (const { name } of top) expect(name.length).toBeLessThan(250)
  })

  test('before anything was sampled says so by having nothing', async () => {
    const { watch, live } = opened()
    expect(await live.view()).toBe(undefined)
    expect(await live.picture()).toBe(undefined)
    watch.show({ description, beganMs: 0, look: () => undefined })
    expect(await live.view()).toMatchObject({ isSampling: true, top: [] })
    expect(await live.picture()).toBe(undefined)
  })

  test('between the sampling and its end is the last one', async () => {
    const { watch, live } = opened()
    show(watch, profileOf({ hot: 5 }))
    await live.view()
    watch.show(undefined)
    expect(await live.view()).toMatchObject({ isSampling: false, top: [{ name: 'hot' }] })
  })

  test('of the next window shows nothing of the one before', async () => {
    const { watch, live } = opened()
    show(watch, profileOf({ hot: 5 }))
    expect((await live.view())!.top).toHaveLength(1)
    watch.show(undefined)
    watch.show({ description, beganMs: 0, look: () => undefined })
    // It rests after each look.
    await expect.poll(async () => (await live.view())!.top, { timeout: 20_000 }).toEqual([])
  })
})

describe('a picture', () => {
  test('says that more will come, and is what the gate passed', async () => {
    const { watch, live } = opened()
    show(watch, profileOf({ 'main;greet_ada.lovelace@example.org': 10 }))
    const { name, bytes, sha256 } = (await live.picture())!
    const text = Buffer.from(bytes).toString()
    expect(name).toBe('flame.svg')
    expect(sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(text).toContain('Still sampling: seen after 2.0 of 10 s')
    expect(text).not.toContain('lovelace')
  })

  test('that the gate refuses is not given', async () => {
    // The words of a picture that are no name: only the gate sees them.
    const rule = { name: 'count', pattern: '[0-9]{2} samples', examples: ['12 samples'] }
    const { watch, live } = opened({ customerIds: [rule] })
    show(watch, profileOf({ 'main;hot': 10 }))
    await expect(live.picture()).rejects.toMatchObject({ code: 'SP_REDACTION_REFUSED' })
  })
})

test('who looks is noticed', async () => {
  const { watch, live } = opened()
  expect(watch.isWatched()).toBe(false)
  await live.view()
  expect(watch.isWatched()).toBe(true)
})
