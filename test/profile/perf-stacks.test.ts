import { expect, test } from 'vitest'
import { printed, reading, stacksOf } from './perf-reading.ts'
import {
  comm,
  finishedRound,
  marker,
  mmap,
  mmap2,
  pipe,
  record,
  sample,
  u16,
  u32,
  u64,
} from './perf-writer.ts'

const code = mmap2({ start: 0x1000, size: 0x1000, path: '/lib/code.so', inode: 3 })
const kernel = mmap({
  pid: -1,
  start: -0x80000000,
  size: 0x1000000,
  fileOffset: -0x80000000,
  path: '[kernel.kallsyms]_text',
  misc: 1,
})

async function frames(...records: Buffer[]) {
  const { profile } = await reading(pipe(records))
  return profile.frames.filter(({ kind }) => kind !== 'thread')
}

test('frames stand root first, and all but the first of each part are returns', async () => {
  const found = await frames(
    code,
    kernel,
    comm(10, 10, 'main'),
    sample({
      chain: [marker.kernel, -0x80000000 + 1, -0x80000000 + 2, marker.user, 0x1010, 0x1020],
    }),
  )
  expect(found.map(frame => [printed(frame), frame.kind, frame.address?.isReturn])).toEqual([
    ['[kernel]+0xffffffff80000001', 'kernel', false],
    ['[kernel]+0xffffffff80000002', 'kernel', true],
    ['code.so+0x10', 'unknown', false],
    ['code.so+0x20', 'unknown', true],
  ])
})

test('an address is one frame as a leaf and another as a return', async () => {
  const { profile } = await reading(
    pipe([
      code,
      sample({ chain: [marker.user, 0x1010, 0x1020] }),
      sample({ chain: [marker.user, 0x1020] }),
      sample({ chain: [marker.user, 0x1010, 0x1020] }),
    ]),
  )
  expect(stacksOf(profile)).toEqual([':10;code.so+0x20 1', ':10;code.so+0x20;code.so+0x10 2'])
  expect(profile.frames.filter(frame => printed(frame) === 'code.so+0x20')).toHaveLength(2)
})

test('a value on the stack that looks like a marker does not turn a program into the kernel', async () => {
  const { profile } = await reading(
    pipe([
      code,
      sample({ chain: [marker.user, 0x1010, marker.kernel, 0x1020, marker.user, 0x1030] }),
    ]),
  )
  expect(stacksOf(profile)).toEqual([':10;code.so+0x30;code.so+0x20;code.so+0x10 1'])
})

test('a marker that nobody knows is passed over', async () => {
  const { profile } = await reading(pipe([code, sample({ chain: [-1000, 0x1010] })]))
  expect(stacksOf(profile)).toEqual([':10;code.so+0x10 1'])
})

test('the number behind a deferred user stack is no address', async () => {
  const { profile } = await reading(
    pipe([kernel, sample({ chain: [marker.kernel, -0x80000000, marker.deferred, 0x1234] })]),
  )
  expect(stacksOf(profile)).toEqual([':10;[kernel]+0xffffffff80000000 1'])
})

test('what only markers say is no stack', async () => {
  const { profile } = await reading(pipe([sample({ ip: 0x5, chain: [marker.user] })]))
  expect(stacksOf(profile)).toEqual([':10;[unmapped] 1'])
})

test('words of the stack that are no addresses are one frame, and are not told', async () => {
  const { profile } = await reading(
    pipe([
      code,
      // The letters A to H, as a walk without frame pointers finds them; no mapping; no address at all.
      sample({ chain: [marker.user, 0x1010, 0x4142434445464748n, 0x5000, 0x7fffffffffffffffn] }),
    ]),
  )
  expect(stacksOf(profile)).toEqual([':10;[unmapped];[unmapped];[unmapped];code.so+0x10 1'])
  expect(profile.frames.filter(({ reason }) => reason === 'not mapped')).toEqual([
    { name: '[unmapped]', kind: 'unknown', reason: 'not mapped' },
  ])
})

test('a frame in a file is shared by the processes that map it, wherever', async () => {
  const { profile } = await reading(
    pipe([
      mmap2({ pid: 10, start: 0x1000, size: 0x1000, path: '/lib/code.so', inode: 3 }),
      mmap2({ pid: 20, start: 0x7000, size: 0x1000, path: '/lib/code.so', inode: 3 }),
      sample({ pid: 10, chain: [marker.user, 0x1010] }),
      sample({ pid: 20, chain: [marker.user, 0x7010] }),
    ]),
  )
  expect(profile.frames.filter(({ kind }) => kind === 'unknown')).toHaveLength(1)
})

