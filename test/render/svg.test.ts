import { describe, expect, test } from 'vitest'
import type { Profile } from '../../agent/profile/profile.ts'
import { noCaller, ProfileBuilder } from '../../agent/profile/profile.ts'
import type { Redacted } from '../../agent/redact/redacted.ts'
import { renderSvg } from '../../agent/render/svg.ts'
import { viewerScript, viewerStyle } from '../../agent/render/viewer.ts'
import { addStack, hostileNames, pageOf, profileOf } from './example.ts'

// The grammar in svg.ts's header, as a second hand would write it down.
const text = '(?:[^<>&]|&(?:amp|lt|gt|quot|#39);)*'
const percent = String.raw`(?:\d+|\d*\.\d{1,4})%`
const weight = String.raw`(?:[\d,]+ (?:sample|byte|event)s?|[\d.]+ (?:s|ms|µs|ns))`
const kind = String.raw`\[(?:thread|kernel|native|jit|inlined|interpreted|unknown(?:: [\w -]+)?)\]`
const frame = new RegExp(
  `<g><title>(?:all|(?<name>${text}) ${kind}) \\(${weight}, \\d+\\.\\d+ %\\)</title>` +
    `<rect(?: x="${percent}")? width="${percent}" height="17" fill="(?:#[0-9a-f]{3}|url\\(#unknown\\))"/>` +
    `(?:<text(?: x="${percent}")? y="13">${text}</text>)?</g>`,
  'y',
)

/** The frames of a picture; fails on anything in the graph that is not one. */
function readFrames(svg: string): string[] {
  const body = /<svg class="graph"[^<>]*>\n(?<rows>.*)\n<\/svg>\n<text/s.exec(svg)!.groups!['rows']!
  const frames: string[] = []
  for (const line of body.split('\n')) {
    const row = /^<g transform="translate\(0,\d+\)">(?<frames>.+)<\/g>$/s.exec(line)!.groups![
      'frames'
    ]!
    frame.lastIndex = 0
    while (frame.lastIndex < row.length) {
      const at = frame.lastIndex
      const match = frame.exec(row)
      if (match === null) throw new Error(`not a frame: ${row.slice(at, at + 300)}`)
      frames.push(match[0])
    }
  }
  return frames
}

/** All of the file but its script and style, which are constant. */
function withoutConstants(svg: string): string {
  return svg.replace(viewerStyle, '').replace(`<![CDATA[${viewerScript}]]>`, '')
}

const simple = profileOf('thread:api;main;parse;kernel:read 30\nthread:api;main;unknown:x+0x1 70')

