// pprof's profile.proto, usually gzipped: what Go, and much else, answers at
// /debug/pprof. https://github.com/google/pprof/blob/main/proto/profile.proto
//
// A sample is a list of locations, leaf first, and one value for each sample
// type. A location is an address, and its lines are the functions there: more
// than one when calls were inlined, the *innermost first*; the last is the
// function that the others were inlined into.
//
// Everything points at everything by id or by string index, in any order, so the
// whole message has to be there before the first stack can be read.
//
// A frame of ours is a function, so its line is where the function starts, when
// the file knows. The sampled line would draw one function as several.

import { ProfilerError } from '../errors.ts'
import { kindOfMark } from './frame-text.ts'
import { gunzip, isGzip } from './gunzip.ts'
import type { Chunks } from './lines.ts'
import { isKernelModule } from './perf-script-frame.ts'
import type { FunctionEntry, LocationEntry, MappingEntry, Tables } from './pprof-tables.ts'
import { readTables } from './pprof-tables.ts'
import { type Frame, noCaller, type ProfileBuilder, type Unit } from './profile.ts'
import { WireError, WireReader, wire } from './protobuf.ts'

export { printPprof } from './pprof-print.ts'

/** Inflated. The largest heap profiles of large services are tens of megabytes. */
const maxBytes = 256 * 1024 * 1024

/**
 * Reads a pprof profile, gzipped or not. Every sample type is a column, the
 * default one (the last, if the file names none) first, as pprof itself shows it.
 *
 * @throws {ProfilerError} `SP_PPROF_MALFORMED`, or `SP_LIMIT` when it inflates to more than 256 MiB.
 */
export async function readPprof(chunks: Chunks, builder: ProfileBuilder): Promise<void> {
  let bytes = await gathered(chunks)
  if (isGzip(bytes)) {
    const cut = new WireError('the gzip stream is cut')
    bytes = await gathered(
      gunzip([bytes], () => {
        throw malformed(cut)
      }),
    )
  }
  try {
    readSamples(bytes, readTables(bytes), builder)
  } catch (error) {
    throw error instanceof WireError ? malformed(error) : error
  }
}

/** True when the bytes step through the fields of a profile, and one of them is a sample type. */
export function detectPprof(head: Uint8Array): boolean | undefined {
  if (head.length === 0) return undefined
  const reader = new WireReader(head)
  let hasType = false
  try {
    while (reader.next()) {
      const { field, type } = reader
      if (field < fieldTypes.length && !fieldTypes[field]!.includes(type)) return false
      if (field === 1 && !isValueType(reader.message())) return false
      if (field === 1) hasType = true
    }
  } catch {
    // The head, or a cut file, ends inside of a field: those before it have been looked at.
  }
  return hasType
}

/** The wire types that each field of Profile may have; what comes later we do not know. */
const fieldTypes: readonly (readonly number[])[] = [
  [],
  ...Array.from({ length: 6 }, () => [wire.bytes]),
  ...Array.from({ length: 4 }, () => [wire.varint]),
  [wire.bytes],
  [wire.varint],
  [wire.bytes, wire.varint],
  [wire.varint],
  [wire.varint],
]

function isValueType(message: WireReader): boolean {
  if (message.at === message.end) return false
  while (message.next()) if (message.field > 2 || message.type !== wire.varint) return false
  return true
}

function malformed(cause: WireError): ProfilerError {
  return new ProfilerError(
    'SP_PPROF_MALFORMED',
    `the pprof profile is malformed: ${cause.message}`,
    {
      cause,
    },
  )
}

async function gathered(chunks: Chunks): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunks) {
    // A copy: who streams may use its buffer again.
    parts.push(Uint8Array.from(chunk))
    length += chunk.length
    if (length > maxBytes) {
      throw new ProfilerError('SP_LIMIT', `the pprof profile is larger than ${maxBytes} bytes`)
    }
  }
  return Buffer.concat(parts, length)
}

function readSamples(bytes: Buffer, tables: Tables, builder: ProfileBuilder): void {
  const columns = readColumns(tables, builder)
  const framesOf = new Map<number, readonly number[]>()
  const locations: number[] = []
  const values: number[] = []
  let labelled = 0
  const reader = new WireReader(bytes)
  while (reader.next()) {
    if (reader.field !== 2) continue
    locations.length = 0
    values.length = 0
    let hasLabels = false
    const sample = reader.message()
    while (sample.next()) {
      if (sample.field === 1) sample.numbers(id => locations.push(id))
      else if (sample.field === 2) sample.numbers(value => values.push(value))
      else if (sample.field === 3) hasLabels = true
    }
    if (hasLabels) labelled++
    if (values.length !== columns.length) {
      throw new WireError(`a sample has ${values.length} values for ${columns.length} sample types`)
    }
    let stack = noCaller
    for (let at = locations.length - 1; at >= 0; at--) {
      const id = locations[at]!
      let frames = framesOf.get(id)
      if (frames === undefined) {
        frames = readFrames(id, tables).map(frame => builder.frame(frame))
        framesOf.set(id, frames)
      }
      for (const frame of frames) stack = builder.stack(stack, frame)
    }
    if (stack === noCaller) stack = builder.stack(noCaller, builder.frame(noStack))
    for (const [index, { column, scale }] of columns.entries()) {
      const value = values[index]! * scale
      if (value !== 0) builder.add(stack, column, value)
    }
  }
  if (labelled > 0)
    builder.note(`${labelled} samples of the pprof profile have labels, which are left out.`)
}

