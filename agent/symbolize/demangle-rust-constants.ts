// Constants in Rust's v0 mangling: the arguments of `const` parameters and the
// lengths of arrays.
//
// https://doc.rust-lang.org/rustc/symbol-mangling/v0.html#const

import {
  backReference,
  commaSeparated,
  eat,
  enter,
  fail,
  identifier,
  peek,
  put,
  type Reader,
  tagged62,
  take,
} from './demangle-rust-reader.ts'
import { path } from './demangle-rust-v0.ts'

/** A constant. What is more than a literal has braces around it, but not within another one. */
export function constant(r: Reader, isPart = false): void {
  enter(r)
  const start = r.at
  const code = take(r)
  const isLiteral = code !== 'R' || peek(r) === 'e'
  const hasBraces = !isPart && ('eQATV'.includes(code) || !isLiteral)
  if (hasBraces) put(r, '{')
  switch (code) {
    case 'p':
      put(r, '_')
      break
    case 'B':
      backReference(r, start, () => constant(r, isPart))
      break
    case 'b':
      put(r, booleanOf(hexadecimal(r)))
      break
    case 'c':
      put(r, quotedCharacter(hexadecimal(r)))
      break
    case 'e':
      // A string itself; one behind a reference is how a literal is written.
      put(r, `*${quotedString(hexadecimal(r))}`)
      break
    case 'R':
      if (eat(r, 'e')) put(r, quotedString(hexadecimal(r)))
      else referenced(r, '&')
      break
    case 'Q':
      referenced(r, '&mut ')
      break
    case 'A':
      put(r, '[')
      commaSeparated(r, part)
      put(r, ']')
      break
    case 'T':
      put(r, '(')
      if (commaSeparated(r, part) === 1) put(r, ',')
      put(r, ')')
      break
    case 'V':
      variant(r)
      break
    default:
      if (!'ahijlmnostxy'.includes(code)) fail()
      if (eat(r, 'n')) put(r, '-')
      put(r, integerOf(hexadecimal(r)))
  }
  if (hasBraces) put(r, '}')
  r.depth--
}

function part(r: Reader): void {
  constant(r, true)
}

function referenced(r: Reader, mark: string): void {
  put(r, mark)
  part(r)
}

/** A struct's or enum's value: its path, then `U` nothing, `T` a tuple, `S` named fields. */
function variant(r: Reader): void {
  path(r, true)
  switch (take(r)) {
    case 'U':
      break
    case 'T':
      put(r, '(')
      commaSeparated(r, part)
      put(r, ')')
      break
    case 'S':
      put(r, ' { ')
      commaSeparated(r, field)
      put(r, ' }')
      break
    default:
      fail()
  }
}

function field(r: Reader): void {
  tagged62(r, 's')
  put(r, `${identifier(r)}: `)
  part(r)
}

/** Hex digits up to an underscore. */
function hexadecimal(r: Reader): string {
  const start = r.at
  while (/[0-9a-f]/.test(peek(r))) r.at++
  const digits = r.text.slice(start, r.at)
  if (!eat(r, '_')) fail()
  return digits
}

/** In decimal while it fits in 64 bits, as rustc-demangle prints it. */
function integerOf(digits: string): string {
  const significant = digits.replace(/^0+/, '')
  return significant.length > 16 ? `0x${significant}` : `${BigInt(`0x0${significant}`)}`
}

function booleanOf(digits: string): string {
  return digits === '0' ? 'false' : digits === '1' ? 'true' : fail()
}

function quotedCharacter(digits: string): string {
  const point = digits.length <= 6 ? Number.parseInt(digits, 16) : Number.NaN
  if (!(point <= 0x10ffff) || (point >= 0xd800 && point <= 0xdfff)) fail()
  const character = String.fromCodePoint(point)
  return character === "'" ? "'\\''" : `'${escaped(character, point)}'`
}

function quotedString(digits: string): string {
  if (digits.length % 2 !== 0) fail()
  let inner = ''
  for (const character of Buffer.from(digits, 'hex').toString('utf8')) {
    inner += character === '"' ? '\\"' : escaped(character, character.codePointAt(0)!)
  }
  return `"${inner}"`
}

function escaped(character: string, point: number): string {
  const short = shortEscapes.get(character)
  if (short !== undefined) return short
  return point >= 0x20 && point < 0x7f ? character : `\\u{${point.toString(16)}}`
}

const shortEscapes = new Map([
  ['\0', '\\0'],
  ['\t', '\\t'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\\', '\\\\'],
])
