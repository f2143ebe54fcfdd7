// perf_event_attr: what an event counts, and so how its samples are laid out.
//
//     u32 type, size; u64 config, sample_period or sample_freq, sample_type,
//     read_format, flags; … u16 sample_max_stack at 108 …
//
// https://man7.org/linux/man-pages/man2/perf_event_open.2.html
//
// The struct has grown since 2009; `size` says which one this is, and what a
// short one lacks is zero. The trap: a sample says nothing about its own
// layout. Everything in it follows from sample_type, in one fixed order, and
// what stands before READ has a fixed place while the rest must be walked.

import { ProfilerError } from '../errors.ts'
import { uint64 } from './perf-records.ts'
import type { Unit } from './profile.ts'

/** Where the fields of a sample are. Places are in 32-bit words from the record's start, -1 for absent. */
export interface SampleFormat {
  readonly id: number
  readonly ip: number
  readonly tid: number
  readonly time: number
  readonly period: number
  /** Where the first field of variable size is, in the order READ, CALLCHAIN, RAW, BRANCH_STACK, REGS_USER, STACK_USER. */
  readonly variable: number
  readonly hasRead: boolean
  readonly hasChain: boolean
  /** Whether anything after CALLCHAIN has to be walked to reach REGS_USER. */
  readonly hasUserRegisters: boolean
  readonly hasRaw: boolean
  readonly hasBranches: boolean
  readonly hasBranchIndex: boolean
  readonly hasBranchCounters: boolean
  /** How many registers REGS_USER holds, and which of them is the instruction pointer (-1: none). */
  readonly userRegisters: number
  readonly instructionPointer: number
  readonly readFormat: number
  /** Of the trailer that `sample_id_all` puts behind other records: words back from the end, 0 for absent. */
  readonly trailerTime: number
  readonly trailerId: number
  readonly trailerTid: number
  /** All of the trailer. */
  readonly trailerWords: number
}

export interface PerfAttr {
  readonly name: string
  readonly type: string
  /** What the kernel was asked for: one of the two, or neither where the rate is one that no kernel gives. */
  readonly hertz?: number
  readonly period?: number
  /** What a period counts. */
  readonly unit: Unit
  readonly maxStack: number
  readonly isUserOnly: boolean
  /** SWITCH records say when each thread leaves a CPU and comes back (`--switch-events`). */
  readonly hasSwitches: boolean
  /** User stacks were copied for later unwinding (`--call-graph dwarf`), not walked. */
  readonly copiesUserStack: boolean
  /** Which registers a sample holds: bits of asm/perf_regs.h, low half first. */
  readonly userRegisterMask: readonly [number, number]
  readonly format: SampleFormat
}

/** @throws {ProfilerError} `SP_PERF_DATA_MALFORMED`, if there is no whole attribute in `bytes`; `offset` is its place in the file. */
export function readAttr(bytes: Buffer, offset: number): PerfAttr {
  const size = attrSize(bytes)
  if (size < oldestSize || size > bytes.length) {
    throw new ProfilerError(
      'SP_PERF_DATA_MALFORMED',
      `the event attribute at offset ${offset} has a size of ${size} and ${bytes.length} bytes of room`,
    )
  }
  const attr = Buffer.alloc(newestSize)
  bytes.copy(attr, 0, 0, Math.min(size, newestSize))
  const flags = attr.readUInt32LE(40)
  const type = attr.readUInt32LE(0)
  const config = uint64(attr.readInt32LE(8), attr.readInt32LE(12))
  const rate = uint64(attr.readInt32LE(16), attr.readInt32LE(20))
  const sampleType = attr.readUInt32LE(24)
  const isTime = type === 1 && config <= 1
  return {
    name: nameOf(type, config),
    type: typeNames[type] ?? `pmu ${type}`,
    ...((flags & attrFlag.freq) === 0 ? { period: rate } : rate <= fastestHertz && { hertz: rate }),
    unit: isTime ? 'nanoseconds' : 'count',
    maxStack: attr.readUInt16LE(108) || defaultMaxStack,
    isUserOnly: (flags & attrFlag.excludeKernel) !== 0,
    hasSwitches: (flags & attrFlag.contextSwitch) !== 0,
    copiesUserStack: (sampleType & sampleBit.stackUser) !== 0,
    userRegisterMask: [attr.readUInt32LE(80), attr.readUInt32LE(84)],
    format: formatOf(attr, sampleType, (flags & attrFlag.sampleIdAll) !== 0),
  }
}

/** The size that the attribute at the start of `bytes` claims. */
export function attrSize(bytes: Buffer): number {
  if (bytes.length < 8) return 0
  return bytes.readUInt32LE(4) || oldestSize // 0 is how the oldest ones say it
}

// PERF_ATTR_SIZE_VER0, and the last field that we read: sample_max_stack ends at 112.
const oldestSize = 64
const newestSize = 112

// The kernel allows 100,000 unless its perf_event_max_sample_rate was raised, and its timers do not go
// below 10 µs. A higher rate is the word of a damaged attribute, and quality would believe it.
const fastestHertz = 1_000_000

