// Recordings of switches, written by hand: each is the life of a few threads.

import { describe, expect, test } from 'vitest'
import { perfDataReader } from '../../agent/profile/perf-data.ts'
import { ProfileBuilder } from '../../agent/profile/profile.ts'
import { arrangeWaiting, type WaitingMode } from '../../agent/profile/waiting.ts'
import { fixture, reading, stacksOf } from './perf-reading.ts'
import {
  type AttrFields,
  bit,
  comm,
  event,
  exit,
  fork,
  header,
  noise,
  record,
  type SampleFields,
  u32,
  u64,
  usual,
} from './perf-writer.ts'

/** Every switch, as `-e context-switches -c 1 --switch-events` asks for them. */
const everySwitch: AttrFields = { ...usual, config: 3, freq: false, period: 1, switches: true }

function trailer(tid: number, time: number): Buffer {
  return Buffer.concat([u32(10, tid), u64(time)])
}

const out = (tid: number, time: number) => record(14, 1 << 13, trailer(tid, time))
const preempted = (tid: number, time: number) =>
  record(14, (1 << 13) | (1 << 14), trailer(tid, time))
const into = (tid: number, time: number) => record(14, 0, trailer(tid, time))

function leaves(tid: number, time: number, ip = 0x1000, fields: SampleFields = {}): Buffer {
  const chain = [-512n, ip]
  const body = [u64(ip), u32(10, tid), u64(time, 1, chain.length), u64(...chain)]
  return record(9, fields.misc ?? 2, ...body)
}

const name = (tid: number, text: string) => comm(10, tid, text)

async function waits(
  records: readonly Buffer[],
  mode: WaitingMode = 'off-cpu',
  attr = everySwitch,
) {
  const { profile, summary } = await reading(Buffer.concat([header, event(attr), ...records]))
  const arranged = arrangeWaiting(profile, mode)
  return { stacks: stacksOf(arranged), profile: arranged, waiting: summary.waiting! }
}

describe('a wait', () => {
  test('lasts from the switch out to the switch in, at the stack of the sample before', async () => {
    const { stacks, waiting } = await waits([
      name(10, 'a'),
      into(10, 1000),
      leaves(10, 1490),
      out(10, 1500),
      into(10, 2300),
      out(10, 2300),
    ])
    expect(stacks).toEqual(['[off-CPU];a;[unmapped] 800'])
    expect(waiting).toMatchObject({ onNs: 500, blockedNs: 800, windowNs: 1300, livedNs: 1300 })
  })

  test('of a thread that could run on is one for a core', async () => {
    const { stacks, waiting } = await waits([
      name(10, 'a'),
      into(10, 1000),
      leaves(10, 1400),
      preempted(10, 1400),
      into(10, 1700),
    ])
    expect(stacks).toEqual(['[preempted];a;[unmapped] 300'])
    expect(waiting).toMatchObject({ preemptedNs: 300, blockedNs: 0 })
  })

  test('that began before has no stack, and counts from the start', async () => {
    const { stacks, waiting } = await waits([
      name(10, 'a'),
      name(11, 'b'),
      into(10, 1000),
      into(11, 1900),
      leaves(10, 2000),
      out(10, 2000),
      into(10, 2000),
    ])
    expect(stacks).toEqual(['[blocked before the start];b 900'])
    expect(waiting).toMatchObject({ threads: 2, neverRan: 0, onNs: 1100, beforeNs: 900 })
  })

  test('that has not ended is counted to the end, and said', async () => {
    const { stacks, waiting, profile } = await waits([
      name(10, 'a'),
      name(11, 'b'),
      into(10, 1000),
      leaves(10, 1200),
      out(10, 1200),
      into(11, 1200),
      out(11, 3000),
    ])
    expect(stacks).toEqual(['[blocked before the start];b 200', '[off-CPU];a;[unmapped] 1800'])
    expect(waiting.stillBlocked).toBe(2)
    expect(profile.notes.join()).toContain('2 threads had not come back at the end')
  })

  test('of a thread that never ran is the whole window', async () => {
    const { stacks, waiting } = await waits([
      name(10, 'a'),
      name(11, 'sleeper'),
      into(10, 1000),
      leaves(10, 3000),
      out(10, 3000),
    ])
    expect(stacks).toEqual(['[blocked before the start];sleeper 2000'])
    expect(waiting).toMatchObject({ neverRan: 1, threads: 2, livedNs: 4000 })
  })

  test('of a new thread is for a core until it runs, and ends with the thread', async () => {
    const { stacks, waiting } = await waits([
      name(10, 'a'),
      into(10, 1000),
      fork(10, 10, 1100, 11),
      into(11, 1400),
      exit(10, 11, 1600),
      out(11, 1650),
      leaves(10, 2000),
      out(10, 2000),
    ])
    expect(stacks).toEqual(['[preempted];a;[stack not taken] 300'])
    expect(waiting).toMatchObject({
      threads: 2,
      livedNs: 1000 + 500,
      onNs: 1000 + 200,
      unpaired: 0,
    })
  })

  test('whose other half is lost is nobody’s, and counted', async () => {
    const { stacks, waiting } = await waits([
      name(10, 'a'),
      into(10, 1000),
      leaves(10, 1100),
      out(10, 1100),
      leaves(10, 1900),
      out(10, 1900),
      into(10, 2000),
    ])
    expect(stacks).toEqual(['[off-CPU];a;[unmapped] 100'])
    expect(waiting).toMatchObject({ unpaired: 1, onNs: 100, livedNs: 1000 })
  })

  test('whose sample is lost has no stack but its time', async () => {
    const { stacks } = await waits([name(10, 'a'), into(10, 1000), out(10, 1100), into(10, 1700)])
    expect(stacks).toEqual(['[off-CPU];a;[stack not taken] 600'])
  })
})

