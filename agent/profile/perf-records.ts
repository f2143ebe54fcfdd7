// The records of perf.data that say what runs where: their numbers and layouts.
//
//     u32 type; u16 misc; u16 size; …     size counts these 8 bytes too
//
// https://man7.org/linux/man-pages/man2/perf_event_open.2.html (1 to 22) and
// https://github.com/torvalds/linux/blob/master/tools/perf/Documentation/perf.data-file-format.txt (64 and up).
//
// The trap: a text field ends at a NUL, is padded to 8 bytes, and the trailer
// of `sample_id_all` stands behind it, so a text without a NUL would run into
// the trailer. It ends there at the latest: `end` is where the trailer begins.

export const recordType = {
  mmap: 1,
  lost: 2,
  comm: 3,
  exit: 4,
  throttle: 5,
  unthrottle: 6,
  fork: 7,
  sample: 9,
  mmap2: 10,
  lostSamples: 13,
  switch: 14,
  switchCpuWide: 15,
  ksymbol: 17,
  callchainDeferred: 22,
  attr: 64,
  tracingData: 66,
  buildId: 67,
  finishedRound: 68,
  auxtrace: 71,
  eventUpdate: 78,
  feature: 80,
  compressed: 81,
  compressed2: 83,
} as const

// READ, AUX, ITRACE_START, NAMESPACES, BPF_EVENT, CGROUP, TEXT_POKE,
// AUX_OUTPUT_HW_ID; EVENT_TYPE, ID_INDEX, AUXTRACE_INFO, AUXTRACE_ERROR,
// THREAD_MAP, CPU_MAP, STAT_CONFIG, STAT, STAT_ROUND, TIME_CONV, FINISHED_INIT,
// BPF_METADATA.
const unusedTypes = new Set([
  8, 11, 12, 16, 18, 19, 20, 21, 65, 69, 70, 72, 73, 74, 75, 76, 77, 79, 82, 84,
])

/** Whether we know what a record is and need nothing of it. */
export function isUnused(type: number): boolean {
  return unusedTypes.has(type)
}

/** One piece of memory in two views. `words` starts where `bytes` does; both are little-endian. */
export interface RecordBytes {
  readonly bytes: Buffer
  readonly words: Int32Array
}

export function recordBytes(size: number): RecordBytes {
  const memory = new ArrayBuffer(size)
  return { bytes: Buffer.from(memory), words: new Int32Array(memory) }
}

/** 64 bits as a number: exact for every address that a kernel or a program can have, negative for the kernel's. */
export function int64(low: number, high: number): number {
  return high * 0x1_0000_0000 + (low >>> 0)
}

/** The markers in a call chain, which say whose addresses follow: the low half of each; the high half is -1. */
export const context = {
  hypervisor: -32,
  kernel: -128,
  user: -512,
  userDeferred: -640,
  guest: -2048,
  guestKernel: -2176,
  guestUser: -2560,
  /** No marker is below this one, and no address is above it. */
  last: -4095,
} as const

/** Whether 64 bits are a marker and not an address. */
export function isContext(low: number, high: number): boolean {
  return high === -1 && low < 0 && low >= context.last
}

/** 64 bits that count something. */
export function uint64(low: number, high: number): number {
  return (high >>> 0) * 0x1_0000_0000 + (low >>> 0)
}

export interface MmapRecord {
  readonly pid: number
  readonly isKernel: boolean
  /** Not executable: it only says that what was mapped there is gone. */
  readonly isData: boolean
  readonly start: number
  readonly end: number
  readonly fileOffset: number
  readonly path: string
  readonly inode?: number
  readonly device?: { readonly major: number; readonly minor: number }
  readonly buildId?: string
}

const mmapSize = 40
const mmap2Size = 72
// Bit 13 means another thing in each type of record.
const misc = {
  cpuMode: 7,
  kernel: 1,
  mmapData: 1 << 13,
  commExec: 1 << 13,
  forkExec: 1 << 13,
  buildId: 1 << 14,
}
const protExec = 4

