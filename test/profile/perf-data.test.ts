import { expect, test } from 'vitest'
import { ProfilerError } from '../../agent/errors.ts'
import { weightOf } from '../../agent/profile/call-tree.ts'
import { detectPerfData, perfDataReader } from '../../agent/profile/perf-data.ts'
import {
  type Frame,
  type Module,
  type Profile,
  ProfileBuilder,
} from '../../agent/profile/profile.ts'
import { fixture, folded, reading, stacksOf } from './perf-reading.ts'
import {
  comm,
  event,
  header,
  mmap2,
  noise,
  pipe,
  record,
  sample,
  u64,
  usual,
} from './perf-writer.ts'

const recordings = [
  'file',
  'pipe',
  'injected',
  'events',
  'tasks',
  'build-ids',
  'packed',
  'packed-pipe',
  'flat',
  'deep',
  'dwarf',
  'period',
] as const

test.for([
  ['file', ['cpu-clock']],
  ['pipe', ['cpu-clock']],
  ['events', ['cpu-clock', 'page-faults', 'context-switches']],
  ['tasks', ['cpu-clock']],
  ['build-ids', ['cpu-clock']],
  ['packed', ['cpu-clock']],
  ['deep', ['cpu-clock']],
  ['period', ['cpu-clock']],
] as const)(
  '%s.data has the stacks, offsets and files that perf script prints',
  async ([name, events]) => {
    const { profile } = await reading(fixture(`${name}.data`))
    const text = fixture(`${name}.txt`).toString()
    for (const event of events) {
      const expected = foldedByPerf(text, event)
      expect(expected.length).toBeGreaterThan(5)
      expect(foldedAsPerf(profile, event)).toEqual(expected)
    }
  },
)

