// The tables of a pprof profile: what its samples point at. See pprof.ts.

import { ProfilerError } from '../errors.ts'
import { WireError, WireReader, wire } from './protobuf.ts'

/** Of each table; two bytes of input make an entry of a hundred. */
const maxEntries = 4_000_000
/** Functions inlined at one address: compilers stop at tens. */
const maxLines = 1000
/** Heap profiles have four. Each is a column over the whole trie. */
const maxSampleTypes = 64

export interface FunctionEntry {
  readonly name: number
  readonly systemName: number
  readonly file: number
  readonly startLine: number
}

export interface LocationEntry {
  readonly mapping: number
  readonly address: number
  /** Function ids, innermost first. */
  readonly functions: readonly number[]
}

export interface MappingEntry {
  readonly start: number
  readonly offset: number
  readonly file: number
}

export interface Tables {
  readonly sampleTypes: { type: number; unit: number }[]
  readonly functions: Map<number, FunctionEntry>
  readonly locations: Map<number, LocationEntry>
  readonly mappings: Map<number, MappingEntry>
  defaultType: number
  string(index: number): string
}

/** @throws {WireError} or {ProfilerError} `SP_LIMIT` */
export function readTables(bytes: Buffer): Tables {
  const strings: { start: number; stop: number }[] = []
  const decoded = new Map<number, string>()
  const tables: Tables = {
    sampleTypes: [],
    functions: new Map(),
    locations: new Map(),
    mappings: new Map(),
    defaultType: 0,
    string(index) {
      const place = strings[index]
      if (place === undefined) throw new WireError(`there is no string ${index}`)
      let text = decoded.get(index)
      if (text === undefined) {
        text = bytes.toString('utf8', place.start, place.stop)
        decoded.set(index, text)
      }
      return text
    },
  }
  const reader = new WireReader(bytes)
  while (reader.next()) {
    const { field } = reader
    if (field >= 1 && field <= 6 && reader.type !== wire.bytes)
      throw new WireError(`field ${field}`)
    if (field === 1) tables.sampleTypes.push(readValueType(reader.message()))
    else if (field === 3) put(tables.mappings, reader.message(), readMapping)
    else if (field === 4) put(tables.locations, reader.message(), readLocation)
    else if (field === 5) put(tables.functions, reader.message(), readFunction)
    else if (field === 6) strings.push({ start: reader.start, stop: reader.stop })
    else if (field === 14) tables.defaultType = reader.value
    if (strings.length > maxEntries || tables.sampleTypes.length > maxSampleTypes) tooMany()
  }
  if (tables.sampleTypes.length === 0) throw new WireError('it has no sample type')
  return tables
}

function put<Entry>(
  table: Map<number, Entry>,
  message: WireReader,
  read: (message: WireReader) => { id: number; entry: Entry },
): void {
  const { id, entry } = read(message)
  table.set(id, entry)
  if (table.size > maxEntries) tooMany()
}

function tooMany(): never {
  throw new ProfilerError(
    'SP_LIMIT',
    `a table of the pprof profile has more than ${maxEntries} entries`,
  )
}

function readValueType(message: WireReader): { type: number; unit: number } {
  const found = { type: 0, unit: 0 }
  while (message.next()) {
    if (message.field === 1) found.type = message.value
    else if (message.field === 2) found.unit = message.value
  }
  return found
}

function readMapping(message: WireReader): { id: number; entry: MappingEntry } {
  let id = 0
  const entry = { start: 0, offset: 0, file: 0 }
  while (message.next()) {
    if (message.field === 1) id = message.value
    else if (message.field === 2) entry.start = message.value
    else if (message.field === 4) entry.offset = message.value
    else if (message.field === 5) entry.file = message.value
  }
  return { id, entry }
}

function readLocation(message: WireReader): { id: number; entry: LocationEntry } {
  let id = 0
  const functions: number[] = []
  const entry = { mapping: 0, address: 0, functions }
  while (message.next()) {
    if (message.field === 1) id = message.value
    else if (message.field === 2) entry.mapping = message.value
    else if (message.field === 3) entry.address = message.value
    else if (message.field === 4) functions.push(readLine(message.message()))
    if (functions.length > maxLines) {
      throw new ProfilerError(
        'SP_LIMIT',
        `a location of the pprof profile has over ${maxLines} lines`,
      )
    }
  }
  return { id, entry }
}

/** The id of the line's function. */
function readLine(message: WireReader): number {
  let id = 0
  while (message.next()) if (message.field === 1) id = message.value
  return id
}

function readFunction(message: WireReader): { id: number; entry: FunctionEntry } {
  let id = 0
  const entry = { name: 0, systemName: 0, file: 0, startLine: 0 }
  while (message.next()) {
    if (message.field === 1) id = message.value
    else if (message.field === 2) entry.name = message.value
    else if (message.field === 3) entry.systemName = message.value
    else if (message.field === 4) entry.file = message.value
    else if (message.field === 5) entry.startLine = message.value
  }
  return { id, entry }
}