test('two files at one path are two modules', async () => {
  const { profile } = await reading(
    pipe([
      mmap2({ pid: 10, start: 0x1000, size: 0x1000, path: '/lib/code.so', inode: 3 }),
      mmap2({ pid: 20, start: 0x1000, size: 0x1000, path: '/lib/code.so', inode: 4 }),
      mmap({ pid: 30, start: 0x1000, size: 0x1000, path: '/lib/code.so' }),
      mmap({ pid: 40, start: 0x1000, size: 0x1000, path: '/lib/code.so' }),
      ...[10, 20, 30, 40].map(pid => sample({ pid, chain: [marker.user, 0x1010] })),
    ]),
  )
  const modules = profile.frames.flatMap(({ address }) => address?.module ?? [])
  expect(modules.map(({ inode }) => inode)).toEqual([3, 4, undefined, undefined])
  expect(new Set(modules).size).toBe(4)
})

test.for([
  ['//anon', '[anon]', 'anonymous'],
  ['[anon:jit cache]', '[anon]', 'anonymous'],
  ['[heap]', '[heap]', 'anonymous'],
  ['/memfd:doublemapper (deleted)', '/memfd:doublemapper', 'anonymous'],
  ['/dev/zero (deleted)', '/dev/zero', 'anonymous'],
  ['/SYSV00000000 (deleted)', '/SYSV00000000', 'anonymous'],
  ['anon_inode:[perf_event]', 'anon_inode:[perf_event]', 'anonymous'],
  ['[vdso]', '[vdso]', 'vdso'],
] as const)('code in %s is one process’s own, at an address', async ([path, shown, kind]) => {
  const found = await frames(
    mmap2({ pid: 10, start: 0x1000, size: 0x1000, path }),
    mmap2({ pid: 20, start: 0x1000, size: 0x1000, path }),
    sample({ pid: 10, chain: [marker.user, 0x1010] }),
    sample({ pid: 20, chain: [marker.user, 0x1010] }),
  )
  const addresses = found.flatMap(({ address }) => address ?? [])
  expect(addresses).toMatchObject([
    { value: 0x1010, module: { kind, path: shown, pid: 10 } },
    { value: 0x1010, module: { kind, path: shown, pid: 20 } },
  ])
})

test('a deleted file is known by its path without the mark, and as deleted', async () => {
  const found = await frames(
    mmap2({ start: 0x1000, size: 0x1000, path: '/lib/old.so (deleted)', inode: 3 }),
    sample({ chain: [marker.user, 0x1010] }),
  )
  expect(found.at(-1)).toMatchObject({
    name: 'old.so',
    module: '/lib/old.so',
    address: { module: { path: '/lib/old.so', deleted: true } },
  })
})

test('a module of the kernel is its file, and what no record covers is the image', async () => {
  const found = await frames(
    kernel,
    mmap({ pid: -1, start: -0x40000000, size: 0x1000, path: '/lib/modules/6.1/nf.ko.xz', misc: 1 }),
    sample({ chain: [marker.kernel, -0x40000000 + 0x10, -0x30000000] }),
  )
  expect(found.map(frame => [printed(frame), frame.module])).toEqual([
    ['nf.ko.xz+0xffffffffc0000010', '/lib/modules/6.1/nf.ko.xz'],
    ['[kernel]+0xffffffffd0000000', '[kernel]'],
  ])
})

test('a BPF program is named by its record while it is loaded', async () => {
  const ksymbol = (flags: number, time: number) =>
    record(
      17,
      0,
      u64(-0x3f000000),
      u32(0x100),
      u16(1, flags),
      Buffer.from('bpf_prog_1234_tick\0\0\0\0\0\0'),
      u32(0, 0),
      u64(time),
    )
  const run = (time: number) => sample({ time, chain: [marker.kernel, -0x3f000000 + 8] })
  const { profile } = await reading(
    pipe([ksymbol(0, 100), run(200), ksymbol(1, 300), run(400), finishedRound]),
  )
  expect(stacksOf(profile)).toEqual([
    ':10;[kernel]+0xffffffffc1000008 1',
    ':10;bpf_prog_1234_tick 1',
  ])
})

test('a return address that ends its mapping still belongs to it', async () => {
  const { profile } = await reading(
    pipe([
      code,
      mmap2({ start: 0x2000, size: 0x1000, path: '/lib/next.so', inode: 4 }),
      sample({ chain: [marker.user, 0x2000, 0x2000] }),
    ]),
  )
  expect(stacksOf(profile)).toEqual([':10;code.so+0x1000;next.so+0x0 1'])
})
