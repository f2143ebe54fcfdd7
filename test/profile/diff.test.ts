// What changed between two columns of one model.

import { describe, expect, test } from 'vitest'
import { diffColumns, type Side } from '../../agent/profile/diff.ts'
import { printFolded, printFoldedDiff, readFolded } from '../../agent/profile/folded.ts'
import { type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { assessWindows, columnOf, mergeWindows, sumOf } from '../../agent/profile/windows.ts'

async function folded(text: string): Promise<Profile> {
  const builder = new ProfileBuilder()
  await readFolded([Buffer.from(text)], builder)
  return builder.build()
}

async function windowsOf(...texts: string[]): Promise<Profile> {
  const profiles = await Promise.all(texts.map(folded))
  return mergeWindows(profiles.map((profile, index) => ({ window: index + 1, profile })))
}

function textOf(pieces: Iterable<Buffer>): string {
  return Buffer.concat([...pieces]).toString()
}

function sidesOf(profile: Profile, more: Partial<Side>[] = [{}, {}]): [Side, Side] {
  return [1, 2].map(window => ({
    name: `window ${window}`,
    column: columnOf(profile, window),
    ...more[window - 1],
  })) as [Side, Side]
}

describe('windows as columns', () => {
  test('add up to the sum, and are there by themselves', async () => {
    const profile = await windowsOf('main;a 3\nmain;b 1\n', 'main;b 5\nother;a 2\n')
    expect(textOf(printFolded(sumOf(profile)))).toBe('main;a 3\nmain;b 6\nother;a 2\n')
    expect(sumOf(profile).columns).toHaveLength(1)
    const [one, two] = [1, 2].map(window => {
      return textOf(printFolded(profile, columnOf(profile, window)!))
    })
    expect(one).toBe('main;a 3\nmain;b 1\n')
    expect(two).toBe('main;b 5\nother;a 2\n')
  })

  test('that were recorded before the ask are compared, and in no sum', async () => {
    const [before, now] = await Promise.all(['main;a 9\nmain;b 1\n', 'main;b 5\n'].map(folded))
    const profile = mergeWindows([
      { window: 1, profile: before!, isRecorded: true },
      { window: 2, profile: now! },
    ])
    expect(textOf(printFolded(sumOf(profile)))).toBe('main;b 5\n')
    expect(textOf(printFolded(profile, columnOf(profile, 1)!))).toBe('main;a 9\nmain;b 1\n')
    expect(textOf(printFolded(profile, columnOf(profile, 2)!))).toBe('main;b 5\n')
  })

  test('have a quality each, one that gave nothing too', async () => {
    const profile = await windowsOf('a 2000\n', 'a 50\n')
    const facts = { tool: 'perf', event: 'cpu-clock' }
    const outcomes = assessWindows(
      profile,
      [1, 2, 3].map(window => ({ record: { window, remarks: [] }, facts, loss: new Map() })),
    )
    expect(
      outcomes.map(({ quality, samples, weight }) => [quality.level, samples, weight]),
    ).toEqual([
      ['trusted', 2000, 2000],
      ['do not trust', 50, 50],
      ['do not trust', 0, 0],
    ])
  })

  test('are judged by their own losses', async () => {
    const profile = await windowsOf('a 2000\n', 'a 2000\n')
    const facts = { tool: 'perf', event: 'cpu-clock' }
    const losses = [new Map(), new Map([['lost by the kernel', 2000]])]
    const outcomes = assessWindows(
      profile,
      losses.map((loss, at) => ({ record: { window: at + 1, remarks: [] }, facts, loss })),
    )
    expect(outcomes.map(({ quality }) => quality.lost)).toEqual([0, 0.5])
  })
})

const nothing = "No function's share has changed by 1 % or more, chance aside."

describe('a difference', () => {
  test('is of shares, so that load alone is none', async () => {
    const profile = await windowsOf('main;a 100\nmain;b 300\n', 'main;a 1000\nmain;b 3000\n')
    const { bySelf, byTotal, gone, appeared, headline } = diffColumns(profile, ...sidesOf(profile))
    expect([bySelf, byTotal, gone.count, appeared.count]).toEqual([[], [], 0, 0])
    expect(headline).toBe(nothing)
  })

  test('says by how much, by itself and with what it calls, and how much a second', async () => {
    const profile = await windowsOf(
      'main;parse 90\nmain;parse;lock 10\n',
      'main;parse 100\nmain;parse;lock 100\n',
    )
    const sides = sidesOf(profile, [{ seconds: 5 }, { seconds: 10 }])
    const { bySelf, before, after } = diffColumns(profile, ...sides)
    expect(before).toEqual({ name: 'window 1', seconds: 5, weight: 100 })
    expect(after).toEqual({ name: 'window 2', seconds: 10, weight: 200 })
    expect(bySelf.map(({ name, self, total }) => [name, self, total])).toEqual([
      [
        'parse',
        { before: 0.9, after: 0.5, change: -0.4, perSecond: { before: 18, after: 10 } },
        { before: 1, after: 1, change: 0, perSecond: { before: 20, after: 20 } },
      ],
      [
        'lock',
        { before: 0.1, after: 0.5, change: 0.4, perSecond: { before: 2, after: 10 } },
        { before: 0.1, after: 0.5, change: 0.4, perSecond: { before: 2, after: 10 } },
      ],
    ])
  })

  test('names what is gone and what is new', async () => {
    const profile = await windowsOf('main;old 5\nmain;same 5\n', 'main;new 5\nmain;same 5\n')
    const { gone, appeared } = diffColumns(profile, ...sidesOf(profile))
    expect([gone.count, gone.functions[0]!.name]).toEqual([1, 'old'])
    expect([appeared.count, appeared.functions[0]!.name]).toEqual([1, 'new'])
  })

  test('is chance where the samples are few, and clear where they are many', async () => {
    for (const [times, isClear] of [
      [1, false],
      [100, true],
    ] as const) {
      const [one, two] = [[12, 88] as const, [18, 82] as const].map(([a, b]) => {
        return `a ${a * times}\nb ${b * times}\n`
      })
      const profile = await windowsOf(one!, two!)
      const samples = 100 * times
      const { bySelf, headline } = diffColumns(
        profile,
        ...sidesOf(profile, [{ samples }, { samples }]),
      )
      expect(bySelf.map(({ self }) => self.isClear)).toEqual([isClear, isClear])
      expect(headline.includes('12 % → 18 %')).toBe(isClear)
    }
  })

  test('is worth a headline from 1 % on', async () => {
    const profile = await windowsOf('a 1\nb 99999\n', 'a 900\nb 99100\n')
    const { bySelf, headline } = diffColumns(
      profile,
      ...sidesOf(profile, [{ samples: 100_000 }, { samples: 100_000 }]),
    )
    expect(bySelf[0]!.self.isClear).toBe(true)
    expect(headline).toBe(nothing)
  })

  test('with a window that gave nothing is said to be none', async () => {
    const profile = await windowsOf('a 5\n')
    const { headline, appeared } = diffColumns(profile, ...sidesOf(profile))
    expect(headline).toBe('window 2 is empty: nothing to compare window 1 with.')
    expect(appeared.count).toBe(0)
  })

  test('as folded text has both counts, zeros too', async () => {
    const profile = await windowsOf('main;a 3\nmain;b 1\n', 'main;b 5\nother;a 2\n')
    const text = textOf(printFoldedDiff(profile, columnOf(profile, 1), columnOf(profile, 2)))
    expect(text).toBe('main;a 3 0\nmain;b 1 5\nother;a 0 2\n')
    expect(textOf(printFoldedDiff(profile, columnOf(profile, 1), undefined))).toBe(
      'main;a 3 0\nmain;b 1 0\n',
    )
  })

  test.for(['constructor', '__proto__', '函数', 'a (b.ts:3)', '🔥'])('of %s is one', async name => {
    const profile = await windowsOf(`${name} 1\n`, 'other 1\n')
    const { gone } = diffColumns(profile, ...sidesOf(profile))
    expect(gone.functions.map(each => each.name)).toEqual([name])
  })
})
