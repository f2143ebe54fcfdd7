// Steps over the values of a JFR chunk, and picks numbers out of them.

import type { JfrCursor } from './jfr-bytes.ts'
import { malformedJfr } from './jfr-bytes.ts'
import { type JfrField, type JfrType, leastBytesOf } from './jfr-metadata.ts'

export function skipValue(cursor: JfrCursor, type: JfrType, depth = 0): void {
  if (type.primitive !== undefined) {
    cursor.skipPrimitive(type.primitive)
    return
  }
  leastBytesOf(type)
  for (const field of type.fields) skipField(cursor, field, depth)
}

export function skipField(cursor: JfrCursor, field: JfrField, depth = 0): void {
  // Types may hold themselves in arrays; a stack in a stack in a stack is no JVM's.
  if (depth > maxDepth) throw malformedJfr(`values of ${field.type.name} are nested too deeply`)
  if (!field.isArray) {
    skipOne(cursor, field, depth)
    return
  }
  for (let left = countOf(cursor, field); left > 0; left--) skipOne(cursor, field, depth)
}

/** How many elements an array has that begins here. */
export function countOf(cursor: JfrCursor, { type, isConstant }: JfrField): number {
  const leastBytes = isConstant ? 1 : leastBytesOf(type)
  if (leastBytes === 0) throw malformedJfr(`an array of ${type.name}, which is nothing`)
  return cursor.count(leastBytes)
}

/**
 * What takes the numbers of these fields, in this order, from a value: whole numbers and ids of
 * constants. What the type lacks is 0, and so is what is neither.
 */
export function numbersOf(
  { fields }: JfrType,
  names: readonly string[],
): (cursor: JfrCursor, into: Float64Array) => void {
  const steps = fields.map(field => {
    const isNumber = field.isConstant || field.type.primitive !== undefined
    return { field, slot: isNumber && !field.isArray ? names.indexOf(field.name) : -1 }
  })
  return (cursor, into) => {
    into.fill(0, 0, names.length)
    for (const { field, slot } of steps) {
      if (slot < 0) skipField(cursor, field)
      else if (field.isConstant) into[slot] = cursor.number('long')
      else into[slot] = cursor.whole(field.type.primitive!)
    }
  }
}

/** A text that is a field of the value here: what it says, or its id in the pool of texts. */
export function textIn(cursor: JfrCursor, type: JfrType): string | number | undefined {
  if (type.primitive === 'java.lang.String') return cursor.text()
  for (const field of type.fields) {
    const isText = field.type.primitive === 'java.lang.String' && !field.isArray
    if (isText) return field.isConstant ? cursor.number('long') : cursor.text()
    skipField(cursor, field)
  }
  return undefined
}

const maxDepth = 16

function skipOne(cursor: JfrCursor, { type, isConstant }: JfrField, depth: number): void {
  if (isConstant) cursor.number('long')
  else skipValue(cursor, type, depth + 1)
}
