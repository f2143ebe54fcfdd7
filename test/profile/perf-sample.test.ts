import { expect, test } from 'vitest'
import { reading, stacksOf } from './perf-reading.ts'
import {
  type AttrFields,
  bit,
  event,
  marker,
  mmap2,
  pipe,
  record,
  sample,
  u32,
  u64,
  usual,
} from './perf-writer.ts'

const a = 0x1010
const code = mmap2({ start: 0x1000, size: 0x1000, path: '/lib/code.so', inode: 3 })

/** Reads one sample of an event, made of these fields, and gives its stacks. */
async function stacksWith(fields: AttrFields, ...parts: Buffer[]) {
  // Without sample_id_all nothing stands behind a mapping's record.
  const mapping = record(
    10,
    2,
    u32(10, 10),
    u64(0x1000, 0x1000, 0),
    u32(8, 1),
    u64(3, 0),
    u32(5, 2),
    Buffer.from('/lib/code.so\0\0\0\0'),
  )
  const bytes = pipe([mapping, record(9, 2, ...parts)], [event({ ...fields, sampleIdAll: false })])
  const { profile, summary } = await reading(bytes)
  return { stacks: stacksOf(profile), summary, loss: profile.loss }
}

const task = u32(10, 10)
const chain = u64(2, marker.user, a)
const base = bit.tid | bit.callchain

test.for<[string, AttrFields, Buffer[]]>([
  ['nothing else', { sampleType: base }, [task, chain]],
  [
    'every field of fixed size',
    {
      sampleType:
        base |
        bit.identifier |
        bit.ip |
        bit.time |
        bit.addr |
        bit.id |
        bit.streamId |
        bit.cpu |
        bit.period,
    },
    [u64(1, a), task, u64(1000, 0xadd, 1, 1, 0, 1), chain],
  ],
  ['READ of a value', { sampleType: base | bit.read }, [task, u64(5), chain]],
  [
    'READ with times, id and lost',
    { sampleType: base | bit.read, readFormat: 1 | 2 | 4 | 16 },
    [task, u64(5, 1, 1, 7, 0), chain],
  ],
  [
    'READ of a group with times, id and lost',
    { sampleType: base | bit.read, readFormat: 1 | 2 | 4 | 8 | 16 },
    [task, u64(2, 1, 1, 5, 7, 0, 6, 8, 0), chain],
  ],
  ['READ of an empty group', { sampleType: base | bit.read, readFormat: 8 }, [task, u64(0), chain]],
  [
    'what follows the chain',
    { sampleType: base | bit.raw | bit.stackUser },
    [task, chain, u64(9, 9)],
  ],
])('the chain is found behind %s', async ([, fields, parts]) => {
  const { stacks } = await stacksWith(fields, ...parts)
  expect(stacks).toEqual([':10;code.so+0x10 1'])
})

test.for<[string, AttrFields, Buffer[]]>([
  ['fields of fixed size', { sampleType: base | bit.ip | bit.time }, [task]],
  ['a chain of more entries than there are', { sampleType: base }, [task, u64(3, marker.user, a)]],
  ['a chain of 2^32 entries', { sampleType: base }, [task, u64(2n ** 32n, a)]],
  ['a chain of a negative number of entries', { sampleType: base }, [task, u64(-1, a)]],
  ['no chain at all', { sampleType: base }, [task]],
  ['a cut READ', { sampleType: base | bit.read, readFormat: 31 }, [task, u64(9, 0, 0), chain]],
  ['a READ of a cut value', { sampleType: base | bit.read, readFormat: 23 }, [task, u64(9)]],
])('a sample with %s is counted as malformed', async ([, fields, parts]) => {
  const { stacks, summary, loss } = await stacksWith(fields, ...parts)
  expect(stacks).toEqual([])
  expect(summary.malformedSamples).toBe(1)
  expect(loss).toEqual(new Map([['malformed samples', 1]]))
})

const dwarf = { sampleType: bit.tid | bit.callchain | bit.regsUser, userRegisters: 0b1_0000_0011n }
const inKernel = u64(2, marker.kernel, -0x1000)

