// Writes small perf.data recordings, so that a test can say what no machine at
// hand records.

export function u16(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2)
  for (const [index, value] of values.entries()) bytes.writeUInt16LE(value, index * 2)
  return bytes
}

export function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, index * 4)
  return bytes
}

export function u64(...values: (number | bigint)[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8)
  for (const [index, value] of values.entries()) {
    bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), index * 8)
  }
  return bytes
}

/** With its NUL, padded to 8 bytes. */
export function padded(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([bytes, Buffer.alloc(8 - (bytes.length % 8))])
}

export function record(type: number, misc: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([u32(type), u16(misc, body.length + 8), body])
}

export const bit = {
  ip: 1,
  tid: 2,
  time: 4,
  addr: 8,
  read: 16,
  callchain: 32,
  id: 64,
  cpu: 128,
  period: 256,
  streamId: 512,
  raw: 1024,
  branchStack: 2048,
  regsUser: 4096,
  stackUser: 8192,
  identifier: 65536,
}

export interface AttrFields {
  type?: number
  config?: number
  /** With `freq` it is a rate. */
  period?: number
  freq?: boolean
  sampleType: number
  readFormat?: number
  sampleIdAll?: boolean
  branches?: number
  userRegisters?: bigint
  /** SWITCH records are asked for. */
  switches?: boolean
  maxStack?: number
  size?: number
}

/** An attribute of 112 bytes. */
export function attr(fields: AttrFields): Buffer {
  const { type = 1, config = 0, period = 1, freq = false, sampleType, size = 112 } = fields
  const bytes = Buffer.alloc(112)
  bytes.writeUInt32LE(type, 0)
  bytes.writeUInt32LE(size, 4)
  u64(config, period, sampleType, fields.readFormat ?? 0).copy(bytes, 8)
  const flags =
    (freq ? 1 << 10 : 0) |
    ((fields.sampleIdAll ?? true) ? 1 << 18 : 0) |
    (fields.switches ? 1 << 26 : 0)
  u64(flags).copy(bytes, 40)
  u64(fields.branches ?? 0, fields.userRegisters ?? 0n).copy(bytes, 72)
  bytes.writeUInt16LE(fields.maxStack ?? 0, 108)
  return bytes
}

/** IP, TID, TIME, CALLCHAIN, PERIOD: what `perf record -g` asks for with one event. */
export const usual: AttrFields = {
  sampleType: bit.ip | bit.tid | bit.time | bit.callchain | bit.period,
  freq: true,
  period: 99,
}

export const header = Buffer.concat([Buffer.from('PERFILE2'), u64(16)])

/** A recording in the form of a pipe, of one usual event unless `events` says otherwise. */
export function pipe(
  records: readonly Buffer[],
  events: readonly Buffer[] = [event(usual)],
): Buffer {
  return Buffer.concat([header, ...events, ...records])
}

export function event(fields: AttrFields, ...ids: number[]): Buffer {
  return record(64, 0, attr(fields), u64(...ids))
}

export const marker = { kernel: -128n, user: -512n, deferred: -640n, guest: -2048n }

export interface SampleFields {
  ip?: number | bigint
  pid?: number
  tid?: number
  time?: number | bigint
  period?: number
  chain?: readonly (number | bigint)[]
  misc?: number
}

/** A sample of the usual event. Its chain is in user mode unless it begins with a marker. */
export function sample(fields: SampleFields = {}): Buffer {
  const { ip = 0x1000, pid = 10, tid = pid, time = 1000, period = 1, misc = 2 } = fields
  const chain = fields.chain ?? [marker.user, ip]
  return record(9, misc, u64(ip), u32(pid, tid), u64(time, period, chain.length), u64(...chain))
}

/** What stands behind other records with the usual event: TID and TIME. */
function trailer(time: number): Buffer {
  return Buffer.concat([u32(0, 0), u64(time)])
}

export interface MmapFields {
  pid?: number
  start: number | bigint
  size: number | bigint
  fileOffset?: number | bigint
  path: string
  time?: number
  inode?: number
  protection?: number
  misc?: number
}

export function mmap2(fields: MmapFields): Buffer {
  const { pid = 10, start, size, fileOffset = 0, path, time = 0 } = fields
  return record(
    10,
    fields.misc ?? 2,
    u32(pid, pid),
    u64(start, size, fileOffset),
    u32(8, 1),
    u64(fields.inode ?? 0, 0),
    u32(fields.protection ?? 5, 2),
    padded(path),
    trailer(time),
  )
}

/** An older record, without inode and protection; also how the kernel's own mappings come. */
export function mmap(fields: MmapFields): Buffer {
  const { pid = 10, start, size, fileOffset = 0, path, time = 0, misc = 2 } = fields
  return record(1, misc, u32(pid, pid), u64(start, size, fileOffset), padded(path), trailer(time))
}

export function comm(pid: number, tid: number, name: string, time = 0, isExec = false): Buffer {
  return record(3, isExec ? 1 << 13 : 0, u32(pid, tid), padded(name), trailer(time))
}

export function fork(pid: number, parentPid: number, time: number, tid = pid): Buffer {
  return record(7, 0, u32(pid, parentPid, tid, parentPid), u64(time), trailer(time))
}

export function exit(pid: number, tid: number, time: number): Buffer {
  return record(4, 0, u32(pid, pid, tid, pid), u64(time), trailer(time))
}

export const finishedRound = record(68, 0)

/** A small generator of reproducible noise: the same seed, the same numbers below `limit`. */
export function noise(seed: number): (limit: number) => number {
  let state = seed >>> 0
  return limit => {
    // Marsaglia's xorshift32.
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % limit
  }
}