test('with one stack in many, the time of the others goes to the next one of that thread and kind', async () => {
  const { stacks, waiting, profile } = await waits(
    [
      name(10, 'a'),
      into(10, 0 + 1000),
      out(10, 1000),
      into(10, 1100),
      preempted(10, 1100),
      into(10, 1110),
      leaves(10, 1110),
      out(10, 1110),
      into(10, 1160),
      out(10, 1160),
      into(10, 1167),
    ],
    'off-cpu',
    { ...everySwitch, period: 7 },
  )
  expect(stacks).toEqual([
    '[off-CPU];a;[stack not taken] 7',
    '[off-CPU];a;[unmapped] 150',
    '[preempted];a;[stack not taken] 10',
  ])
  expect(waiting.period).toBe(7)
  expect(profile.notes.join()).toContain('Of 7 stacks one was taken')
})

describe('with the CPU sampled too', () => {
  const both = { sampleType: usual.sampleType | bit.identifier }
  const clock = event({ ...usual, ...both, switches: true }, 1)
  const switches = event({ ...everySwitch, ...both, switches: false }, 2)
  const end = (tid: number, time: number, id: number) =>
    Buffer.concat([u32(10, tid), u64(time, id)])
  const sampleOf = (id: number, tid: number, time: number, period: number, ip: number) =>
    record(9, 2, u64(id, ip), u32(10, tid), u64(time, period, 2), u64(-512n, ip))
  const named = (tid: number, text: string) =>
    record(3, 0, u32(10, tid), Buffer.from(`${text}\0\0\0\0\0\0\0\0`.slice(0, 8)), end(0, 0, 0))
  const records = [
    named(10, 'a'),
    named(11, 'alone'),
    named(12, 'asleep'),
    record(14, 0, end(10, 1000, 1)),
    sampleOf(1, 10, 1200, 400, 0x10),
    sampleOf(1, 11, 1300, 500, 0x20),
    sampleOf(2, 10, 1500, 1, 0x30),
    record(14, 1 << 13, end(10, 1500, 1)),
    record(14, 0, end(10, 2000, 1)),
  ]
  const read = async (mode?: WaitingMode, order = [clock, switches]) => {
    const { profile, summary } = await reading(Buffer.concat([header, ...order, ...records]))
    return { profile: arrangeWaiting(profile, mode), waiting: summary.waiting! }
  }

  test('a thread alone on its core, which is never switched, is no sleeper', async () => {
    const { profile, waiting } = await read('both')
    expect(stacksOf(profile)).toEqual([
      '[blocked before the start];asleep 1000',
      '[off-CPU];a;[unmapped] 500',
      '[on-CPU];a;[unmapped] 400',
      '[on-CPU];alone;[unmapped] 500',
    ])
    expect(waiting).toMatchObject({ neverRan: 1, onNs: 1500, livedNs: 3000 })
  })

  test('the two halves are columns of one picture', async () => {
    const { profile } = await read()
    expect(profile.columns.map(({ event, unit }) => [event, unit])).toEqual([
      ['wall', 'nanoseconds'],
      ['on-cpu', 'nanoseconds'],
      ['off-cpu', 'nanoseconds'],
    ])
    expect(stacksOf(profile, 1)).toHaveLength(2)
    expect(stacksOf(profile, 2)).toHaveLength(2)
  })

  test('wall is the same time without the split', async () => {
    const { profile } = await read('wall')
    expect(stacksOf(profile)).toEqual([
      'a;[unmapped] 900',
      'alone;[unmapped] 500',
      'asleep;[blocked before the start] 1000',
    ])
  })

  test('the order of the events does not matter', async () => {
    const { profile } = await read('both', [switches, clock])
    expect(stacksOf(profile)).toHaveLength(4)
  })
})

