import { expect, test } from 'vitest'
import { printed, reading } from './perf-reading.ts'
import { event, mmap2, pipe, record, sample, u16, u32, u64, usual } from './perf-writer.ts'

const trailer = (time: number) => Buffer.concat([u32(0, 0), u64(time)])

test('LOST records and perf’s sum of them are not added', async () => {
  const lost = (count: number) => record(2, 0, u64(1, count), trailer(100))
  const sum = (count: number) => record(13, 0, u64(count), trailer(0))
  expect((await reading(pipe([lost(3), lost(4), sample()]))).summary.lost).toBe(7)
  expect((await reading(pipe([lost(3), sum(9), sample()]))).summary.lost).toBe(9)
})

test('samples that the hardware dropped come on top', async () => {
  const hardware = record(13, 0, u64(5), trailer(100))
  const lost = record(2, 0, u64(1, 3), trailer(100))
  expect((await reading(pipe([lost, hardware, sample()]))).summary.lost).toBe(8)
})

test('throttling and switches are counted', async () => {
  const throttle = (type: number) => record(type, 0, u64(100, 1, 1), trailer(100))
  const { profile, summary } = await reading(
    pipe([
      throttle(5),
      throttle(6),
      throttle(5),
      record(14, 1 << 13, trailer(100)),
      record(14, 0, trailer(100)),
      record(15, 1 << 13, u32(1, 1), trailer(100)),
    ]),
  )
  expect(summary).toMatchObject({ throttles: 2, unthrottles: 1, switchesOut: 2, switchesIn: 1 })
  expect(profile.notes.join()).toMatch(/throttled the sampling 2 times/)
})

test('a rate that no kernel gives is not believed, and it is said', async () => {
  const damaged = event({ ...usual, freq: true, period: 10 ** 18 }, 7)
  const { profile, summary } = await reading(pipe([sample()], [damaged]))
  expect(summary.events[0]!.hertz).toBe(undefined)
  expect(profile.notes.join()).toMatch(/a sampling rate that no kernel gives/)
})

test('records of unknown kinds are passed over and counted, known ones are not', async () => {
  const known = [8, 11, 12, 16, 18, 19, 20, 21, 65, 69, 70, 72, 73, 74, 75, 76, 77, 79, 82, 84]
  const { profile, summary } = await reading(
    pipe([...known, 40, 200, 0].map(type => record(type, 0, u64(1, 2))).concat(sample())),
  )
  expect(summary.unknownRecords).toBe(3)
  expect(summary.samples).toBe(1)
  expect(profile.notes.join()).toMatch(/3 records are of kinds/)
})

test('records too short to be what they say are counted', async () => {
  const { summary } = await reading(
    pipe([1, 3, 4, 7, 10, 17].map(type => record(type, 0)).concat(sample())),
  )
  expect(summary.malformedRecords).toBe(6)
  expect(summary.samples).toBe(1)
})

test('an event is called as the recording calls it', async () => {
  const update = record(78, 0, u64(2, 7), Buffer.from('cycles:u\0\0\0\0\0\0\0\0'))
  const other = record(78, 0, u64(0, 7), Buffer.from('msec\0\0\0\0'))
  const strange = record(78, 0, u64(2, 99), Buffer.from('nobody\0\0'))
  const { summary } = await reading(pipe([update, other, strange, sample()], [event(usual, 7)]))
  expect(summary.events[0]!.name).toBe('cycles:u')
})

test('events of one name are one column', async () => {
  const identified = { ...usual, sampleType: usual.sampleType | 64 }
  const one = (id: number, period: number) =>
    record(9, 2, u64(0x1000), u32(10, 10), u64(100, id, period, 0))
  const { profile, summary } = await reading(
    pipe([one(1, 5), one(2, 7), one(2, 7)], [event(identified, 1), event(identified, 2)]),
  )
  expect(profile.columns.map(({ event, unit, self }) => [event, unit, self.at(-1)])).toEqual([
    ['cpu-clock', 'nanoseconds', 19],
    ['cpu-clock', 'samples', 3],
  ])
  expect(summary.events.map(({ samples }) => samples)).toEqual([1, 2])
})

test('times are exact however long the machine is up', async () => {
  const start = 2n ** 60n + 1n
  const { profile } = await reading(
    pipe([
      mmap2({ start: 0x1000, size: 0x1000, path: '/lib/a.so', inode: 1 }),
      sample({ time: start + 2n, chain: [-512n, 0x1001] }),
      sample({ time: start, chain: [-512n, 0x1002] }),
      sample({ time: start + 1n, chain: [-512n, 0x1003] }),
    ]),
  )
  // Frames are made as samples take effect: in the order of time.
  const names = profile.frames.filter(({ kind }) => kind === 'unknown').map(printed)
  expect(names).toEqual(['a.so+0x2', 'a.so+0x3', 'a.so+0x1'])
})

test('a build-id that is known by its path is believed if one file had that path', async () => {
  const buildId = (path: string, fill: number) =>
    record(
      67,
      1 << 15,
      u32(0),
      Buffer.alloc(20, fill),
      Buffer.from([8, 0, 0, 0]),
      Buffer.from(`${path}\0`),
    )
  const map = (pid: number, path: string, inode: number) =>
    mmap2({ pid, start: 0x1000, size: 0x1000, path, inode })
  const { profile } = await reading(
    pipe([
      map(10, '/lib/one.so', 1),
      map(20, '/lib/two.so', 2),
      map(30, '/lib/two.so', 3),
      ...[10, 20, 30].map(pid => sample({ pid, chain: [-512n, 0x1001] })),
      buildId('/lib/one.so', 0xab),
      buildId('/lib/two.so', 0xcd),
      buildId('/lib/none.so', 0xef),
    ]),
  )
  const ids = profile.frames.flatMap(({ address }) => (address ? [address.module.buildId] : []))
  expect(ids).toEqual(['abababababababab', undefined, undefined])
})

test('the build-id in a mapping’s record is read, of its own length', async () => {
  const record2 = record(
    10,
    (1 << 14) | 2,
    u32(10, 10),
    u64(0x1000, 0x1000, 0),
    Buffer.from([4, 0, 0, 0]),
    Buffer.from('deadbeef00000000000000000000000000000000', 'hex'),
    u32(5, 2),
    Buffer.from('/lib/a.so\0\0\0\0\0\0\0'),
    trailer(0),
  )
  const { profile } = await reading(pipe([record2, sample({ chain: [-512n, 0x1001] })]))
  expect(profile.frames.find(frame => printed(frame) === 'a.so+0x1')?.address?.module.buildId).toBe(
    'deadbeef',
  )
})

test('features that are cut off, or lie about their sizes, say nothing', async () => {
  const feature = (id: number, ...parts: Buffer[]) => record(80, 0, u64(id), ...parts)
  const { summary } = await reading(
    pipe([
      feature(5),
      feature(6, u32(0xffffffff), Buffer.from('x86_64')),
      feature(7, u32(4)),
      feature(12, u32(0xffffffff, 0)),
      feature(12, u32(1, 112)),
      feature(2, u32(0), u16(0, 3)),
      record(80, 0),
      sample(),
    ]),
  )
  expect(summary).toMatchObject({ architecture: 'x86_64', perfVersion: '', cpus: undefined })
  expect(summary.events[0]!.name).toBe('cpu-clock')
})
