// Makes NetTrace streams by hand, for what no runtime writes on demand.

import type { EventMetadata } from '../../agent/profile/nettrace-events.ts'

export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, index * 4)
  return bytes
}

/** UTF-16 with its NUL. */
export function dotnetText(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'utf16le')
}

function typeOf(name: string, version: number): Buffer {
  return Buffer.concat([
    Buffer.of(5, 5, 1),
    uint32(version, version, name.length),
    Buffer.from(name),
    Buffer.of(6),
  ])
}

export interface MadeBlock {
  readonly name: string
  readonly payload: Buffer
  /** What it says of its size, where that is not true. */
  readonly size?: number
}

export function block(name: string, ...payload: readonly Buffer[]): MadeBlock {
  return { name, payload: Buffer.concat(payload) }
}

/** A whole stream: what it is, an empty description (8-byte pointers, a clock of ns), blocks, and the end. */
export function stream(...blocks: readonly MadeBlock[]): Buffer {
  const description = Buffer.alloc(48)
  description.writeBigUInt64LE(1_000_000_000n, 24)
  description.writeUInt32LE(8, 32)
  let bytes = Buffer.concat([
    Buffer.from('Nettrace'),
    uint32(20),
    Buffer.from('!FastSerialization.1'),
    typeOf('Trace', 4),
    description,
    Buffer.of(6),
  ])
  for (const { name, payload, size = payload.length } of blocks) {
    const head = Buffer.concat([bytes, typeOf(name, 2), uint32(size)])
    bytes = Buffer.concat([head, Buffer.alloc(-head.length & 3), payload, Buffer.of(6)])
  }
  return Buffer.concat([bytes, Buffer.of(1)])
}

export interface MadeEvent {
  readonly stack: number
  /** As the payload has it: 2, in managed code, unless it is said otherwise. */
  readonly type?: number
  /** Events before it that are missing. */
  readonly skipped?: number
}

const sample: EventMetadata = {
  id: 1,
  provider: 'Microsoft-DotNETCore-SampleProfiler',
  eventId: 0,
}
const rundown: EventMetadata = {
  id: 2,
  provider: 'Microsoft-Windows-DotNETRuntimeRundown',
  eventId: 144,
}

/** Samples of one thread, written by thread 7, with what they need; and a method `A.B.m` at 0x1000. */
export function sampleEvents(
  events: readonly MadeEvent[],
  stacks: MadeBlock,
  signature?: string,
): MadeBlock[] {
  let sequence = 0
  let timestamp = 1000n
  const blobs = events.map(({ stack, type = 2, skipped = 0 }) => {
    sequence += 1 + skipped
    timestamp += 1000n
    return plainEvent(sample.id, sequence, stack, timestamp, uint32(type))
  })
  if (signature !== undefined) {
    const numbers = Buffer.alloc(36)
    numbers.writeBigUInt64LE(0x1000n, 16)
    numbers.writeUInt32LE(0x100, 24)
    const names = ['A.B', 'm', signature].map(dotnetText)
    sequence++
    blobs.push(plainEvent(rundown.id, sequence, 0, timestamp, Buffer.concat([numbers, ...names])))
  }
  const metadata = [sample, rundown].map(({ id, provider, eventId }) => {
    const payload = Buffer.concat([
      uint32(id),
      dotnetText(provider),
      uint32(eventId),
      dotnetText(''),
    ])
    return plainEvent(0, 0, 0, 0n, payload)
  })
  const header = Buffer.concat([Buffer.from([20, 0, 0, 0]), Buffer.alloc(16)])
  return [
    block('MetadataBlock', header, ...metadata),
    stacks,
    block('EventBlock', header, ...blobs),
  ]
}

function plainEvent(
  metadataId: number,
  sequence: number,
  stack: number,
  timestamp: bigint,
  payload: Buffer,
): Buffer {
  const header = Buffer.alloc(80)
  header.writeUInt32LE(76 + payload.length, 0)
  header.writeUInt32LE(metadataId, 4)
  header.writeUInt32LE(sequence, 8)
  header.writeBigUInt64LE(42n, 12)
  header.writeBigUInt64LE(7n, 20)
  header.writeUInt32LE(stack, 32)
  header.writeBigUInt64LE(timestamp, 36)
  header.writeUInt32LE(payload.length, 76)
  return Buffer.concat([header, payload, Buffer.alloc(-payload.length & 3)])
}