test('a recording that holds nothing but a sleeping thread is its whole window', async () => {
  const { profile } = await reading(Buffer.concat([header, event(everySwitch), name(10, 'a')]))
  expect(arrangeWaiting(profile)).toBe(profile)
})

/** Time between OUT and IN of one thread, from what perf prints: summed by hand, by whether it was preempted. */
function sumByHand(text: string): { blocked: number; preempted: number } {
  const sums = { blocked: 0, preempted: 0 }
  let left: { kind: keyof typeof sums; time: bigint } | undefined
  for (const line of text.split('\n')) {
    const found = / (\d+)\.(\d{9}): PERF_RECORD_SWITCH (IN|OUT)( preempt)?/.exec(line)
    if (found === null) continue
    const time = BigInt(found[1]! + found[2]!)
    if (found[3] === 'OUT') left = { kind: found[4] ? 'preempted' : 'blocked', time }
    else if (left !== undefined) sums[left.kind] += Number(time - left.time)
  }
  return sums
}

describe('a real recording', () => {
  const weightUnder = (lines: readonly string[], root: string) =>
    lines
      .filter(line => line.startsWith(`${root};`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)

  test('comes to the times that perf prints, to the nanosecond', async () => {
    const { profile, summary } = await reading(fixture('switches.data'))
    const lines = stacksOf(arrangeWaiting(profile))
    const byHand = sumByHand(fixture('switches.txt').toString())
    // A last wait that had not ended is counted to the last record, which is its own.
    expect(weightUnder(lines, '[off-CPU]')).toBe(byHand.blocked)
    expect(weightUnder(lines, '[preempted]')).toBe(byHand.preempted)
    const { windowNs, livedNs, onNs, blockedNs, preemptedNs, beforeNs } = summary.waiting!
    expect(livedNs).toBe(2 * windowNs)
    expect(onNs + blockedNs + preemptedNs + beforeNs).toBe(livedNs)
    expect(lines).toContain(`[blocked before the start];forever ${windowNs}`)
  })

  test('that is cut or damaged anywhere gives a picture or a clear error', async () => {
    const good = fixture('switches.data')
    const random = noise(20_261_125)
    for (let round = 0; round < 150; round++) {
      const bytes = Buffer.from(
        good.subarray(0, round % 3 === 0 ? random(good.length) : good.length),
      )
      for (let count = random(12); count > 0 && bytes.length > 200; count--) {
        bytes[200 + random(bytes.length - 200)] = random(256)
      }
      try {
        const { profile } = await reading(bytes)
        for (const { self } of arrangeWaiting(profile).columns) {
          expect(self.every(weight => weight >= 0)).toBe(true)
        }
      } catch (error) {
        expect(error).toMatchObject({ code: 'SP_PERF_DATA_MALFORMED' })
      }
    }
  })
})

test('a look while it is recorded closes the waits that go on, and leaves them open', async () => {
  const records = [
    name(10, 'a'),
    into(10, 1000),
    leaves(10, 1490),
    out(10, 1500),
    record(68, 0, Buffer.alloc(0)),
    into(10, 2300),
    leaves(10, 2800),
    preempted(10, 2900),
    record(68, 0, Buffer.alloc(0)),
    into(10, 4000),
  ]
  const builder = new ProfileBuilder()
  const reader = perfDataReader(builder)
  reader.push(Buffer.concat([header, event(everySwitch)]))
  const looks = records.map(record => {
    reader.push(record)
    return reader.snapshot()!
  })
  const summary = reader.end()
  const expected = await reading(Buffer.concat([header, event(everySwitch), ...records]))
  expect(summary).toEqual(expected.summary)
  expect(stacksOf(builder.build())).toEqual(stacksOf(expected.profile))
  // Of the rounds that have had their time: it left at 1500 and has not come back.
  const { waiting } = looks.at(-1)!.summary
  expect(waiting).toMatchObject({ stillBlocked: 1, switches: 1, threads: 1 })
})