/** MMAP or MMAP2, or undefined if it is too short to be one. */
export function readMmap(from: RecordBytes, at: number, end: number): MmapRecord | undefined {
  const { bytes, words } = from
  const word = at >> 2
  const isMmap2 = words[word] === recordType.mmap2
  const textAt = at + (isMmap2 ? mmap2Size : mmapSize)
  if (textAt > end) return undefined
  const flags = words[word + 1]! & 0xffff
  const isKernel = (flags & misc.cpuMode) === misc.kernel
  const start = int64(words[word + 4]!, words[word + 5]!)
  return {
    pid: words[word + 2]!,
    isKernel,
    // The kernel's own mappings have no protection bits: perf makes those records itself.
    isData:
      !isKernel && (isMmap2 ? (words[word + 16]! & protExec) === 0 : (flags & misc.mmapData) !== 0),
    start,
    end: start + uint64(words[word + 6]!, words[word + 7]!),
    fileOffset: int64(words[word + 8]!, words[word + 9]!),
    path: text(bytes, textAt, end),
    ...(isMmap2 ? identityOf(from, at, (flags & misc.buildId) !== 0) : {}),
  }
}

type Identity = Pick<MmapRecord, 'inode' | 'device' | 'buildId'>

function identityOf({ bytes, words }: RecordBytes, at: number, hasBuildId: boolean): Identity {
  if (hasBuildId) {
    const buildId = hex(bytes, at + 44, bytes[at + 40]!)
    return buildId === '' ? {} : { buildId }
  }
  const word = at >> 2
  const inode = uint64(words[word + 12]!, words[word + 13]!)
  if (inode === 0) return {}
  return { inode, device: { major: words[word + 10]! >>> 0, minor: words[word + 11]! >>> 0 } }
}

/** The longest build-id that perf has room for: a SHA-1. */
const maxBuildIdBytes = 20

export function hex(bytes: Buffer, at: number, length: number): string {
  return bytes.toString('hex', at, at + Math.min(length, maxBuildIdBytes))
}

export interface CommRecord {
  readonly pid: number
  readonly tid: number
  readonly comm: string
  readonly isExec: boolean
}

export function readComm(from: RecordBytes, at: number, end: number): CommRecord | undefined {
  if (at + 16 > end) return undefined
  const word = at >> 2
  return {
    pid: from.words[word + 2]!,
    tid: from.words[word + 3]!,
    comm: text(from.bytes, at + 16, end),
    isExec: (from.words[word + 1]! & misc.commExec) !== 0,
  }
}

export interface TaskRecord {
  readonly pid: number
  readonly parentPid: number
  readonly tid: number
  readonly parentTid: number
  /** perf tells of a process that ran before it came: nothing was copied from the parent. */
  readonly isExec: boolean
}

/** FORK or EXIT. */
export function readTask({ words }: RecordBytes, at: number, end: number): TaskRecord | undefined {
  if (at + 24 > end) return undefined
  const word = at >> 2
  return {
    pid: words[word + 2]!,
    parentPid: words[word + 3]!,
    tid: words[word + 4]!,
    parentTid: words[word + 5]!,
    isExec: (words[word + 1]! & misc.forkExec) !== 0,
  }
}

export interface KsymbolRecord {
  readonly start: number
  readonly end: number
  readonly isGone: boolean
  readonly name: string
}

export function readKsymbol(from: RecordBytes, at: number, end: number): KsymbolRecord | undefined {
  if (at + 24 > end) return undefined
  const word = at >> 2
  const start = int64(from.words[word + 2]!, from.words[word + 3]!)
  return {
    start,
    end: start + (from.words[word + 4]! >>> 0),
    isGone: ((from.words[word + 5]! >>> 16) & 1) !== 0,
    name: text(from.bytes, at + 24, end),
  }
}

export interface BuildIdRecord {
  readonly buildId: string
  readonly path: string
}

const buildIdHasSize = 1 << 15

/** HEADER_BUILD_ID, also as the BUILD_ID feature lists them. */
export function readBuildId(bytes: Buffer, at: number, end: number): BuildIdRecord | undefined {
  if (at + 36 > end) return undefined
  const hasSize = (bytes.readUInt16LE(at + 4) & buildIdHasSize) !== 0
  return {
    buildId: hex(bytes, at + 12, hasSize ? bytes[at + 32]! : maxBuildIdBytes),
    path: text(bytes, at + 36, end),
  }
}

/** The text at `at`, up to its NUL or `end`. */
export function text(bytes: Buffer, at: number, end: number): string {
  const field = bytes.subarray(at, end)
  const stop = field.indexOf(0)
  return field.toString('utf8', 0, stop < 0 ? field.length : stop)
}
