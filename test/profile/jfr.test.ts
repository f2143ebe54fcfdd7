import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ProfilerError } from '../../agent/errors.ts'
import { weightOf } from '../../agent/profile/call-tree.ts'
import { detectJfr, readJfr } from '../../agent/profile/jfr.ts'
import { type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { expectGolden, fixture, fixturesIn } from '../goldens.ts'
import { damaged, random } from '../random.ts'
import { folded } from '../stacks.ts'
import { JfrWriter, type MadeChunk, type MadeType, madePools, madeTypes } from './jfr-writer.ts'

const folders = ['jdk-11', 'jdk-17', 'jdk-21', 'jdk-25', 'asprof-4.5']
const recordings = folders.flatMap(folder => fixturesIn(`jfr/${folder}`))

function bytesOf(name: string): Buffer {
  return gunzipSync(fixture(name))
}

function read(...pieces: readonly Uint8Array[]): Promise<Profile> {
  return readAll(pieces)
}

async function readAll(pieces: Iterable<Uint8Array>): Promise<Profile> {
  const builder = new ProfileBuilder()
  await readJfr(pieces, builder)
  return builder.build()
}

function* oneByOne(bytes: Uint8Array): Generator<Uint8Array> {
  for (const byte of bytes) yield Uint8Array.of(byte)
}

function refusal(bytes: Uint8Array): Promise<{ code: string; message: string }> {
  return read(bytes).then(
    () => ({ code: 'none', message: 'it was read' }),
    ({ code, message }) => ({ code, message }),
  )
}

/** The share of a column whose stacks end in this frame, or anywhere have it. */
function share(text: string, frame: string): number {
  let [total, matching] = [0, 0]
  for (const line of text.trim().split('\n')) {
    const at = line.lastIndexOf(' ')
    const weight = Number(line.slice(at + 1))
    total += weight
    if (
      line
        .slice(0, at)
        .split(';')
        .some(each => each.replace(/_\[.\]$/, '') === frame)
    ) {
      matching += weight
    }
  }
  return matching / total
}

test.for(recordings)('%s folds as its golden says', async name => {
  const profile = await read(bytesOf(name))
  expectGolden(`${name}.folded.golden`, folded(profile))
  // The JVM itself allocates one object.
  expect([...profile.loss]).toEqual(name.includes('jdk-17/alloc') ? [['without a stack', 1]] : [])
  expect(profile.frames.filter(({ kind }) => kind === 'unknown')).toEqual([])
})

test.for(recordings)('%s has the shares that the program has', async name => {
  const text = folded(await read(bytesOf(name)))
  const [long, short] = /wall/.test(name)
    ? ['Shares.sleepLong', 'Shares.sleepShort']
    : /alloc/.test(name)
      ? ['byte[]', 'char[]']
      : /lock/.test(name)
        ? ['Shares.waitLong', 'Shares.waitShort']
        : ['Shares.mix', 'Shares.mixAgain']
  const known = share(text, long!) + share(text, short!)
  expect(share(text, long!) / known).toBeGreaterThan(0.7 * 0.85)
  expect(share(text, long!) / known).toBeLessThan(0.7 * 1.15)
})

test.for<[string, string[]]>([
  ['jdk-11/cpu.jfr.gz', ['cpu samples']],
  ['jdk-25/cpu-time.jfr.gz', ['cpu-time nanoseconds', 'cpu-time samples']],
  ['jdk-17/alloc.jfr.gz', ['alloc_space bytes']],
  ['jdk-17/lock.jfr.gz', ['delay nanoseconds']],
  ['asprof-4.5/wall.jfr.gz', ['wall samples']],
])('%s has the columns of what was sampled: %s', async ([name, columns]) => {
  const profile = await read(bytesOf(`jfr/${name}`))
  expect(profile.columns.map(({ event, unit }) => `${event} ${unit}`)).toEqual(columns)
})

test.for(recordings)('%s is read the same byte by byte', async name => {
  const whole = bytesOf(name)
  expect(await readAll(oneByOne(whole))).toEqual(await read(whole))
})

test('of native frames the library is said, and no part of the name', async () => {
  const profile = await read(bytesOf('jfr/asprof-4.5/wall.jfr.gz'))
  const native = profile.frames.filter(({ kind }) => kind === 'native')
  expect(native.map(({ module }) => module)).toContain('libc.so.6')
  expect(native.filter(({ name }) => name.includes('.so'))).toEqual([])
})

describe('several chunks', () => {
  const [eleven, twentyFive] = ['jdk-11', 'jdk-25'].map(folder =>
    bytesOf(`jfr/${folder}/cpu.jfr.gz`),
  )

  test('of one recording are one profile', async () => {
    const bytes = bytesOf('jfr/jdk-17/cpu.jfr.gz')
    const second = Number(bytes.readBigInt64BE(8))
    expect(second).toBeLessThan(bytes.length)
    const parts = [bytes.subarray(0, second), bytes.subarray(second)]
    const weights = await Promise.all(parts.map(async part => weightOf(await read(part))))
    expect(Math.min(...weights)).toBeGreaterThan(50)
    expect(weightOf(await read(bytes))).toBe(weights[0]! + weights[1]!)
  })

  test('of several recordings too, whoever wrote them', async () => {
    const alone = [await read(eleven!), await read(twentyFive!)]
    const both = await read(Buffer.concat([eleven!, twentyFive!]))
    expect(weightOf(both)).toBe(weightOf(alone[0]!) + weightOf(alone[1]!))
  })

  test('of which the last is cut give what is whole, and say so', async () => {
    const profile = await read(eleven!, twentyFive!.subarray(0, -1))
    expect(folded(profile)).toBe(folded(await read(eleven!)))
    expect(profile.notes).toEqual([
      'The JFR recording is cut: its last chunk is not whole and is left out.',
    ])
  })
})

describe.each([
  ['LEB128', true],
  ['plain', false],
] as const)('with %s numbers', (_, isCompressed) => {
  const write = new JfrWriter(isCompressed)
  const pools = madePools(write)
  const sample = (stack: number): [string, Buffer] => [
    'jdk.ExecutionSample',
    write.longs(12_345_678_901, stack),
  ]
  const make = (changes: Partial<MadeChunk>) => write.chunk({ types: madeTypes, pools, ...changes })

  test('stacks stand root first', async () => {
    const profile = await read(make({ events: [sample(1), sample(1), sample(2)] }))
    expect(folded(profile)).toBe(
      '[callers cut off];com.shop.Cart.m1_[j] 1\ncom.shop.Cart.m1_[j];com.shop.Cart.m2_[j] 2\n',
    )
  })

  test('stacks that the recorder cut stand apart, and that is said', async () => {
    const { notes, loss } = await read(make({ events: [sample(1), sample(2)] }))
    expect(notes).toHaveLength(1)
    expect(notes[0]).toContain('they stand under `[callers cut off]`')
    expect([...loss]).toEqual([])
    expect((await read(make({ events: [sample(1)] }))).notes).toEqual([])
  })

  test('samples of native methods are a column of their own, and no CPU time', async () => {
    const native: [string, Buffer] = ['jdk.NativeMethodSample', write.longs(1, 1)]
    const profile = await read(make({ events: [native] }))
    expect(profile.columns.map(({ event }) => event)).toEqual(['cpu', 'native'])
    expect([weightOf(profile), weightOf(profile, 1)]).toEqual([0, 1])
    expect(profile.notes).toHaveLength(1)
  })

  test('a sample whose stack is nowhere is lost', async () => {
    const { loss } = await read(make({ events: [sample(1), sample(77)] }))
    expect([...loss]).toEqual([['without a stack', 1]])
  })

  test('a method that is nowhere is an unknown frame', async () => {
    const stack = { ...pools, 'jdk.types.StackTrace': [[1, write.stack([99, 1])]] as const }
    const profile = await read(make({ pools: stack, events: [sample(1)] }))
    expect(folded(profile)).toBe('com.shop.Cart.m1_[j];[unknown] 1\n')
    expect(profile.frames.at(0)).toMatchObject({ kind: 'unknown' })
  })

  test('CPU time is in nanoseconds, and what the JVM lost is counted', async () => {
    const cpu = (failed: number, ticks: number | bigint): [string, Buffer] => [
      'jdk.CPUTimeSample',
      Buffer.concat([write.long(1), Buffer.of(failed), write.long(ticks)]),
    ]
    const events = [cpu(0, 20), cpu(1, 20), cpu(0, -1n)]
    const lost: [string, Buffer] = ['jdk.CPUTimeSamplesLost', write.int(5)]
    const profile = await read(make({ events: [...events, lost] }))
    // A tick is a microsecond.
    expect(weightOf(profile)).toBe(20_000)
    expect([...profile.loss]).toEqual([
      ['whose stack could not be walked', 1],
      ['with an absurd weight', 1],
      ['lost by the JVM', 5],
    ])
  })

  test.for<[string, MadeType[], string]>([
    [
      'a type that holds itself',
      [{ id: 200, name: 'a', fields: [{ name: 'a', type: 'a' }] }],
      'holds itself',
    ],
    [
      'types that hold each other many times over',
      [
        { id: 200, name: 'a', fields: Array(40).fill({ name: 'b', type: 'b' }) },
        { id: 201, name: 'b', fields: Array(40).fill({ name: 'c', type: 'c' }) },
        { id: 202, name: 'c', fields: Array(40).fill({ name: 'd', type: 'int' }) },
      ],
      'more than 1000 fields',
    ],
    [
      'a field of a type that is nowhere',
      [{ id: 200, name: 'a', fields: [{ name: 'x', type: 'y' }] }],
      'lacks',
    ],
    [
      'a type that holds itself in arrays',
      [{ id: 200, name: 'a', fields: [{ name: 'a', type: 'a', isArray: true }] }],
      'nested too deeply',
    ],
    [
      'an array of nothing',
      [
        { id: 200, name: 'a', fields: [{ name: 'b', type: 'b', isArray: true }] },
        { id: 201, name: 'b' },
      ],
      'which is nothing',
    ],
  ])('%s is refused', async ([, types, words]) => {
    const nested = Buffer.concat(Array(40).fill(write.int(1)))
    const bytes = make({
      types: [...madeTypes, ...types],
      pools: { ...pools, a: [[1, nested]] },
    })
    const { code, message } = await refusal(bytes)
    expect(code).toBe('SP_JFR_MALFORMED')
    expect(message).toContain(words)
  })

  test('a method that is a class that is a method leads nowhere', async () => {
    const cyclic = {
      ...pools,
      'jdk.types.Symbol': [[1, Buffer.concat([Buffer.of(2), write.long(1)])]] as const,
      'java.lang.String': [[1, Buffer.concat([Buffer.of(2), write.long(1)])]] as const,
    }
    const profile = await read(make({ pools: cyclic, events: [sample(1)] }))
    expect(folded(profile)).toBe('[unknown];[unknown] 1\n')
  })

  test('more constants than there are bytes are refused', async () => {
    const bytes = make({ events: [sample(1)] })
    const count = bytes.indexOf(Buffer.concat([write.long(34), write.int(2)]))
    const absurd = write.int(2 ** 31 - 1)
    const broken = Buffer.concat([
      bytes.subarray(0, count),
      write.long(34),
      absurd,
      bytes.subarray(count + write.long(34).length + absurd.length),
    ])
    expect(await refusal(broken)).toMatchObject({ code: 'SP_JFR_MALFORMED' })
  })
})

describe('what is not to be believed', () => {
  const whole = bytesOf('jfr/jdk-25/cpu.jfr.gz')
  const changed = (at: number, value: bigint) => {
    const bytes = Buffer.from(whole)
    bytes.writeBigInt64BE(value, at)
    return bytes
  }

  test.for<[string, Buffer, string]>([
    ['a negative size', changed(8, -1n), 'SP_JFR_MALFORMED'],
    ['no size: it is being written', changed(8, 0n), 'SP_JFR_MALFORMED'],
    ['a size that is smaller than the header', changed(8, 67n), 'SP_JFR_MALFORMED'],
    ['a size of a terabyte', changed(8, 1n << 40n), 'SP_LIMIT'],
    ['a size that is more than there is', changed(8, 1n << 27n), 'SP_JFR_MALFORMED'],
    ['metadata outside', changed(24, 1n << 40n), 'SP_JFR_MALFORMED'],
    ['metadata before the start', changed(24, -5n), 'SP_JFR_MALFORMED'],
    ['metadata where there is none', changed(24, 68n), 'SP_JFR_MALFORMED'],
    ['another version', changed(4, 1n << 48n), 'SP_JFR_MALFORMED'],
    ['nothing but the magic', Buffer.from('FLR\0'), 'SP_JFR_MALFORMED'],
    ['nothing', Buffer.alloc(0), 'SP_JFR_MALFORMED'],
    [
      'something else behind it',
      Buffer.concat([whole, Buffer.alloc(100, 'x')]),
      'SP_JFR_MALFORMED',
    ],
  ])('%s', async ([, bytes, code]) => {
    expect(await refusal(bytes)).toMatchObject({ code })
  })

  test('a clock without ticks is one of nanoseconds', async () => {
    expect(weightOf(await read(changed(56, 0n)))).toBe(weightOf(await read(whole)))
  })

  test('a file that is cut anywhere in its first chunk is refused', async () => {
    for (let length = 4; length < whole.length; length += 997) {
      expect(await refusal(whole.subarray(0, length))).toMatchObject({ code: 'SP_JFR_MALFORMED' })
    }
  })
})

test.for(recordings)(
  '%s damaged is an error with a code, or a profile that adds up',
  async name => {
    const numbers = random(31)
    const whole = bytesOf(name)
    let refused = 0
    for (let round = 0; round < 150; round++) {
      try {
        const profile = await read(damaged(whole, numbers))
        for (const { self } of profile.columns) expect(self.every(Number.isFinite)).toBe(true)
        for (const frame of profile.frames) expect(frame.name).not.toBe('')
      } catch (error) {
        expect(error).toBeInstanceOf(ProfilerError)
        expect(['SP_JFR_MALFORMED', 'SP_LIMIT']).toContain((error as ProfilerError).code)
        refused++
      }
    }
    expect(refused).toBeGreaterThan(0)
  },
)

test('it is known by its first four bytes', () => {
  expect(detectJfr(Buffer.from('FLR\0\0\x02'))).toBe(true)
  expect(detectJfr(Buffer.from('FL'))).toBe(undefined)
  expect(detectJfr(Buffer.from('FLR;main 1'))).toBe(false)
})
