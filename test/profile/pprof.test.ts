import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { detectPprof, printPprof, readPprof } from '../../agent/profile/pprof.ts'
import { noCaller, type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { WireWriter } from '../../agent/profile/protobuf.ts'
import { expectGolden, fixture, fixturesIn } from '../goldens.ts'
import { folded, hostileNames, readWith, stacks } from '../stacks.ts'
import { temporaryFolder } from '../temporary.ts'

const read = (bytes: Uint8Array) => readWith(readPprof, bytes)

/** What a profile says, without the order in which its frames were met. */
function said({ frames, stacks, columns }: Profile): unknown {
  const paths: string[] = []
  for (let node = 0; node < stacks.length; node++) {
    const from = stacks.caller[node]!
    const { reason: _, ...frame } = frames[stacks.frame[node]!]!
    paths.push(
      (from === noCaller ? '' : paths[from]!) + JSON.stringify(Object.entries(frame).sort()),
    )
  }
  return columns.map(({ event, unit, self }) => {
    const weights = paths
      .map((text, node) => `${text} ${self[node]}`)
      .filter((_, node) => self[node] !== 0)
    return [event, unit, weights.sort()]
  })
}

test.for(fixturesIn('pprof/go1.26'))('%s folds as its golden says', async name => {
  const profile = await read(fixture(name))
  expectGolden(`${name}.folded.golden`, folded(profile))
})

test.for(fixturesIn('pprof/go1.26'))(
  '%s printed and read again is the same profile',
  async name => {
    const profile = await read(fixture(name))
    expect(said(await read(printPprof(profile)))).toEqual(said(profile))
  },
)

test('every kind of frame survives being printed', async () => {
  const builder = new ProfileBuilder()
  let stack = noCaller
  for (const kind of [
    'thread',
    'native',
    'inlined',
    'inlined',
    'interpreted',
    'jit',
    'kernel',
  ] as const) {
    stack = builder.stack(
      stack,
      builder.frame({ name: `f_${kind}_[k]`, kind, file: 'f.c', line: 3, module: '/x' }),
    )
  }
  stack = builder.stack(
    stack,
    builder.frame({ name: '[x]', kind: 'unknown', reason: 'no symbols', module: '/x' }),
  )
  builder.add(stack, builder.column('cpu-clock', 'nanoseconds'), 1e15)
  builder.add(stack, builder.column('cpu-clock', 'samples'), 3)
  builder.add(stack, builder.column('alloc', 'bytes'), -5)
  builder.add(stack, builder.column('cycles', 'count'), 2 ** 53 - 1)
  const profile = builder.build()
  expect(said(await read(printPprof(profile)))).toEqual(said(profile))
})

test('the default sample type is the first column; without one it is the last', async () => {
  const heap = await read(fixture('pprof/go1.26/heap.pb.gz'))
  expect(heap.columns.map(({ event, unit }) => `${event}/${unit}`)).toEqual([
    'alloc_space/bytes',
    'alloc_objects/count',
    'inuse_objects/count',
    'inuse_space/bytes',
  ])
  const cpu = await read(fixture('pprof/go1.26/cpu.pb.gz'))
  expect(cpu.columns.map(({ event, unit }) => `${event}/${unit}`)).toEqual([
    'cpu/nanoseconds',
    'samples/samples',
  ])
})

/** A profile by hand: `fields` writes into the outermost message. */
function message(fields: (writer: WireWriter) => void): Buffer {
  const writer = new WireWriter()
  fields(writer)
  return Buffer.from(writer.bytes())
}

const strings = ['', 'wall', 'milliseconds', 'outer', 'inner', '/srv/shop', 'key']

function handMade(sample: (writer: WireWriter) => void, name = 'outer'): Buffer {
  return message(out => {
    out.data(
      1,
      message(type => {
        type.number(1, 1)
        type.number(2, 2)
      }),
    )
    out.number(99, 5) // a field of the future
    out.data(2, message(sample))
    out.data(
      3,
      message(mapping => {
        mapping.number(1, 9)
        mapping.number(2, 0x1000)
        mapping.number(5, 5)
      }),
    )
    out.data(
      4,
      message(location => {
        location.number(1, 1)
        location.number(2, 9)
        for (const id of [2, 1])
          location.data(
            4,
            message(line => {
              line.number(1, id)
              line.number(2, 70)
            }),
          )
      }),
    )
    out.data(
      4,
      message(location => {
        location.number(1, 2)
        location.number(2, 9)
        location.number(3, 0x1234)
      }),
    )
    for (const id of [1, 2]) {
      out.data(
        5,
        message(entry => {
          entry.number(1, id)
          entry.number(2, id + 2)
          entry.number(5, id * 10)
        }),
      )
    }
    for (const text of strings) out.text(6, text === 'outer' ? name : text)
  })
}

const sampleOf = (locations: number[], values: number[]) => (sample: WireWriter) => {
  sample.packed(1, locations)
  sample.packed(2, values)
}

test('the lines of a location are inlined calls, the outermost last', async () => {
  const profile = await read(handMade(sampleOf([2, 1], [3])))
  expect(profile.frames).toEqual([
    { name: 'outer', kind: 'native', module: '/srv/shop', line: 10 },
    { name: 'inner', kind: 'inlined', module: '/srv/shop', line: 20 },
    { name: 'shop+0x234', kind: 'unknown', module: '/srv/shop', reason: 'unnamed by the tool' },
  ])
  expect(profile.columns[0]).toMatchObject({ event: 'wall', unit: 'nanoseconds' })
  expect(folded(profile)).toBe('outer;inner_[i];shop+0x234 3000000\n')
})

test('numbers need not be packed, and labels are left out but counted', async () => {
  const profile = await read(
    handMade(sample => {
      sample.number(1, 2)
      sample.number(1, 1)
      sample.number(2, 3)
      sample.data(
        3,
        message(label => label.number(1, 6)),
      )
    }),
  )
  expect(folded(profile)).toBe('outer;inner_[i];shop+0x234 3000000\n')
  expect(profile.notes).toEqual(['1 samples of the pprof profile have labels, which are left out.'])
})

test('a sample of a location that is not there keeps its weight', async () => {
  expect(folded(await read(handMade(sampleOf([7, 1], [1]))))).toBe(
    'outer;inner_[i];[unknown] 1000000\n',
  )
  expect(folded(await read(handMade(sampleOf([], [1]))))).toBe('[no stack] 1000000\n')
})

test('a sample with too few values is malformed', async () => {
  await expect(read(handMade(sampleOf([1], [])))).rejects.toMatchObject({
    code: 'SP_PPROF_MALFORMED',
  })
})

test.for(hostileNames)('a function is a name like any other (%$)', async name => {
  const profile = await read(handMade(sampleOf([1], [1]), name))
  expect(profile.frames[0]!.name).toBe(name)
  expect(said(await read(printPprof(profile)))).toEqual(said(profile))
})

describe('hostile input', () => {
  test('a cut profile is malformed wherever it is cut, or reads as what came before', async () => {
    const whole = gunzipSync(fixture('pprof/go1.26/heap.pb.gz'))
    for (let length = 0; length < whole.length; length += 7) {
      await read(whole.subarray(0, length)).then(
        profile => expect(profile.columns.length).toBeGreaterThan(0),
        error => expect(error).toMatchObject({ code: 'SP_PPROF_MALFORMED' }),
      )
    }
  })

  test('a cut gzip stream is malformed', async () => {
    const whole = fixture('pprof/go1.26/cpu.pb.gz')
    await expect(read(whole.subarray(0, whole.length / 2))).rejects.toMatchObject({
      code: 'SP_PPROF_MALFORMED',
    })
  })

  test('a gzip stream that inflates without end is refused', async () => {
    const bomb = gzipSync(Buffer.alloc(300 * 1024 * 1024))
    await expect(read(bomb)).rejects.toMatchObject({ code: 'SP_LIMIT' })
  })

  test('a field longer than its message is malformed', async () => {
    await expect(read(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f]))).rejects.toMatchObject({
      code: 'SP_PPROF_MALFORMED',
    })
  })
})

