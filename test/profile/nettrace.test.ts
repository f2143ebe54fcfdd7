import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ProfilerError } from '../../agent/errors.ts'
import { weightOf } from '../../agent/profile/call-tree.ts'
import {
  detectNettrace,
  type NettraceOptions,
  type NettraceSummary,
  nettraceReader,
  readNettrace,
} from '../../agent/profile/nettrace.ts'
import { type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { expectGolden, fixture, fixturesIn } from '../goldens.ts'
import { damaged, random } from '../random.ts'
import { folded } from '../stacks.ts'
import { block, sampleEvents, stream, uint32 } from './nettrace-writer.ts'

function bytesOf(name: string): Buffer {
  const bytes = fixture(`nettrace/${name}`)
  return name.endsWith('.gz') ? gunzipSync(bytes) : bytes
}

async function read(
  bytes: Uint8Array,
  options: NettraceOptions = {},
): Promise<{ profile: Profile; summary: NettraceSummary }> {
  const builder = new ProfileBuilder()
  const summary = await readNettrace([bytes], builder, options)
  return { profile: builder.build(), summary }
}

const recordings = [...fixturesIn('nettrace/3.1'), ...fixturesIn('nettrace/8.0')].map(name =>
  name.replace('nettrace/', ''),
)
const samples = recordings.filter(name => !name.includes('rundown'))

test.for(recordings)('%s folds as its golden says', async name => {
  const { profile, summary } = await read(bytesOf(name))
  expectGolden(`nettrace/${name}.folded.golden`, folded(profile))
  expect(summary).toMatchObject({
    isTruncated: false,
    brokenAt: undefined,
    hasRundown: true,
    errorSamples: 0,
    samplesWithoutStack: 0,
    lostSamples: 0,
    lostEvents: 0,
    cutStacks: 0,
    damagedBlocks: 0,
    unknownObjects: 0,
    processors: 2,
  })
})

/** The share of the stacks that hold a frame of this name. */
function share(text: string, name: string): number {
  let [total, matching] = [0, 0]
  for (const line of text.trim().split('\n')) {
    const at = line.lastIndexOf(' ')
    const weight = Number(line.slice(at + 1))
    total += weight
    if (line.slice(0, at).split(';').includes(name)) matching += weight
  }
  return matching / total
}

test.for(samples.filter(name => name.includes('shares')))(
  '%s has the shares that the program has',
  async name => {
    const { profile } = await read(bytesOf(name))
    const text = folded(profile)
    expect(share(text, 'Shop.Program.Parse()_[j]')).toBeGreaterThan(0.7 * 0.9)
    expect(share(text, 'Shop.Program.Parse()_[j]')).toBeLessThan(0.7 * 1.1)
    expect(share(text, 'Shop.Program.Encode()_[j]')).toBeGreaterThan(0.3 * 0.9)
    expect(share(text, 'Shop.Program.Encode()_[j]')).toBeLessThan(0.3 * 1.1)
  },
)

test.for(samples)('%s tells its rate, which is the runtime’s', async name => {
  const { summary } = await read(bytesOf(name))
  expect(summary.hertz).toBeGreaterThan(300)
  expect(summary.hertz).toBeLessThan(1000)
  expect(summary.intervalNs! * summary.hertz!).toBeCloseTo(1e9)
  expect(summary.lastSampleNs! - summary.firstSampleNs!).toBeGreaterThan(0.9e9)
})

describe('modes', () => {
  const bytes = bytesOf('8.0/shares.nettrace.gz')

  test('on-CPU leaves out who waits, and says so', async () => {
    const { profile, summary } = await read(bytes)
    expect(profile.columns.map(({ event, unit }) => [event, unit])).toEqual([['cpu', 'samples']])
    expect(weightOf(profile)).toBe(summary.managedSamples)
    expect(folded(profile)).not.toContain('WaitForWork')
    expect(profile.notes).toEqual([
      `${summary.externalSamples} of ${summary.managedSamples + summary.externalSamples} samples are of threads that waited or ran native code, which the runtime does not tell apart: they are left out.`,
    ])
  })

  test('wall-clock has all, with a leaf for what is not known', async () => {
    const { profile, summary } = await read(bytes, { mode: 'wall' })
    expect(profile.columns[0]!.event).toBe('wall')
    expect(weightOf(profile)).toBe(summary.managedSamples + summary.externalSamples)
    const text = folded(profile)
    expect(share(text, 'Shop.Program.WaitForWork()_[j]')).toBeCloseTo(0.5, 1)
    for (const line of text.split('\n').filter(line => line.includes('WaitForWork'))) {
      expect(line).toContain(';[native or waiting] ')
    }
    expect(profile.notes).toEqual([])
  })

  test('threads stand apart when they are asked for, with the names that were given', async () => {
    const { profile } = await read(bytes, { mode: 'wall', threads: true })
    const threads = profile.frames.filter(({ kind }) => kind === 'thread')
    expect(threads.length).toBeGreaterThan(1)
    const id = Number(/^thread \((\d+)\)$/.exec(threads[0]!.name)![1])
    const named = await read(bytes, { threads: true, threadNames: new Map([[id, 'main']]) })
    expect(named.profile.frames.map(({ name }) => name)).toContain(`thread (${id}): main`)
  })
})

test('a method has the path of its assembly', async () => {
  const { profile } = await read(bytesOf('8.0/shares.nettrace.gz'))
  expect(profile.frames.find(({ name }) => name === 'Shop.Program.Parse()')).toEqual({
    name: 'Shop.Program.Parse()',
    kind: 'jit',
    module: '/srv/shop/shares.dll',
  })
})

test.for(['3.1/names.nettrace.gz', '8.0/names.nettrace.gz'])(
  '%s names what had the memory at the time, not what has it later',
  async name => {
    const { profile } = await read(bytesOf(name))
    const made = [...folded(profile).matchAll(/dynamicClass\.made_(\d+)\(ulong\)_\[j\] (\d+)/g)]
    // Each has run for some ms, one after the other, and no number is left out.
    const numbers = made.map(([, number]) => Number(number)).sort((a, b) => a - b)
    expect(numbers.length).toBeGreaterThan(10)
    expect(numbers.at(-1)! - numbers[0]!).toBe(numbers.length - 1)
    expect(Math.max(...made.map(([, , weight]) => Number(weight)))).toBeLessThan(60)
  },
)

test.for(recordings)('%s is read the same byte by byte', async name => {
  const whole = bytesOf(name)
  const builder = new ProfileBuilder()
  const reader = nettraceReader(builder)
  for (let at = 0; at < whole.length; at++) reader.push(whole.subarray(at, at + 1))
  const { profile, summary } = await read(whole)
  expect(reader.end()).toEqual(summary)
  expect(builder.build()).toEqual(profile)
})

describe('a trace that is cut off', () => {
  const whole = bytesOf('3.1/shares.nettrace')

  test('before its rundown has samples without names, and says so', async () => {
    // The rundown is the last two thirds of so short a recording.
    const { profile, summary } = await read(whole.subarray(0, 10_000))
    expect(summary).toMatchObject({ isTruncated: true, hasRundown: false, brokenAt: undefined })
    expect(weightOf(profile)).toBeGreaterThan(50)
    expect(profile.notes).toContain('The trace is cut off: what came after is missing.')
    expect(profile.notes).toContain(
      'The trace has no rundown: methods that were compiled before it began have no names.',
    )
    expect(profile.frames.every(({ kind }) => kind === 'unknown')).toBe(true)
  })

  test('within its rundown keeps every sample', async () => {
    const { summary: all } = await read(whole)
    const { summary } = await read(whole.subarray(0, -1000))
    expect(summary.isTruncated).toBe(true)
    expect(summary.managedSamples).toBe(all.managedSamples)
  })

  test('before it has said what it is, is refused', async () => {
    for (const length of [0, 7, 8, 31, 32, 60, 90]) {
      await expect(read(whole.subarray(0, length))).rejects.toMatchObject({
        code: 'SP_NETTRACE_MALFORMED',
      })
    }
  })

  test('anywhere is no error after that', async () => {
    for (let length = 120; length < whole.length; length += 997) {
      const { summary } = await read(whole.subarray(0, length))
      expect(summary.isTruncated).toBe(true)
    }
  })
})

describe('what is made by hand', () => {
  const stacks = block(
    'StackBlock',
    uint32(1, 2),
    uint32(8),
    ip(0x1005),
    uint32(16),
    ip(0x2001),
    ip(0x1010),
  )

  test('a sample takes the stack of its id, and ids begin anew at a sequence point', async () => {
    const point = block('SPBlock', uint32(0, 0, 0))
    const again = block('StackBlock', uint32(1, 1), uint32(8), ip(0x9000))
    const { profile, summary } = await read(
      stream(
        ...sampleEvents([{ stack: 1 }, { stack: 2 }], stacks),
        point,
        ...sampleEvents([{ stack: 2 }], again),
      ),
    )
    expect(folded(profile)).toBe('[unknown] 1\n[unknown];[unknown] 1\n')
    expect(summary.samplesWithoutStack).toBe(1)
    expect([...profile.loss]).toEqual([['without a stack', 1]])
  })

  test('a sample that the runtime could not walk is counted as lost', async () => {
    const { profile } = await read(stream(...sampleEvents([{ stack: 1, type: 0 }], stacks)))
    expect([...profile.loss]).toEqual([['whose stack the runtime could not walk', 1]])
  })

  test('a gap in the numbers of the sampling thread is samples lost', async () => {
    const events = [{ stack: 1 }, { stack: 1, skipped: 4 }]
    const { profile, summary } = await read(stream(...sampleEvents(events, stacks)))
    expect(summary.lostSamples).toBe(4)
    expect([...profile.loss]).toEqual([['for which the runtime had no room', 4]])
  })

  test('a sequence point that knows of later events tells of a loss too', async () => {
    const thread = Buffer.alloc(12)
    thread.writeBigUInt64LE(7n)
    thread.writeUInt32LE(9, 8)
    const point = block('SPBlock', uint32(0, 0, 1), thread)
    const { summary } = await read(stream(...sampleEvents([{ stack: 1 }], stacks), point))
    expect(summary.lostSamples).toBe(8)
  })

  test('a stack of 100 frames is said to be cut', async () => {
    const deep = (frames: number) =>
      block('StackBlock', uint32(1, 1), uint32(8 * frames), ...Array(frames).fill(ip(5)))
    const { profile, summary } = await read(stream(...sampleEvents([{ stack: 1 }], deep(100))))
    expect(summary.cutStacks).toBe(1)
    expect(profile.notes[0]).toContain('1 stacks are as deep as the runtime walks (100 frames)')
    const whole = await read(stream(...sampleEvents([{ stack: 1 }], deep(99))))
    expect(whole.summary.cutStacks).toBe(0)
    // No runtime walks thousands of frames.
    const damaged = await read(stream(...sampleEvents([{ stack: 1 }], deep(5000))))
    expect(damaged.summary).toMatchObject({ damagedBlocks: 1, samplesWithoutStack: 1 })
  })

  test('a version of the format that is not known is refused by its number', async () => {
    await expect(read(stream().fill(6, 39, 40))).rejects.toMatchObject({
      code: 'SP_NETTRACE_MALFORMED',
      message: expect.stringContaining('version 6'),
    })
    const six = Buffer.concat([Buffer.from('Nettrace'), uint32(0, 6, 0), Buffer.alloc(20)])
    await expect(read(six)).rejects.toMatchObject({ message: expect.stringContaining('version 6') })
  })

  test('an object of a kind that is not known is skipped', async () => {
    const { summary } = await read(stream(block('FutureBlock', Buffer.alloc(5)), stacks))
    expect(summary).toMatchObject({ unknownObjects: 1, isTruncated: false })
  })

  test('a block that claims gigabytes ends the trace, and says where', async () => {
    const huge = { ...block('EventBlock', Buffer.alloc(8)), size: 0xffff_fff0 }
    const { profile, summary } = await read(stream(huge))
    const at = stream().length - 1
    expect(summary.brokenAt).toBe(at)
    expect(profile.notes[0]).toBe(`The trace is damaged at byte ${at}: what came after is missing.`)
  })

  test.for([
    ['void  (class System.String,int32&)', 'A.B.m(string,int&)'],
    [
      'instance class System.Threading.Tasks.Task`1<!0>  (!!0[],value class A.B+C)',
      'A.B.m(!!0[],C)',
    ],
    ['void  (unsigned int8*,class System.Func`2<int64,wchar>)', 'A.B.m(byte*,Func<long,char>)'],
    ['instance void  ()', 'A.B.m()'],
    ['', 'A.B.m'],
    ['nonsense', 'A.B.m'],
    [`void  (${'class A.Long,'.repeat(500)}int32)`, /^A\.B\.m\((?:Long,)+.{0,20}…\)$/],
    ['void  (class Größe.Naïve)', 'A.B.m(Naïve)'],
  ] as const)('the signature %s is written %s', async ([signature, name]) => {
    const { profile } = await read(stream(...sampleEvents([{ stack: 1 }], stacks, signature)))
    if (typeof name === 'string') expect(profile.frames[0]!.name).toBe(name)
    else expect(profile.frames[0]!.name).toMatch(name)
  })

  function ip(avma: number): Buffer {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64LE(BigInt(avma))
    return bytes
  }
})

test('is told by its first eight bytes', () => {
  expect(detectNettrace(Buffer.from('Nettrace\x14'))).toBe(true)
  expect(detectNettrace(Buffer.from('Nettr'))).toBe(undefined)
  expect(detectNettrace(Buffer.from('Netwrong'))).toBe(false)
})

test.for(recordings)(
  '%s damaged is an error with a code, or a profile that adds up',
  async name => {
    const whole = bytesOf(name).subarray(0, 90_000)
    const numbers = random(144)
    for (let round = 0; round < 150; round++) {
      const builder = new ProfileBuilder()
      let summary: NettraceSummary
      try {
        summary = await readNettrace([damaged(whole, numbers)], builder, {
          mode: 'wall',
          threads: true,
        })
      } catch (error) {
        expect(error).toBeInstanceOf(ProfilerError)
        continue
      }
      const profile = builder.build()
      const used = summary.managedSamples + summary.externalSamples - summary.samplesWithoutStack
      expect(weightOf(profile)).toBe(used)
      for (const frame of profile.frames) expect(frame.name).not.toBe('')
      for (let node = 0; node < profile.stacks.length; node++) {
        expect(profile.stacks.caller[node]!).toBeLessThan(node)
      }
    }
  },
)

test('bytes at random behind a good beginning are read in no time', async () => {
  const numbers = random(7)
  const noise = Buffer.from(Array.from({ length: 300_000 }, () => numbers.integer(256)))
  for (const name of ['EventBlock', 'MetadataBlock', 'StackBlock', 'SPBlock']) {
    for (let round = 0; round < 20; round++) {
      const start = numbers.integer(noise.length - 5000)
      // A good header half of the time, so that what is behind it is reached.
      const header = Buffer.from([20, 0, round & 1, 0, ...Array(16).fill(0)])
      const body = noise.subarray(start, start + 5000)
      const { profile } = await read(
        stream(block(name, round & 2 ? header : Buffer.alloc(0), body)),
      )
      expect(weightOf(profile)).toBe(0)
    }
  }
})

test.for(samples)('a look at %s while it is read changes nothing of it', async name => {
  const bytes = bytesOf(name)
  const builder = new ProfileBuilder()
  const reader = nettraceReader(builder)
  let seen = 0
  for (let at = 0; at < bytes.length; at += 100_000) {
    reader.push(bytes.subarray(at, at + 100_000))
    if (at > 0) seen = weightOf(reader.snapshot().profile)
  }
  const summary = reader.end()
  const expected = await read(bytes)
  expect(summary).toEqual(expected.summary)
  expect(folded(builder.build())).toBe(folded(expected.profile))
  expect(seen).toBeLessThanOrEqual(weightOf(expected.profile))
})