const noStack: Frame = { name: '[no stack]', kind: 'unknown', reason: 'unnamed by the tool' }

/** The columns in the order of the sample's values, made in the order in which they are shown. */
function readColumns(tables: Tables, builder: ProfileBuilder): { column: number; scale: number }[] {
  const types = tables.sampleTypes.map(({ type, unit }) => {
    const name = tables.string(type)
    return { name, ...unitOf(name, tables.string(unit)) }
  })
  const named = tables.string(tables.defaultType)
  const first = types.findIndex(({ name }) => name === named)
  const shown = types.at(first < 0 ? -1 : first)!
  const events = eventsOf(types)
  builder.column(events.get(shown.name)!, shown.unit)
  return types.map(({ name, unit, scale }) => {
    return { column: builder.column(events.get(name)!, unit), scale }
  })
}

/** The event of each sample type. Our writer appends the unit to those that share their event. */
function eventsOf(types: readonly { name: string; unit: Unit }[]): Map<string, string> {
  const bare = types.map(({ name, unit }) => {
    return name.endsWith(`_${unit}`) ? name.slice(0, -unit.length - 1) : name
  })
  return new Map(
    types.map(({ name }, index) => {
      const isShared = bare.filter(event => event === bare[index]).length > 1
      return [name, isShared ? bare[index]! : name]
    }),
  )
}

const units: ReadonlyMap<string, { unit: Unit; scale: number }> = new Map([
  ['samples', { unit: 'samples', scale: 1 }],
  ['nanoseconds', { unit: 'nanoseconds', scale: 1 }],
  ['microseconds', { unit: 'nanoseconds', scale: 1e3 }],
  ['milliseconds', { unit: 'nanoseconds', scale: 1e6 }],
  ['seconds', { unit: 'nanoseconds', scale: 1e9 }],
  ['bytes', { unit: 'bytes', scale: 1 }],
  ['kilobytes', { unit: 'bytes', scale: 1024 }],
  ['megabytes', { unit: 'bytes', scale: 1024 * 1024 }],
] as const)

function unitOf(type: string, unit: string): { unit: Unit; scale: number } {
  if (type === 'samples' && unit === 'count') return { unit: 'samples', scale: 1 }
  return units.get(unit) ?? { unit: 'count', scale: 1 }
}

/** The functions of a location, outermost first. */
function readFrames(id: number, tables: Tables): Frame[] {
  const location = tables.locations.get(id)
  if (location === undefined) {
    return [{ name: '[unknown]', kind: 'unknown', reason: 'malformed file' }]
  }
  const mapping = tables.mappings.get(location.mapping)
  const module = mapping === undefined ? '' : tables.string(mapping.file)
  if (location.functions.length === 0) return [addressFrame(location, mapping, module)]
  return location.functions
    .map((functionId, index) => {
      const isInlined = index < location.functions.length - 1
      return functionFrame(tables.functions.get(functionId), isInlined, module, tables)
    })
    .reverse()
}

function addressFrame(
  { address }: LocationEntry,
  mapping: MappingEntry | undefined,
  module: string,
): Frame {
  const base = module.slice(module.lastIndexOf('/') + 1) || '[unknown]'
  const offset = mapping === undefined ? address : address - mapping.start + mapping.offset
  const name = offset < 0 ? base : `${base}+0x${offset.toString(16)}`
  return { name, kind: 'unknown', ...(module && { module }), reason: 'unnamed by the tool' }
}

function functionFrame(
  entry: FunctionEntry | undefined,
  isInlined: boolean,
  module: string,
  tables: Tables,
): Frame {
  const systemName = entry === undefined ? '' : tables.string(entry.systemName)
  const name = (entry === undefined ? '' : tables.string(entry.name)) || systemName
  if (entry === undefined || name === '') {
    return { name: '[unknown]', kind: 'unknown', reason: 'malformed file' }
  }
  const file = tables.string(entry.file)
  const place = {
    ...(module && { module }),
    ...(file && { file }),
    ...(entry.startLine > 0 && { line: entry.startLine }),
  }
  // Our own writer says in the system name how the function ran.
  const marked = systemName.startsWith(name) ? kindOfMark(systemName.slice(name.length)) : undefined
  if (marked === 'unknown') return { name, kind: marked, ...place, reason: 'unnamed by the tool' }
  if (marked !== undefined) return { name, kind: marked, ...place }
  if (isKernelModule(module)) return { name, kind: 'kernel', ...place }
  return { name, kind: isInlined ? 'inlined' : 'native', ...place }
}
