// What a recording says about itself besides its records: the names of its
// events, how many CPUs, which perf and which kernel.
//
// A file has these features behind its data, a table first: (offset, size) for
// each bit of the header's bitmap, from the lowest. A pipe has one FEATURE
// record for each, which is the same bytes.
// https://github.com/torvalds/linux/blob/master/tools/perf/Documentation/perf.data-file-format.txt
//
// HOSTNAME and CMDLINE are among them. They are personal, so they are not read.

import { type BuildIdRecord, readBuildId, text } from './perf-records.ts'

export interface PerfFeatures {
  perfVersion?: string
  kernelRelease?: string
  architecture?: string
  /** CPUs that were online. */
  cpus?: number
  /** In the order of the attributes. */
  events: readonly EventDescription[]
  readonly buildIds: BuildIdRecord[]
}

export interface EventDescription {
  readonly name: string
  readonly ids: readonly number[]
}

const feature = { buildId: 2, osRelease: 4, version: 5, arch: 6, nrCpus: 7, eventDesc: 12 }
const bitmapBits = 256
// As many as files can be told apart: see perf-modules.ts.
const mostBuildIds = 65_536

/**
 * Reads the features of a file from its end.
 *
 * @param tail what stands behind the data, from `tailAt` in the file.
 * @returns false if a feature that is announced is not there, whole or in part.
 */
export function readFeatures(
  into: PerfFeatures,
  bitmap: Buffer,
  tail: Buffer,
  tailAt: number,
): boolean {
  let isWhole = true
  let entry = 0
  for (let bit = 0; bit < bitmapBits; bit++) {
    if ((bitmap[bit >> 3]! & (1 << (bit & 7))) === 0) continue
    if (entry + 16 > tail.length) return false
    const at = Number(tail.readBigUInt64LE(entry)) - tailAt
    const size = Number(tail.readBigUInt64LE(entry + 8))
    entry += 16
    if (at < 0 || size > tail.length - at) isWhole = false
    else readFeature(into, bit, tail.subarray(at, at + size))
  }
  return isWhole
}

/** Reads one feature. What it has no room for is left out. */
export function readFeature(into: PerfFeatures, id: number, data: Buffer): void {
  if (id === feature.eventDesc) into.events = [...eventDescriptions(data)]
  else if (id === feature.buildId) for (const found of buildIds(data)) addBuildId(into, found)
  else if (id === feature.nrCpus && data.length >= 8) into.cpus = data.readUInt32LE(4)
  else if (id === feature.version) into.perfVersion = sizedText(data, 0)
  else if (id === feature.osRelease) into.kernelRelease = sizedText(data, 0)
  else if (id === feature.arch) into.architecture = sizedText(data, 0)
}

export function addBuildId(into: PerfFeatures, found: BuildIdRecord): void {
  if (into.buildIds.length < mostBuildIds) into.buildIds.push(found)
}

/** EVENT_DESC: u32 count, u32 size of an attribute; for each: the attribute, u32 ids, the name, the ids. */
function* eventDescriptions(data: Buffer): Generator<EventDescription> {
  if (data.length < 8) return
  const attrSize = data.readUInt32LE(4)
  let at = 8
  for (let left = data.readUInt32LE(0); left > 0; left--) {
    at += attrSize
    if (at + 8 > data.length) return
    const idCount = data.readUInt32LE(at)
    const nameSize = data.readUInt32LE(at + 4)
    const idsAt = at + 8 + nameSize
    if (idsAt + idCount * 8 > data.length) return
    yield { name: sizedText(data, at + 4), ids: readIds(data.subarray(idsAt, idsAt + idCount * 8)) }
    at = idsAt + idCount * 8
  }
}

function* buildIds(data: Buffer): Generator<BuildIdRecord> {
  for (let at = 0; at + 8 <= data.length; ) {
    const size = data.readUInt16LE(at + 6)
    if (size < 8 || at + size > data.length) return
    const record = readBuildId(data, at, at + size)
    if (record !== undefined) yield record
    at += size
  }
}

/** A row of 64-bit ids. They count up from 1, so a number holds them. */
export function readIds(bytes: Buffer): number[] {
  const ids: number[] = []
  for (let at = 0; at + 8 <= bytes.length; at += 8) ids.push(Number(bytes.readBigUInt64LE(at)))
  return ids
}

/** u32 size, then so many bytes, padded with NULs. */
function sizedText(data: Buffer, at: number): string {
  if (at + 4 > data.length) return ''
  return text(data, at + 4, Math.min(data.length, at + 4 + data.readUInt32LE(at)))
}
