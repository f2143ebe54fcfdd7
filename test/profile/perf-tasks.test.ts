import { expect, test } from 'vitest'
import { reading, stacksOf } from './perf-reading.ts'
import { comm, exit, fork, marker, mmap2, pipe, sample } from './perf-writer.ts'

function mapped(pid: number, path: string, time: number, protection = 5): Buffer {
  return mmap2({ pid, start: 0x1000, size: 0x1000, path, inode: path.length, time, protection })
}

function seen(pid: number, time: number, tid = pid): Buffer {
  return sample({ pid, tid, time, chain: [marker.user, 0x1010] })
}

async function stacks(...records: Buffer[]): Promise<string[]> {
  return stacksOf((await reading(pipe(records))).profile)
}

test('a sample is named by what was mapped at its time, though both come in any order', async () => {
  const records = [
    seen(10, 300),
    seen(10, 100),
    mapped(10, '/lib/new.so', 200),
    mapped(10, '/lib/o.so', 50),
  ]
  expect(await stacks(...records)).toEqual([':10;new.so+0x10 1', ':10;o.so+0x10 1'])
})

test('a child has its parent’s name and mappings until it changes them', async () => {
  expect(
    await stacks(
      comm(10, 10, 'parent'),
      mapped(10, '/lib/a.so', 100),
      fork(20, 10, 200),
      seen(20, 300),
      mapped(20, '/lib/child.so', 400),
      seen(20, 500),
      seen(10, 500),
    ),
  ).toEqual(['parent;a.so+0x10 2', 'parent;child.so+0x10 1'])
})

test('jitted code that a child took over is its own', async () => {
  const { profile } = await reading(
    pipe([mapped(10, '//anon', 100), fork(20, 10, 200), seen(10, 300), seen(20, 300)]),
  )
  const pids = profile.frames.flatMap(({ address }) => address?.module.pid ?? [])
  expect(pids.sort()).toEqual([10, 20])
})

test('a new thread has the name of the one that made it, until it is given another', async () => {
  expect(
    await stacks(
      comm(10, 10, 'main'),
      mapped(10, '/lib/a.so', 100),
      fork(10, 10, 200, 11),
      seen(10, 300, 11),
      comm(10, 11, 'worker', 400),
      seen(10, 500, 11),
    ),
  ).toEqual(['main;a.so+0x10 1', 'worker;a.so+0x10 1'])
})

test('exec begins with no mappings, but shows where it was called until the program runs', async () => {
  const elsewhere = (time: number) => sample({ time, chain: [marker.user, 0x9010] })
  expect(
    await stacks(
      mmap2({ start: 0x9000, size: 0x1000, path: '/lib/old.so', inode: 1, time: 50 }),
      comm(10, 10, 'new', 100, true),
      elsewhere(150),
      mapped(10, '/lib/a.so', 200),
      elsewhere(250),
      seen(10, 300),
      elsewhere(350),
    ),
  ).toEqual(['new;[unmapped] 1', 'new;a.so+0x10 1', 'new;old.so+0x10 2'])
})

test('a pid that is used again is a new process', async () => {
  const { profile, summary } = await reading(
    pipe([
      comm(1, 1, 'init'),
      comm(10, 10, 'first', 50),
      mapped(10, '/lib/a.so', 100),
      seen(10, 150),
      exit(10, 10, 200),
      seen(10, 210),
      fork(10, 1, 300),
      seen(10, 400),
    ]),
  )
  expect(stacksOf(profile)).toEqual(['first;a.so+0x10 2', 'init;[unmapped] 1'])
  expect(summary.processes).toEqual([
    { pid: 10, comm: 'first', samples: 2 },
    { pid: 10, comm: 'init', samples: 1 },
  ])
})

test('memory that stops being executable is not code any more', async () => {
  const writable = 3
  expect(
    await stacks(
      mapped(10, '/lib/a.so', 100),
      seen(10, 150),
      mapped(10, '//anon', 200, writable),
      seen(10, 250),
    ),
  ).toEqual([':10;[unmapped] 1', ':10;a.so+0x10 1'])
})

test('a process that perf tells of afterwards has nothing of its parent’s', async () => {
  const told = fork(20, 10, 0)
  told.writeUInt16LE(1 << 13, 4)
  expect(await stacks(mapped(10, '/lib/a.so', 0), told, seen(20, 100))).toEqual([
    ':20;[unmapped] 1',
  ])
})

test('the idle task is called as perf calls it', async () => {
  expect(await stacks(sample({ pid: 0, chain: [marker.kernel, -5000] }))).toEqual([
    'swapper;[kernel]+0xffffffffffffec78 1',
  ])
})

test('more forks than a machine has room for stay within bounds, and what was forgotten is said', {
  timeout: 20_000,
}, async () => {
  const forks = (function* () {
    yield pipe([])
    const one = fork(0, 1, 5)
    for (let pid = 2; pid < 140_000; pid++) {
      const record = Buffer.from(one)
      record.writeUInt32LE(pid, 8)
      record.writeUInt32LE(pid, 16)
      yield record
    }
  })()
  const { profile, summary } = await reading(forks)
  expect(summary.droppedTasks).toBeGreaterThan(0)
  expect(profile.notes.join()).toMatch(/more than one profile can hold/)
})