describe('a picture', () => {
  test('has a frame for each function and caller, named with kind, weight and share', () => {
    const titles = readFrames(renderSvg(simple, pageOf(simple))).map(found => {
      return /<title>(.*)<\/title>/.exec(found)![1]
    })
    expect(titles).toEqual([
      'all (100 samples, 100.00 %)',
      'api [thread] (100 samples, 100.00 %)',
      'main [native] (100 samples, 100.00 %)',
      'parse [native] (30 samples, 30.00 %)',
      'x+0x1 [unknown: no symbols] (70 samples, 70.00 %)',
      'read [kernel] (30 samples, 30.00 %)',
    ])
  })

  test('has its root at the bottom', () => {
    const rows = [
      ...renderSvg(simple, pageOf(simple)).matchAll(/translate\(0,(\d+)\)"><g><title>/g),
    ]
    expect(rows.map(([, y]) => Number(y))).toEqual([72, 54, 36, 18, 0])
  })

  test('is the same for the same profile', () => {
    expect(renderSvg(simple, pageOf(simple))).toBe(renderSvg(simple, pageOf(simple)))
  })

  test('says quality, verdict, the next command, what is lost and what is not drawn', () => {
    const builder = new ProfileBuilder()
    for (let index = 0; index < 50; index++) addStack(builder, ['main', `f${index}`], 10)
    builder.lose('lost by the kernel', 12)
    builder.note('The capture ended early: the target exited.')
    const profile = builder.build() as Redacted<Profile>
    const svg = renderSvg(
      profile,
      pageOf(profile, { limits: { maxFrames: 10 }, notes: ['Once more.'] }),
    )
    for (const words of [
      'Wide and flat. No function is above 5 %',
      'sp-flamegraph record 4242 --stat',
      '! Usable with care. 500 samples: too few for shares of a few percent.',
      'Not drawn: 42 frames no wider than 2 %, in which 84 % of the width ends.',
      'Not in the picture: 12 samples lost by the kernel.',
      'The capture ended early: the target exited.',
      'Once more.',
    ]) {
      expect(svg).toContain(words)
    }
  })

  test('lists the top functions as a table', () => {
    const table = /<g role="table".*/s.exec(renderSvg(simple, pageOf(simple)))![0]
    expect(table).toMatch(/70\.00 %.*70\.00 %.*unknown.*x\+0x1.*30\.00 %.*read/s)
  })

  test('of an allocation profile has its words for weights', () => {
    const builder = new ProfileBuilder()
    const stack = builder.stack(noCaller, builder.frame({ name: 'alloc', kind: 'native' }))
    builder.add(stack, builder.column('alloc_space', 'bytes'), 9_876_543_210)
    builder.add(stack, builder.column('cpu', 'nanoseconds'), 12_340_000_000)
    const profile = builder.build() as Redacted<Profile>
    const titles = [0, 1].map(
      column => readFrames(renderSvg(profile, pageOf(profile, { column })))[1],
    )
    expect(titles[0]).toContain('alloc [native] (9,876,543,210 bytes, 100.00 %)')
    expect(titles[1]).toContain('alloc [native] (12.34 s, 100.00 %)')
  })
})

describe('hostile text', () => {
  test.for(hostileNames.map((name, index) => [index, name] as const))(
    'no. %d as the name of a frame stays text',
    ([, name]) => {
      const builder = new ProfileBuilder()
      addStack(builder, ['main'], 1)
      const frames = [{ name, kind: 'native' } as const, { name, kind: 'unknown' } as const]
      const column = builder.column('cpu-clock', 'samples')
      for (const one of frames) builder.add(builder.stack(noCaller, builder.frame(one)), column, 5)
      const profile = builder.build() as Redacted<Profile>
      const svg = renderSvg(profile, pageOf(profile))
      expect(readFrames(svg)).toHaveLength(4)
      expectInert(svg)
    },
  )

  test('in title, subtitle, notes, events and loss stays text', () => {
    const builder = new ProfileBuilder()
    for (const name of hostileNames) {
      builder.note(name)
      builder.lose(name, 1)
    }
    const stack = builder.stack(noCaller, builder.frame({ name: 'main', kind: 'native' }))
    builder.add(stack, builder.column(hostileNames[0]!, 'samples'), 1)
    const profile = builder.build() as Redacted<Profile>
    for (const title of hostileNames) {
      const svg = renderSvg(
        profile,
        pageOf(profile, { title, subtitle: hostileNames, notes: [title] }),
      )
      expectInert(svg)
      expect(svg.length).toBeLessThan(100_000)
    }
  })

  test('made at random never leaves the grammar', () => {
    const pieces = [...'<>&"\'`;/=[]()%#!-\0\x1b\u202e\ud83d\udd25 ', ']]>', '</g>', '&amp;', 'x1']
    let state = 42
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    const builder = new ProfileBuilder()
    const column = builder.column('cpu-clock', 'samples')
    for (let index = 0; index < 1500; index++) {
      const name = Array.from({ length: 1 + random(30) }, () => pieces[random(pieces.length)]).join(
        '',
      )
      const frameIndex = builder.frame({ name, kind: 'native' })
      builder.add(builder.stack(noCaller, frameIndex), column, 1 + random(9))
    }
    const profile = builder.build() as Redacted<Profile>
    const svg = renderSvg(profile, pageOf(profile))
    expect(readFrames(svg)).toHaveLength(profile.stacks.length + 1)
    expectInert(svg)
  })
})

/** No element but ours, no attribute that acts, nothing that XML forbids. */
function expectInert(svg: string): void {
  const rest = withoutConstants(svg)
  const elements = new Set([...rest.matchAll(/<\/?([^\s/>]*)/g)].map(([, name]) => name))
  const ours = [
    'svg',
    'title',
    'desc',
    'style',
    'script',
    'defs',
    'pattern',
    'path',
    'g',
    'rect',
    'text',
    'tspan',
  ]
  expect([...elements].filter(name => !ours.includes(name!))).toEqual([])
  expect(rest).not.toMatch(/<[^>]*\s(?:on\w+|href|style|xlink:\w+)=/)
  expect(rest).not.toMatch(/&(?!(?:amp|lt|gt|quot|#39);)/)
  expect(rest).not.toMatch(/[\0-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/)
  expect(rest.isWellFormed()).toBe(true)
  expect(rest.match(/<script>/g)).toHaveLength(1)
  expect(rest.match(/<!|<\?/g)).toBeNull()
}

describe('size', () => {
  test('3,000 frames at most, under 160 bytes each for names of real length', () => {
    const builder = new ProfileBuilder()
    // Names as long as those of a Node.js capture: half of them up to 30 characters, some far longer.
    const nameOf = (index: number) => `module::${'x'.repeat((index * 7) % 45)}_${index % 900}`
    for (let index = 0; index < 20_000; index++) {
      const names = Array.from({ length: 12 }, (_, depth) => nameOf((index >> depth) + depth * 31))
      addStack(builder, names.reverse(), 1 + (index % 5))
    }
    const profile = builder.build() as Redacted<Profile>
    const svg = renderSvg(profile, pageOf(profile))
    const count = readFrames(svg).length
    expect(count).toBe(3000)
    expect(Buffer.byteLength(svg) / count).toBeLessThanOrEqual(160)
  })

  test('a stack of 10,000 frames is a picture', () => {
    const builder = new ProfileBuilder()
    addStack(builder, Array(10_000).fill('down'), 1)
    const profile = builder.build() as Redacted<Profile>
    const svg = renderSvg(profile, pageOf(profile))
    expect(readFrames(svg)).toHaveLength(500)
    expect(svg).toContain('Not drawn: 9,501 frames above the 500 levels that are shown')
  })
})