test('is found by the fields that it steps through, whatever their order', () => {
  expect(detectPprof(handMade(sampleOf([1], [1])))).toBe(true)
  expect(detectPprof(gunzipSync(fixture('pprof/go1.26/cpu.pb.gz')).subarray(0, 4096))).toBe(true)
  expect(detectPprof(Buffer.from('\nmain;foo 1\n'))).toBe(false)
  expect(detectPprof(Buffer.from('PERFILE2'))).toBe(false)
  expect(detectPprof(Buffer.from('{"nodes":[]}'))).toBe(false)
  expect(detectPprof(Buffer.alloc(0))).toBe(undefined)
})

const go = ['/usr/local/go/bin/go', '/usr/bin/go'].find(file => fs.existsSync(file))

test.skipIf(go === undefined)('go tool pprof shows what was printed', () => {
  const profile = stacks(`
    shop;main;parse        30 64
    shop;main;read_[k]     10 128
    shop;main;fast_[i]     5
  `)
  const file = path.join(temporaryFolder(), 'shop.pb.gz')
  fs.writeFileSync(file, printPprof(profile, { durationNanos: 1e9, timeNanos: 1e18 }))
  const top = (...args: string[]) =>
    execFileSync(go!, ['tool', 'pprof', '-top', ...args, file], { encoding: 'utf8', stdio: 'pipe' })
  expect(top()).toMatch(/^Type: samples$/m)
  expect(top()).toMatch(/^ +30 +66\.67% +66\.67% +30 +66\.67% +parse$/m)
  expect(top()).toMatch(/fast \(inline\)$/m)
  expect(top('-sample_index=allocated')).toMatch(/^ +128B +66\.67% .* read$/m)
})