test.for<[string, AttrFields, Buffer[]]>([
  ['alone', dwarf, [u64(2, 0xaa, 0xbb, a)]],
  [
    'behind RAW',
    { ...dwarf, sampleType: dwarf.sampleType | bit.raw },
    [u32(12), Buffer.alloc(12), u64(2, 0xaa, 0xbb, a)],
  ],
  [
    'behind branches with an index and counters',
    { ...dwarf, sampleType: dwarf.sampleType | bit.branchStack, branches: (1 << 17) | (1 << 19) },
    [u64(1, 0, 1, 2, 3, 4), u64(2, 0xaa, 0xbb, a)],
  ],
  ['of arm64', { ...dwarf, userRegisters: 0x1_0000_0001n }, [u64(2, 0xaa, a)]],
])(
  'the user registers, %s, say where the program was when the kernel ran',
  async ([, fields, parts]) => {
    const { stacks, summary } = await stacksWith(fields, task, inKernel, ...parts)
    expect(stacks).toEqual([':10;code.so+0x10;[kernel]+0xfffffffffffff000 1'])
    expect(summary.oneFrameUserStacks).toBe(1)
  },
)

test('a thread of the kernel has no user registers', async () => {
  const { stacks, summary } = await stacksWith(dwarf, task, inKernel, u64(0))
  expect(stacks).toEqual([':10;[kernel]+0xfffffffffffff000 1'])
  expect(summary.userStacks).toBe(0)
})

test.for<[string, Buffer[]]>([
  ['registers', [u64(2, 0xaa)]],
  ['their ABI', []],
])('a sample whose %s are cut off is counted as malformed', async ([, parts]) => {
  const { summary } = await stacksWith(dwarf, task, inKernel, ...parts)
  expect(summary.malformedSamples).toBe(1)
})

test.for([
  [1, '[kernel]+0x1010'],
  [2, 'code.so+0x10'],
  [3, '[hypervisor]+0x1010'],
  [4, '[guest kernel]+0x1010'],
  [5, '[guest user]+0x1010'],
] as const)('without a chain, mode %i says whose the address is', async ([misc, frame]) => {
  const { profile } = await reading(pipe([code, sample({ ip: a, chain: [], misc })]))
  expect(stacksOf(profile)).toEqual([`:10;${frame} 1`])
})

test('a sample without any address is kept, and says so', async () => {
  const { profile, summary } = await reading(
    pipe([record(9, 2, task, u64(0))], [event({ sampleType: base })]),
  )
  expect(stacksOf(profile)).toEqual([':10;[no stack] 1'])
  expect(summary.samples).toBe(1)
})

test('several events are told apart by their ids, though their layouts differ', async () => {
  const identified = bit.identifier | bit.tid | bit.callchain
  const bytes = pipe(
    [
      record(9, 2, u64(71), task, chain),
      record(9, 2, u64(72), task, u64(5), chain),
      record(9, 2, u64(72), task, u64(7), chain),
      record(9, 2, u64(99), task, chain),
      record(9, 2),
    ],
    [
      event({ sampleType: identified, config: 0 }, 70, 71),
      event({ sampleType: identified | bit.period, config: 2 }, 72),
    ],
  )
  const { profile, summary } = await reading(bytes)
  expect(profile.columns.map(({ event, unit, self }) => [event, unit, self.at(-1)])).toEqual([
    ['cpu-clock', 'samples', 1],
    ['page-faults', 'count', 12],
    ['page-faults', 'samples', 2],
  ])
  expect(profile.loss).toEqual(new Map([['samples of an unknown event', 2]]))
  expect(summary.events.map(({ samples }) => samples)).toEqual([1, 2])
})

test('a period of 64 bits is not negative', async () => {
  const bytes = pipe([sample({ period: -1 }), sample({ period: 1 })])
  const { profile } = await reading(bytes)
  expect(profile.columns[0]!.self.at(-1)).toBe(2 ** 64)
})

test('a stack of as many frames as the event allows is counted as cut', async () => {
  const deep = (count: number) =>
    sample({ chain: [marker.user, ...Array.from({ length: count }, () => a)] })
  const bytes = pipe([deep(2), deep(3), deep(4)], [event({ ...usual, maxStack: 3 })])
  expect((await reading(bytes)).summary.truncatedStacks).toBe(2)
})