// /proc/sys/kernel/perf_event_max_stack, unless the attribute asks for less.
const defaultMaxStack = 127

const attrFlag = {
  excludeKernel: 1 << 5,
  freq: 1 << 10,
  sampleIdAll: 1 << 18,
  contextSwitch: 1 << 26,
}

const sampleBit = {
  ip: 1 << 0,
  tid: 1 << 1,
  time: 1 << 2,
  addr: 1 << 3,
  read: 1 << 4,
  callchain: 1 << 5,
  id: 1 << 6,
  cpu: 1 << 7,
  period: 1 << 8,
  streamId: 1 << 9,
  raw: 1 << 10,
  branchStack: 1 << 11,
  regsUser: 1 << 12,
  stackUser: 1 << 13,
  identifier: 1 << 16,
}

const branchBit = { hwIndex: 1 << 17, counters: 1 << 19 }

function formatOf(attr: Buffer, sampleType: number, sampleIdAll: boolean): SampleFormat {
  const has = (bit: number) => (sampleType & bit) !== 0
  const place = new Map<number, number>()
  let words = 2 // the record's header
  for (const bit of fixedFields) {
    if (!has(bit)) continue
    place.set(bit, words)
    words += 2
  }
  const trailer = new Map<number, number>()
  let back = 0
  for (const bit of sampleIdAll ? trailerFields : []) {
    if (!has(bit)) continue
    back += 2
    trailer.set(bit, back)
  }
  const branches = attr.readUInt32LE(72)
  const registers = [attr.readUInt32LE(80), attr.readUInt32LE(84)] as const
  return {
    id: place.get(sampleBit.identifier) ?? place.get(sampleBit.id) ?? -1,
    ip: place.get(sampleBit.ip) ?? -1,
    tid: place.get(sampleBit.tid) ?? -1,
    time: place.get(sampleBit.time) ?? -1,
    period: place.get(sampleBit.period) ?? -1,
    variable: words,
    hasRead: has(sampleBit.read),
    hasChain: has(sampleBit.callchain),
    hasUserRegisters: has(sampleBit.regsUser),
    hasRaw: has(sampleBit.raw),
    hasBranches: has(sampleBit.branchStack),
    hasBranchIndex: (branches & branchBit.hwIndex) !== 0,
    hasBranchCounters: (branches & branchBit.counters) !== 0,
    userRegisters: ones(registers[0]) + ones(registers[1]),
    instructionPointer: instructionPointerOf(registers),
    readFormat: attr.readUInt32LE(32),
    trailerTime: trailer.get(sampleBit.time) ?? 0,
    trailerTid: trailer.get(sampleBit.tid) ?? 0,
    trailerId: trailer.get(sampleBit.identifier) ?? trailer.get(sampleBit.id) ?? 0,
    trailerWords: back,
  }
}

// In the order of a sample: each is 8 bytes. The rest follows from READ on, in
// the order of `SampleFormat.variable`; we use nothing that stands behind
// STACK_USER (WEIGHT, DATA_SRC, TRANSACTION, REGS_INTR, PHYS_ADDR,
// CGROUP, DATA_PAGE_SIZE, CODE_PAGE_SIZE, AUX).
const fixedFields = [
  sampleBit.identifier,
  sampleBit.ip,
  sampleBit.tid,
  sampleBit.time,
  sampleBit.addr,
  sampleBit.id,
  sampleBit.streamId,
  sampleBit.cpu,
  sampleBit.period,
]

// In the order of a trailer, read backward from the record's end.
const trailerFields = [
  sampleBit.identifier,
  sampleBit.cpu,
  sampleBit.streamId,
  sampleBit.id,
  sampleBit.time,
  sampleBit.tid,
]

// The mask has bit 32 on arm64 only, where it is the pc; on x86 the ip is bit 8.
function instructionPointerOf([low, high]: readonly [number, number]): number {
  if (high & 1) return ones(low)
  return low & (1 << 8) ? ones(low & 0xff) : -1
}

function ones(bits: number): number {
  let count = 0
  for (let rest = bits >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++
  return count
}

const typeNames = ['hardware', 'software', 'tracepoint', 'hardware cache', 'raw', 'breakpoint']

// Names of generic events, as perf prints them. A recording usually brings its
// own (EVENT_DESC, EVENT_UPDATE); these are for the ones that do not.
const eventNames: readonly (readonly string[])[] = [
  [
    'cycles',
    'instructions',
    'cache-references',
    'cache-misses',
    'branches',
    'branch-misses',
    'bus-cycles',
    'stalled-cycles-frontend',
    'stalled-cycles-backend',
    'ref-cycles',
  ],
  [
    'cpu-clock',
    'task-clock',
    'page-faults',
    'context-switches',
    'cpu-migrations',
    'minor-faults',
    'major-faults',
    'alignment-faults',
    'emulation-faults',
    'dummy',
    'bpf-output',
    'cgroup-switches',
  ],
]

function nameOf(type: number, config: number): string {
  return eventNames[type]?.[config] ?? `${typeNames[type] ?? `pmu ${type}`} ${config}`
}
