// pprof artefacts: a gzip member around one protobuf message.
//
// https://github.com/google/pprof/blob/main/proto/profile.proto. Every string of a profile lies in
// its string table, so the table is looked at whole, and nothing else of the message may hold text:
// a field that the format does not have, a length that does not fit, bytes after the end, a name or
// a comment in gzip's header are refused. Numbers are weights, addresses and indexes.

import { isUtf8 } from 'node:buffer'
import { crc32, inflateRawSync } from 'node:zlib'
import { bufferOf, refusal, type Scan } from './gate-scan.ts'

/** Looks at the string table, and lets nothing else hold a string. */
export function scanPprof(bytes: Uint8Array, scan: Scan): void {
  const inside = inflated(bytes)
  scan.unpacked(inside.length)
  const found: Found = { scan, strings: [], labels: [] }
  readMessage({ bytes: inside, at: 0, value: 0 }, inside.length, profile, found)
  if (found.strings[0] !== '') throw refusal('its string table does not begin empty', 'string 0')
  // A number may be personal when its key says so.
  for (const { key, value } of found.labels) {
    const name = found.strings[key] ?? ''
    if (personalKey.test(name)) scan.text(`${name} ${value}`, () => `a label's number`)
  }
}

interface Found {
  readonly scan: Scan
  readonly strings: string[]
  /** Of those that have a number. */
  readonly labels: { readonly key: number; readonly value: number }[]
}

const personalKey = /mobile|phone|msisdn|a{1,2}dh?a{1,2}r|card|pan|customer/i

/** What a field holds: a number, one or a packed list of them, a text, a message. */
type Kind = 'number' | 'numbers' | 'text' | Message

interface Message {
  readonly name: string
  readonly fields: ReadonlyMap<number, Kind>
}

/** A message whose first fields are numbers, and what the others are. */
function message(name: string, numbers: number, others: Record<number, Kind> = {}): Message {
  const fields = new Map<number, Kind>()
  for (let number = 1; number <= numbers; number++) fields.set(number, 'number')
  for (const [number, kind] of Object.entries(others)) fields.set(Number(number), kind)
  return { name, fields }
}

const valueType = message('a type', 2)
const label = message('a label', 4)
const line = message('a line', 3)
const profile = message('the profile', 15, {
  1: valueType,
  2: message('a sample', 0, { 1: 'numbers', 2: 'numbers', 3: label }),
  3: message('a mapping', 10),
  4: message('a location', 5, { 4: line }),
  5: message('a function', 5),
  6: 'text',
  11: valueType,
  13: 'numbers',
})

// Beyond any line of any file. Redaction leaves no larger one.
const maxLine = 100_000_000

/** Where we are, and the last number read: an object of its own for each would take seconds. */
interface Cursor {
  readonly bytes: Uint8Array
  at: number
  value: number
}

/** Messages lie in messages three deep and no deeper, by `profile`. */
function readMessage(cursor: Cursor, end: number, { name, fields }: Message, found: Found): void {
  let [key, value] = [0, 0]
  while (cursor.at < end) {
    found.scan.check(() => name)
    readVarint(cursor, end)
    const number = Math.floor(cursor.value / 8)
    const wire = cursor.value % 8
    const kind = fields.get(number)
    readVarint(cursor, end)
    if (wire === 0 && (kind === 'number' || kind === 'numbers')) {
      if (name === 'a line' && number >= 2 && cursor.value > maxLine) {
        throw refusal('a line has a number that no file has', name)
      }
      if (name === 'a label' && number === 1) key = cursor.value
      if (name === 'a label' && number === 3) value = cursor.value
      continue
    }
    if (wire !== 2 || kind === undefined || kind === 'number') {
      throw refusal('it has a field that pprof does not', `${name}, field ${number}`)
    }
    const after = cursor.at + cursor.value
    if (after > end) throw refusal('a field is longer than it can be', `${name}, field ${number}`)
    if (kind === 'numbers') while (cursor.at < after) readVarint(cursor, after)
    else if (kind === 'text') readText(cursor, after, found)
    else readMessage(cursor, after, kind, found)
  }
  if (value !== 0) found.labels.push({ key, value })
}

function readText(cursor: Cursor, end: number, { scan, strings }: Found): void {
  const bytes = cursor.bytes.subarray(cursor.at, end)
  // A name may have any character, a NUL too.
  if (!isUtf8(bytes)) throw refusal('it is not UTF-8', `string ${strings.length}`)
  const text = bufferOf(bytes).toString()
  cursor.at = end
  scan.text(text, () => `string ${strings.length}`)
  strings.push(text)
}

/** At most ten bytes, none of which could be left out: what is left over could hold anything. */
function readVarint(cursor: Cursor, end: number): void {
  let value = 0
  let scale = 1
  for (let index = 0; index < 10 && cursor.at < end; index++) {
    const byte = cursor.bytes[cursor.at++]!
    // Exact to 2^53, which is more than any length, index or personal number.
    value += (byte & 0x7f) * scale
    scale *= 128
    if (byte < 0x80) {
      if (byte === 0 && index > 0) break
      cursor.value = value
      return
    }
  }
  throw refusal('a number has more bytes than it needs, or too few', 'its protobuf')
}

// What the gate lets any artefact unpack to: no profile for people is larger.
const maxInflated = 256 * 1024 * 1024

/** RFC 1952, one member: a plain header of ten bytes, deflate, CRC-32 and length. */
function inflated(bytes: Uint8Array): Uint8Array {
  const header = 10
  const trailer = 8
  if (bytes.length < header + trailer || bytes[0] !== 0x1f || bytes[1] !== 0x8b || bytes[2] !== 8) {
    throw refusal('it is no gzip file', 'its first bytes')
  }
  if (bytes[3] !== 0) throw refusal('its gzip header has a name or a comment', 'its first bytes')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let inside: Uint8Array
  let consumed: number
  try {
    const result = inflateRawSync(bytes.subarray(header, bytes.length - trailer), {
      maxOutputLength: maxInflated,
      info: true,
    }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } }
    inside = result.buffer
    consumed = result.engine.bytesWritten
  } catch {
    throw refusal('its gzip data are broken or unpack to more than 256 MB', 'its bytes')
  }
  if (consumed !== bytes.length - header - trailer) {
    throw refusal('something follows its gzip data', 'its end')
  }
  if (
    view.getUint32(bytes.length - 8, true) !== crc32(inside) ||
    view.getUint32(bytes.length - 4, true) !== inside.length
  ) {
    throw refusal('its gzip checksum is wrong', 'its end')
  }
  return inside
}
