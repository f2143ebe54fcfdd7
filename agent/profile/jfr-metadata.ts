// What the events and constants of a JFR chunk are made of: each chunk says it
// itself, in its metadata event.
//
//     size, type 0, start, duration, id, texts, then one tree of elements:
//     element = name, attributes (key, value)…, elements…      all but the tree by index into the texts
//
//     root ─ metadata ─ class id="101" name="jdk.ExecutionSample"
//                         └ field name="stackTrace" class="37" constantPool="true"
//
// https://openjdk.org/jeps/328, jdk.jfr.internal.MetadataReader.
//
// The trap: a type may hold itself, and a few types that hold each other twice
// over are a billion fields. So a type knows how many numbers it has, and the
// sum is bounded before anything is walked.

import { type JfrCursor, malformedJfr, type Primitive } from './jfr-bytes.ts'

export interface JfrField {
  readonly name: string
  readonly type: JfrType
  /** It is the id of a constant, in the pool of its type. */
  readonly isConstant: boolean
  readonly isArray: boolean
  /** Of a number that is a time: `TICKS`, `NANOSECONDS`. */
  readonly unit: string | undefined
}

export interface JfrType {
  readonly id: number
  readonly name: string
  readonly primitive: Primitive | undefined
  readonly fields: readonly JfrField[]
}

export type JfrTypes = ReadonlyMap<number, JfrType>

/** @throws {ProfilerError} `SP_JFR_MALFORMED` */
export function readJfrTypes(cursor: JfrCursor): JfrTypes {
  const start = cursor.at
  const size = cursor.number('int')
  if (!(size > 0 && size <= cursor.end - start)) throw malformedJfr('its metadata is cut')
  cursor.end = start + size
  if (cursor.number('long') !== metadataEvent) throw malformedJfr('its metadata is none')
  for (const _ of ['start', 'duration', 'id']) cursor.number('long')
  const texts: string[] = []
  const textCount = cursor.count()
  if (textCount > maxElements) throw malformedJfr(`its metadata has ${textCount} texts`)
  for (let left = textCount; left > 0; left--) texts.push(String(cursor.text() ?? ''))
  const root = readElement({ cursor, texts, left: maxElements }, 0)
  const classes = root.elements
    .filter(({ name }) => name === 'metadata')
    .flatMap(({ elements }) => elements.filter(({ name }) => name === 'class'))
  return typesOf(classes)
}

/**
 * The least bytes that a value of a type has, which is how many numbers it has; arrays are one.
 *
 * @throws {ProfilerError} `SP_JFR_MALFORMED` for one that holds itself, or is absurdly large
 */
export function leastBytesOf(type: JfrType, outer: readonly JfrType[] = []): number {
  if (type.primitive !== undefined) return 1
  const known = sizes.get(type)
  if (known !== undefined) return known
  if (outer.includes(type) || outer.length > maxNesting) {
    throw malformedJfr(`${type.name} holds itself`)
  }
  let size = 0
  for (const { type: inner, isConstant, isArray } of type.fields) {
    size += isConstant || isArray ? 1 : leastBytesOf(inner, [...outer, type])
    if (size > maxNumbers) throw malformedJfr(`${type.name} has more than ${maxNumbers} fields`)
  }
  sizes.set(type, size)
  return size
}

const sizes = new WeakMap<JfrType, number>()

const metadataEvent = 0
// The deepest are five: root, metadata, class, field, annotation.
const maxNesting = 16
// A JDK with its 200 events has some 10,000, and an application may add its own.
const maxElements = 1 << 18
// The largest event of a JDK has some forty.
const maxNumbers = 1000

interface Element {
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  readonly elements: readonly Element[]
}

interface Description {
  readonly cursor: JfrCursor
  readonly texts: readonly string[]
  /** How many elements there may be still. */
  left: number
}

function readElement(from: Description, depth: number): Element {
  const { cursor, texts } = from
  if (depth > maxNesting || from.left-- === 0) throw malformedJfr('its metadata has no end')
  const text = () => texts[cursor.number('int')] ?? ''
  const name = text()
  const attributes = new Map<string, string>()
  for (let left = cursor.count(2); left > 0; left--) {
    const key = text()
    attributes.set(key, text())
  }
  const elements: Element[] = []
  for (let left = cursor.count(3); left > 0; left--) elements.push(readElement(from, depth + 1))
  return { name, attributes, elements }
}

const primitives: ReadonlySet<string> = new Set<Primitive>([
  ...(['boolean', 'byte', 'char', 'short', 'int', 'long', 'float', 'double'] as const),
  'java.lang.String',
])

function typesOf(classes: readonly Element[]): JfrTypes {
  const types = new Map<number, JfrType & { fields: JfrField[] }>()
  for (const { attributes } of classes) {
    const id = Number(attributes.get('id'))
    const name = attributes.get('name') ?? ''
    const primitive = primitives.has(name) ? (name as Primitive) : undefined
    types.set(id, { id, name, primitive, fields: [] })
  }
  for (const { attributes, elements } of classes) {
    const { fields } = types.get(Number(attributes.get('id')))!
    for (const element of elements) {
      if (element.name !== 'field') continue
      const type = types.get(Number(element.attributes.get('class')))
      if (type === undefined) throw malformedJfr('a field is of a type that it lacks')
      fields.push({
        name: element.attributes.get('name') ?? '',
        type,
        isConstant: element.attributes.get('constantPool') === 'true',
        isArray: Number(element.attributes.get('dimension') ?? 0) > 0,
        unit: unitOf(element),
      })
    }
  }
  return types
}

function unitOf({ elements }: Element): string | undefined {
  const values = elements.map(({ attributes }) => attributes.get('value'))
  return values.find(value => value === 'TICKS' || value === 'NANOSECONDS')
}
