import { describe, expect, test } from 'vitest'
import { noCaller, type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { allFrames, type Layout, layOut } from '../../agent/render/layout.ts'
import { profileOf } from './example.ts'

/** Rows as `name x width`, in percent. */
function print(profile: Profile, { rows }: Layout): string[] {
  return rows.map(row =>
    row
      .map(({ frame, x, width }) => {
        const name = frame === allFrames ? 'all' : profile.frames[frame]!.name
        return `${name} ${Math.round(x * 100)} ${Math.round(width * 100)}`
      })
      .join(', '),
  )
}

describe('rows', () => {
  test('go from the root up, siblings in the order of their names', () => {
    const profile = profileOf('main;b 30\nmain;a;c 50\nmain 20')
    expect(print(profile, layOut(profile))).toEqual([
      'all 0 100',
      'main 0 100',
      'a 0 50, b 50 30',
      'c 0 50',
    ])
  })

  test('have one frame where only file or line differ, another where the kind does', () => {
    const builder = new ProfileBuilder()
    const column = builder.column('samples', 'samples')
    const main = builder.stack(noCaller, builder.frame({ name: 'main', kind: 'native' }))
    for (const more of [{ line: 1 }, { line: 2 }, { file: 'b.c' }, { module: 'libb' }]) {
      const caller = builder.stack(main, builder.frame({ name: 'f', kind: 'native', ...more }))
      builder.add(builder.stack(caller, builder.frame({ name: 'g', kind: 'native' })), column, 20)
    }
    builder.add(builder.stack(main, builder.frame({ name: 'f', kind: 'kernel' })), column, 20)
    const profile = builder.build()
    expect(print(profile, layOut(profile)).slice(2)).toEqual(['f 0 20, f 20 80', 'g 20 80'])
  })

  test('order names by code unit, not by the language of the machine', () => {
    const profile = profileOf('ä 1\nz 1\nB 1\na 1')
    expect(print(profile, layOut(profile))[1]).toBe('B 0 25, a 25 25, z 50 25, ä 75 25')
  })

  test('hold every callee within its caller, and no two frames on one place', () => {
    const { rows } = layOut(randomProfile(7, 5000))
    for (const [level, row] of rows.entries()) {
      let end = 0
      for (const { x, width } of row) {
        expect(x).toBeGreaterThanOrEqual(end - 1e-9)
        end = x + width
        if (level === 0) continue
        const isInside = rows[level - 1]!.some(caller => {
          return x >= caller.x - 1e-9 && x + width <= caller.x + caller.width + 1e-9
        })
        expect(isInside).toBe(true)
      }
    }
  })
})

describe('what is left out', () => {
  test('is nothing in a small profile', () => {
    const { leftOut, count } = layOut(profileOf('a;b 1\na;c 2'))
    expect(count).toBe(4)
    expect([leftOut.narrow.frames, leftOut.deep.frames]).toEqual([0, 0])
  })

  test('is the narrowest, counted, with the weight that ends there', () => {
    const profile = profileOf('a 50\nb 30\nc 15\nd 5')
    const { rows, leftOut, count } = layOut(profile, 0, { maxFrames: 3 })
    expect(count).toBe(3)
    expect(rows[1]!.map(({ weight }) => weight)).toEqual([50, 30])
    expect(leftOut.narrow.frames).toBe(2)
    expect(leftOut.narrow.share).toBe(0.2)
  })

  test('is never a caller of what is drawn, at any limit', () => {
    const profile = randomProfile(11, 3000)
    for (const maxFrames of [2, 3, 10, 100, 500, 1000]) {
      const { rows, count, leftOut } = layOut(profile, 0, { maxFrames })
      expect(count).toBeLessThanOrEqual(maxFrames)
      expect(rows.flat()).toHaveLength(count)
      const everything = layOut(profile, 0, { maxFrames: 1e9, minWidth: 0 }).count
      expect(count + leftOut.narrow.frames + leftOut.deep.frames).toBe(everything)
    }
  })

  test('of equals is the deeper one', () => {
    const { rows, count } = layOut(profileOf('a;b;c;d 1\ne;f;g;h 1'), 0, { maxFrames: 5 })
    expect(count).toBe(5)
    expect(rows.map(row => row.length)).toEqual([1, 2, 2])
  })

  test('is what is deeper than the last row', () => {
    const builder = new ProfileBuilder()
    let stack = noCaller
    for (let depth = 0; depth < 10_000; depth++) {
      stack = builder.stack(stack, builder.frame({ name: `f${depth % 7}`, kind: 'native' }))
    }
    builder.add(stack, builder.column('samples', 'samples'), 3)
    const { rows, leftOut } = layOut(builder.build(), 0, { maxRows: 100 })
    expect(rows).toHaveLength(100)
    expect(leftOut.deep).toEqual({ frames: 9901, share: 1, rows: 100 })
  })

  test('is not what has no weight in this column', () => {
    const builder = new ProfileBuilder()
    const [one, two] = [builder.column('one', 'samples'), builder.column('two', 'samples')]
    builder.add(builder.stack(noCaller, builder.frame({ name: 'a', kind: 'native' })), one, 1)
    builder.add(builder.stack(noCaller, builder.frame({ name: 'b', kind: 'native' })), two, 1)
    const { count, leftOut } = layOut(builder.build(), 1)
    expect([count, leftOut.narrow.frames]).toEqual([2, 0])
  })
})

test('an empty profile is an error, not an empty picture', () => {
  expect(() => layOut(new ProfileBuilder().build())).toThrowError(/no samples/)
  expect(() => layOut(profileOf('a 0'))).toThrowError(/no samples/)
})

test('weights that overflow are an error', () => {
  expect(() => layOut(profileOf('a 1e308\nb 1e308'))).toThrowError(/more than a number can hold/)
})

/** A profile of `count` stacks whose shape depends on the seed alone. */
function randomProfile(seed: number, count: number): Profile {
  let state = seed
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const builder = new ProfileBuilder()
  const column = builder.column('samples', 'samples')
  for (let index = 0; index < count; index++) {
    let stack = noCaller
    for (let depth = random(30); depth >= 0; depth--) {
      stack = builder.stack(stack, builder.frame({ name: `f${random(6)}`, kind: 'native' }))
    }
    builder.add(stack, column, random(4))
  }
  return builder.build()
}