test('a recording without call chains has one frame a sample', async () => {
  const { profile, summary } = await reading(fixture('flat.data'))
  // Here perf prints addresses in memory, which have the page's offset in common with those in the file.
  const page = (line: string) => line.replace(/([0-9a-f]{3}) \(/, '[$1] (').replace(/;.*\[/, ';[')
  const expected = fixture('flat.txt')
    .toString()
    .split('\n')
    .filter(line => line !== '')
    .map(line => /^\s*(.+?)\s+-?\d+\/-?\d+\s+[\d.]+: cpu-clock:\s+(.*)$/.exec(line)!)
    .map(match => page(`${match[1]};${frameOfPerf(match[2]!)}`))
  const samples = foldedAsPerf(profile, 'cpu-clock').flatMap(line => {
    const [, stack, count] = /^(.*) (\d+)$/.exec(line)!
    return Array.from({ length: Number(count) }, () => page(stack!))
  })
  expect(samples.sort()).toEqual(expected.sort())
  expect(samples.length).toBe(summary.samples)
})

test('the file and the pipe form of one recording make the same profile', async () => {
  const file = await reading(fixture('file.data'))
  const piped = await reading(fixture('injected.data'))
  expect(piped.profile.stacks).toEqual(file.profile.stacks)
  expect(piped.profile.columns).toEqual(file.profile.columns)
  expect(stacksOf(piped.profile)).toEqual(stacksOf(file.profile))
  expect(piped.summary).toEqual({ ...file.summary, form: 'pipe' })
})

test.for(recordings)('%s.data fed byte by byte is the same as fed whole', async name => {
  const bytes = fixture(`${name}.data`)
  const whole = await reading(bytes)
  const single = await reading(
    (function* () {
      for (let at = 0; at < bytes.length; at++) yield bytes.subarray(at, at + 1)
    })(),
  )
  expect(single).toEqual(whole)
})

test('the reader that is pushed reads as the one that pulls', async () => {
  const bytes = fixture('pipe.data')
  const builder = new ProfileBuilder()
  const reader = perfDataReader(builder)
  for (let at = 0; at < bytes.length; at += 1000) reader.push(bytes.subarray(at, at + 1000))
  const summary = reader.end()
  expect({ profile: builder.build(), summary }).toEqual(await reading(bytes))
})

test('a compressed pipe is read, though perf 6.1 cannot read its own', async () => {
  const { profile, summary } = await reading(fixture('packed-pipe.data'))
  expect(summary.samples).toBeGreaterThan(50)
  expect(summary.processes.map(({ comm }) => comm)).toContain('sh')
  expect(stacksOf(profile).join('\n')).toMatch(/^worker one;libc\.so\.6\+0x891f5;burn\+0x13/m)
})

test('the reader that is pushed refuses compressed records', () => {
  const reader = perfDataReader(new ProfileBuilder())
  expect(() => reader.push(fixture('packed.data'))).toThrow(/leave out -z/)
})

test('compressed records that are damaged end the recording there, and it says so', async () => {
  const bytes = Buffer.from(fixture('packed-pipe.data'))
  bytes.fill(0xa5, bytes.length - 600, bytes.length - 300)
  const { profile, summary } = await reading(bytes)
  expect(summary.isTruncated).toBe(true)
  expect(summary.samples).toBeGreaterThan(0)
  expect(profile.notes.join()).toMatch(/damaged in its compressed part; what came before/)
})

test('what the kernel and perf both say to be lost is counted once', async () => {
  // perf report --stats: "LOST_SAMPLES events: 255", of which 9 LOST records tell the most part.
  const { profile, summary } = await reading(fixture('lost.data'))
  expect(summary.lost).toBe(255)
  expect(profile.loss).toEqual(new Map([['lost by the kernel', 255]]))
})

test('stacks that reached the depth limit are counted', async () => {
  const { summary } = await reading(fixture('deep.data'))
  const full = fixture('deep.txt')
    .toString()
    .split('\n\n')
    .filter(text => text.trim().split('\n').length - 1 >= 127)
  expect(full.length).toBeGreaterThan(0)
  expect(summary.truncatedStacks).toBe(full.length)
})

test('copied user stacks show their innermost frame, and a note says why there are no more', async () => {
  const { profile, summary } = await reading(fixture('dwarf.data'))
  expect(summary.samples).toBeGreaterThan(10)
  expect(summary.userStacks).toBe(summary.samples)
  expect(summary.oneFrameUserStacks).toBe(summary.samples)
  expect(profile.notes.join()).toMatch(/--call-graph dwarf/)
  const kernel = stacksOf(profile).filter(line => line.includes('[kernel]'))
  expect(kernel.length).toBeGreaterThan(0)
  for (const line of kernel)
    expect(line).toMatch(/^[^;]+;(?:libc|burn|dash|ld-linux)[^;]*;\[kernel\]/)
})

test('each event has its columns, the honest width first', async () => {
  const { profile } = await reading(fixture('events.data'))
  expect(profile.columns.map(({ event, unit }) => `${event} ${unit}`)).toEqual([
    'cpu-clock samples',
    'page-faults count',
    'page-faults samples',
    'context-switches count',
    'context-switches samples',
  ])
})

test('the summary has what the recording says about itself', async () => {
  const { summary } = await reading(fixture('tasks.data'))
  expect(summary).toMatchObject({
    form: 'file',
    events: [{ name: 'cpu-clock', type: 'software', hertz: 199, isUserOnly: false }],
    cpus: 2,
    perfVersion: expect.stringMatching(/^6\.1\.\d+$/),
    architecture: 'x86_64',
    lost: 0,
    isTruncated: false,
  })
  const samples = fixture('tasks.txt')
    .toString()
    .split('\n\n')
    .filter(text => text.trim() !== '')
  expect(summary.samples).toBe(samples.length)
  expect(summary.switchesOut).toBeGreaterThan(10)
  expect(Math.abs(summary.switchesIn - summary.switchesOut)).toBeLessThan(10)
  const { firstSampleNs, lastSampleNs } = summary
  expect(lastSampleNs! - firstSampleNs!).toBeGreaterThan(250e6)
  expect(summary.processes.map(({ comm }) => comm)).toEqual(expect.arrayContaining(['burn', 'sh']))
  expect(summary.processes.reduce((sum, { samples }) => sum + samples, 0)).toBe(summary.samples)
})

test.for(recordings)('%s.data leaves its host name and command line behind', async name => {
  const { profile, summary } = await reading(fixture(`${name}.data`))
  const all = JSON.stringify({ summary, profile, notes: profile.notes })
  expect(fixture(`${name}.data`).includes('fixture')).toBe(true)
  expect(all).not.toContain('fixture')
  expect(all).not.toContain('--no-bpf-event')
})

test('modules are told of once each, before the samples that need them', async () => {
  const bytes = fixture('file.data')
  const told: Module[] = []
  const { profile } = await reading(bytes, { onModule: module => told.push(module) })
  const files = told.filter(({ kind }) => kind === 'file').map(({ path }) => path)
  expect(files).toContain('/opt/app/burn')
  expect(new Set(files).size).toBe(files.length)
  const burn = told.find(({ path }) => path === '/opt/app/burn')!
  expect(burn).toMatchObject({ kind: 'file', fileOffset: 0x1000 })
  expect(burn.inode).toBeGreaterThan(0)
  const used = new Set(profile.frames.map(({ address }) => address?.module))
  expect(used.has(burn)).toBe(true)
})

test('modules are told of as soon as their record is read', () => {
  const told: string[] = []
  const reader = perfDataReader(new ProfileBuilder(), { onModule: ({ path }) => told.push(path) })
  reader.push(pipe([mmap2({ start: 0x1000, size: 0x1000, path: '/lib/a.so', inode: 7, time: 5 })]))
  expect(told).toEqual(['/lib/a.so'])
})

test('build-ids come from the mapping records', async () => {
  const { profile } = await reading(fixture('build-ids.data'))
  const modules = new Set(profile.frames.map(({ address }) => address?.module))
  const libc = [...modules].find(module => module?.path.endsWith('/libc.so.6'))
  expect(libc?.buildId).toMatch(/^[0-9a-f]{40}$/)
})

test.for([
  ['thread', 'worker;'],
  ['process', 'main-10;'],
  ['none', 'a.so+0x10 '],
] as const)('the root frame can be the %s', async ([rootFrame, start]) => {
  const bytes = pipe([
    mmap2({ start: 0x1000, size: 0x1000, path: '/lib/a.so', inode: 7 }),
    comm(10, 10, 'main'),
    comm(10, 11, 'worker'),
    sample({ tid: 11, chain: [-512n, 0x1010] }),
  ])
  const { profile } = await reading(bytes, { rootFrame })
  expect(stacksOf(profile)[0]!.startsWith(start)).toBe(true)
})

test('a file whose perf was killed has no size and no features, and is read to its end', async () => {
  const bytes = fixture('file.data')
  const dataEnd = Number(bytes.readBigUInt64LE(40) + bytes.readBigUInt64LE(48))
  const killed = Buffer.from(bytes.subarray(0, dataEnd))
  u64(0).copy(killed, 48)
  const { profile, summary } = await reading(killed)
  const whole = await reading(bytes)
  expect(stacksOf(profile)).toEqual(stacksOf(whole.profile))
  expect(summary.isTruncated).toBe(true)
  expect(profile.notes).toEqual([
    'perf did not live to finish this recording; what came before is in the profile.',
  ])
})

test.for(['file', 'pipe', 'packed', 'events'])(
  '%s.data cut anywhere keeps what came before',
  async name => {
    const bytes = fixture(`${name}.data`)
    const { samples } = (await reading(bytes)).summary
    let most = 0
    for (let end = 0; end < bytes.length; end += 97) {
      const outcome = await reading(bytes.subarray(0, end)).catch((error: unknown) => error)
      if (outcome instanceof ProfilerError) {
        expect(outcome.code).toBe('SP_PERF_DATA_MALFORMED')
        expect(most).toBe(0)
        continue
      }
      const { summary, profile } = outcome as Awaited<ReturnType<typeof reading>>
      expect(summary.samples).toBeGreaterThanOrEqual(most)
      expect(summary.samples).toBeLessThanOrEqual(samples)
      expect(summary.isTruncated).toBe(profile.notes.length > 0)
      // A file says how long it is; a pipe that ends between two records looks whole.
      if (name !== 'pipe') expect(summary.isTruncated).toBe(true)
      most = summary.samples
    }
    // The last step may stop short of the last record.
    expect(most).toBeGreaterThan(samples - 3)
  },
)

test('no corruption makes it crash, hang or lose count', { timeout: 30_000 }, async () => {
  const random = noise(20_260_801)
  for (const name of recordings) {
    const original = fixture(`${name}.data`)
    for (let round = 0; round < 60; round++) {
      const bytes = Buffer.from(original)
      for (let left = 1 + random(20); left > 0; left--) {
        bytes[random(bytes.length)] = [0, 0xff, 0x80, random(256)][random(4)]!
      }
      const outcome = await reading(bytes).catch((error: unknown) => error)
      if (outcome instanceof Error) {
        expect(outcome, `${name}, round ${round}: ${outcome.stack}`).toBeInstanceOf(ProfilerError)
        continue
      }
      const { profile, summary } = outcome as Awaited<ReturnType<typeof reading>>
      const counted = profile.columns
        .filter(({ unit }) => unit === 'samples')
        .flatMap(({ self }) => [...self])
        .reduce((sum, self) => sum + self, 0)
      expect(counted).toBe(summary.samples)
    }
  }
})

test('a record that is smaller than its header ends the recording, with the place', async () => {
  const good = pipe([sample(), sample()])
  const { profile, summary } = await reading(
    Buffer.concat([good, record(9, 0).fill(0, 6), sample()]),
  )
  expect(summary.samples).toBe(2)
  expect(summary.isTruncated).toBe(true)
  expect(profile.notes[0]).toContain(`damaged at offset ${good.length};`)
})

test.for([
  ['empty', Buffer.alloc(0), /ends at offset 0, within its header/],
  ['big-endian', Buffer.concat([Buffer.from('2ELIFREP'), u64(104)]), /big-endian/],
  ['of the first version', Buffer.concat([Buffer.from('PERFFILE'), u64(104)]), /first version/],
  ['something else', Buffer.from('not a recording, at all'), /does not begin with PERFILE2/],
  ['of a strange size', Buffer.concat([header.subarray(0, 8), u64(99)]), /99 bytes, at offset 8/],
  ['without events', pipe([sample()], []), /does not describe any event/],
  [
    'with a short attribute',
    pipe([], [event({ ...usual, size: 12 })]),
    /offset 24 has a size of 12/,
  ],
  [
    'with a long attribute',
    pipe([], [event({ ...usual, size: 999 })]),
    /offset 24 has a size of 999/,
  ],
  ['damaged at once', Buffer.concat([pipe([]), Buffer.alloc(8)]), /damaged at offset 136, before/],
] as const)('a recording that is %s is refused, and says why', async ([, bytes, message]) => {
  const error = await reading(bytes).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(ProfilerError)
  expect((error as ProfilerError).code).toBe('SP_PERF_DATA_MALFORMED')
  expect((error as ProfilerError).message).toMatch(message)
})

test.for([
  ['its attributes behind its data', 24, 1_000_000],
  ['its data within its header', 40, 8],
  ['its data too far away', 40, 1e9],
  ['attributes of no size', 16, 0],
] as const)('a file that claims %s is refused', async ([, offset, value]) => {
  const bytes = Buffer.from(fixture('file.data'))
  u64(value).copy(bytes, offset)
  await expect(reading(bytes)).rejects.toThrow(`says offset ${offset}`)
})

test('a recording is known by its first eight bytes', () => {
  expect(detectPerfData(fixture('file.data').subarray(0, 8))).toBe(true)
  expect(detectPerfData(fixture('pipe.data'))).toBe(true)
  expect(detectPerfData(Buffer.from('2ELIFREP'))).toBe(true)
  expect(detectPerfData(Buffer.from('PERFILE'))).toBe(false)
  expect(detectPerfData(Buffer.from('main;a 1\n'))).toBe(false)
})

function foldedAsPerf(profile: Profile, event: string): string[] {
  const column = profile.columns.findIndex(
    ({ event: name, unit }) => name === event && unit === 'samples',
  )
  return folded(profile, column, frame => asPerfPrints(profile.frames[frame]!))
}

/** A frame as perf script prints it: offset or address, then the file. */
function asPerfPrints({ name, address }: Frame): string {
  if (address === undefined) return name === '[unmapped]' ? '[unknown]' : name
  const { module, value } = address
  const hex = BigInt.asUintN(64, BigInt(value)).toString(16)
  switch (module.kind) {
    case 'kernel':
      return `${hex} ([kernel.kallsyms])`
    case 'anonymous':
      return `${hex} (/tmp/perf-${module.pid}.map)`
    case 'vdso':
      return `${(value - module.start).toString(16)} ([vdso])`
    case 'unmapped':
      return '[unknown]'
    case 'file':
      return `${hex} (${module.path})`
  }
}

/** What perf script printed, folded. */
function foldedByPerf(text: string, event: string): string[] {
  const lines = new Map<string, number>()
  for (const sample of text.split('\n\n')) {
    const [head = '', ...chain] = sample.split('\n').filter(line => line.trim() !== '')
    const header = /^\s*(.+?)\s+-?\d+\/-?\d+\s+[\d.]+:\s+([\w-]+):\s*$/.exec(head)
    if (header === null || header[2] !== event) continue
    const key = [header[1], ...chain.map(frameOfPerf).reverse()].join(';')
    lines.set(key, (lines.get(key) ?? 0) + 1)
  }
  return [...lines].map(([path, samples]) => `${path} ${samples}`).sort()
}

function frameOfPerf(line: string): string {
  const [, address, file] = /^\s*([0-9a-f]+) .*\(([^()]*)\)$/.exec(line)!
  return file === '[unknown]' ? file : `${address} (${file})`
}

test.for(['flat', 'dwarf'])(
  'a look at %s.data while it is read changes nothing of it',
  async name => {
    const bytes = fixture(`${name}.data`)
    const builder = new ProfileBuilder()
    const reader = perfDataReader(builder)
    let seen = 0
    for (let at = 0; at < bytes.length; at += 10_000) {
      reader.push(bytes.subarray(at, at + 10_000))
      const { profile, summary } = reader.snapshot() ?? {}
      if (profile === undefined) continue
      // What is in it is counted in it, and it only grows.
      expect(weightOf(profile, profile.columns.length - 1)).toBe(summary!.samples)
      expect(summary!.samples).toBeGreaterThanOrEqual(seen)
      seen = summary!.samples
    }
    const summary = reader.end()
    const expected = await reading(bytes)
    expect(seen).toBeGreaterThan(0)
    expect(summary).toEqual(expected.summary)
    expect(builder.build()).toEqual(expected.profile)
  },
)
