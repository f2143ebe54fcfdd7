// The canonical view of a text: what a person or a program would read in it, in ASCII where it can
// be, and where each character of that came from.
//
//     %39876&#53;४3210  →  9876543210
//
// Escapes are undone first (entities, percent, `\u0039`, `\x39`, `\071`, quoted-printable, those of
// mangled names, the colours of a terminal), again if that made new ones; then each character is folded: compatibility forms, digits of every script, look-alikes of
// Latin letters, dashes, spaces. What shows nothing is left out.
//
// A character is folded on its own, never with its neighbours, so that every character of the view
// has a range in the original: a hit here can be replaced there.

import { confusables } from './confusables.ts'

/** Unit `i` of the text stands for `[from[i], to[i])` of the original. */
export interface Canonical {
  readonly text: string
  readonly from: readonly number[]
  readonly to: readonly number[]
}

// Doubly escaped is what passing through two programs gives; the third costs little.
const rounds = 3

/** The canonical view, or undefined where it is the text itself. */
export function canonical(text: string): Canonical | undefined {
  if (!mayDiffer.test(text)) return undefined
  let view = identity(text)
  for (let round = 0; round < rounds; round++) {
    const before = view.text
    view = unescaped(view)
    if (view.text.length === before.length) break
  }
  return folded(view)
}

/** What the view has for the range of the original. Ranges are asked for in order: `after` is where to look on. */
export function readRange(
  view: Canonical,
  start: number,
  end: number,
  after: { unit: number },
): string {
  let first = after.unit
  while (first < view.from.length && view.from[first]! < start) first++
  let last = first
  while (last < view.to.length && view.to[last]! <= end) last++
  after.unit = last
  return view.text.slice(first, last)
}

// In C++ every other name has an `&` and in C# a `\`, so only what begins an escape counts.
const escapes =
  /&(?:#|amp|[a-zA-Z]{2,8}[;:])|%[0-9a-fA-FuU]|\\[xuU0-3]|=[2-7][0-9a-fA-F]|\$(?:u[0-9a-fA-F]|SP\$)|_000(?:2[b-fB-F]|40)|[\u001b\u009b]/g
const mayDiffer = new RegExp(`${escapes.source}|[\\u0000-\\u001f\\u007f-\\uffff]`)

function identity(text: string): Canonical {
  const from = Array.from({ length: text.length }, (_, index) => index)
  return { text, from, to: from.map(index => index + 1) }
}

/** A view in the making: each part of the text, and for each of its units the range behind it. */
interface Draft {
  readonly parts: string[]
  readonly from: number[]
  readonly to: number[]
}

function add(draft: Draft, part: string, from: number, to: number): void {
  draft.parts.push(part)
  for (let unit = 0; unit < part.length; unit++) {
    draft.from.push(from)
    draft.to.push(to)
  }
}

function unescaped({ text, from, to }: Canonical): Canonical {
  const draft: Draft = { parts: [], from: [], to: [] }
  let at = 0
  for (const { index } of text.matchAll(escapes)) {
    const found = index < at ? undefined : readEscape(text, index)
    if (found === undefined) continue
    copy(draft, { text, from, to }, at, index)
    at = index + found.length
    add(draft, found.text, from[index]!, to[at - 1]!)
  }
  copy(draft, { text, from, to }, at, text.length)
  return { text: draft.parts.join(''), from: draft.from, to: draft.to }
}

/** Adds a part of another view as it is. */
function copy(draft: Draft, { text, from, to }: Canonical, start: number, end: number): void {
  draft.parts.push(text.slice(start, end))
  for (let unit = start; unit < end; unit++) {
    draft.from.push(from[unit]!)
    draft.to.push(to[unit]!)
  }
}

interface Escape {
  readonly text: string
  /** In the escaped text. */
  readonly length: number
}

function readEscape(text: string, at: number): Escape | undefined {
  switch (text[at]) {
    case '&':
      return readEntity(text, at)
    case '%':
    case '\\':
      return readBytes(text, at) ?? readCodePoint(text, at)
    case '=':
      return readQuoted(text, at)
    case '$':
    case '_':
      return readMangled(text, at)
    case '\u001b':
    case '\u009b':
      return readControl(text, at)
    default:
      return undefined
  }
}

// A colon where collapsers of stacks, whose separator is the semicolon, have put one.
const entity = /&(?:#[xX]0{0,32}([0-9a-fA-F]{1,6})|#0{0,32}(\d{1,7})|([a-zA-Z]{2,8}))[;:]?/y

function readEntity(text: string, at: number): Escape | undefined {
  const [found, hex, decimal, name] = match(entity, text, at) ?? []
  if (found === undefined) return undefined
  if (name !== undefined) {
    const character = namedEntities.get(name)
    return character === undefined ? undefined : { text: character, length: found.length }
  }
  return codePoint(Number.parseInt(hex ?? decimal!, hex === undefined ? 10 : 16), found.length)
}

// XML's five, and those of HTML that stand for something inside a number or an address.
const namedEntities: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
  ['commat', '@'],
  ['period', '.'],
  ['lowbar', '_'],
  ['percnt', '%'],
  ['num', '#'],
  ['bsol', '\\'],
  ['plus', '+'],
  ['nbsp', ' '],
  ['ensp', ' '],
  ['emsp', ' '],
  ['thinsp', ' '],
  ['hyphen', '-'],
  ['dash', '-'],
  ['ndash', '-'],
  ['mdash', '-'],
  ['shy', ''],
  ['zwj', ''],
  ['zwnj', ''],
])

const escapedByte = /%([0-9a-fA-F]{2})|\\x([0-9a-fA-F]{2})|\\([0-3][0-7]{2})/y

/** One character of one to four escaped bytes, read as UTF-8, or one byte read as Latin-1. */
function readBytes(text: string, at: number): Escape | undefined {
  const lead = readByte(text, at)
  if (lead === undefined) return undefined
  const [first, size] = lead
  const following = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc2 ? 1 : 0
  let point = following === 0 ? first : first & (0x3f >> following)
  let length = size
  for (let index = 0; index < following; index++) {
    const [next, nextSize] = readByte(text, at + length) ?? [0, 0]
    if ((next & 0xc0) !== 0x80) return { text: String.fromCharCode(first), length: size }
    point = (point << 6) | (next & 0x3f)
    length += nextSize
  }
  return codePoint(point, length) ?? { text: String.fromCharCode(first), length: size }
}

function readByte(text: string, at: number): [value: number, length: number] | undefined {
  const [found, percent, hex, octal] = match(escapedByte, text, at) ?? []
  if (found === undefined) return undefined
  const value =
    octal === undefined ? Number.parseInt((percent ?? hex)!, 16) : Number.parseInt(octal, 8)
  return [value, found.length]
}

const escapedCodePoint = /[%\\][uU](?:([0-9a-fA-F]{4})|\{0{0,8}([0-9a-fA-F]{1,6})\})/y

function readCodePoint(text: string, at: number): Escape | undefined {
  const [found, plain, braced] = match(escapedCodePoint, text, at) ?? []
  return found === undefined
    ? undefined
    : codePoint(Number.parseInt((plain ?? braced)!, 16), found.length)
}

// `=39=38`, `98765=343210`, `(=39876543210`. Most that look so are values, `n=39876543210`: only what
// stands beside another one counts, or a digit that follows a digit or that nothing is the name of.
const quoted =
  /=([2-7][0-9a-fA-F])(?:(?==[2-7][0-9a-fA-F])|(?<==[2-7][0-9a-fA-F]=..)|(?<=(?:^|[\d([{,;./])=3\d))/y

function readQuoted(text: string, at: number): Escape | undefined {
  const [found, hex] = match(quoted, text, at) ?? []
  return found === undefined ? undefined : codePoint(Number.parseInt(hex!, 16), found.length)
}

// Rust's `$u40$` and `$SP$`, which is its `@`; JNI's `_00040`. JNI writes digits as they are, and
// `_00039876543210` is a counter: of its escapes, only what stands inside a value counts.
const mangled = /\$u([0-9a-fA-F]{1,6})\$|\$(SP)\$|_000(2[b-fB-F]|40)/y

function readMangled(text: string, at: number): Escape | undefined {
  const [found, rust, sp, jni] = match(mangled, text, at) ?? []
  if (found === undefined) return undefined
  if (sp !== undefined) return { text: '@', length: found.length }
  return codePoint(Number.parseInt((rust ?? jni)!, 16), found.length)
}

// ECMA-48: parameters, intermediates, and a character that ends it. `ESC [ 0 m` is the plain colour.
export const controlSequences = /(?:\u001b\[|\u009b)[0-?]{0,32}[ -/]{0,4}[@-~]/g
const control = new RegExp(controlSequences, 'y')

function readControl(text: string, at: number): Escape | undefined {
  const found = match(control, text, at)?.[0]
  return found === undefined ? undefined : { text: '', length: found.length }
}

function codePoint(value: number, length: number): Escape | undefined {
  return value <= 0x10ffff ? { text: String.fromCodePoint(value), length } : undefined
}

function match(expression: RegExp, text: string, at: number): RegExpExecArray | null {
  expression.lastIndex = at
  return expression.exec(text)
}

function folded({ text, from, to }: Canonical): Canonical {
  const draft: Draft = { parts: [], from: [], to: [] }
  for (let at = 0; at < text.length; ) {
    const point = text.codePointAt(at)!
    const length = point > 0xffff ? 2 : 1
    add(draft, foldedCodePoint(point), from[at]!, to[at + length - 1]!)
    at += length
  }
  return { text: draft.parts.join(''), from: draft.from, to: draft.to }
}

const folds = new Map<number, string>()
// The characters of a few scripts. More is a text made to fill memory.
const maxFolds = 10_000

function foldedCodePoint(point: number): string {
  if (point >= 0x20 && point < 0x7f) return String.fromCharCode(point)
  // Not three dots: it is where a width cut a name.
  if (point === 0x2026) return '\u2026'
  let text = folds.get(point)
  if (text === undefined) {
    text = ''
    const whole = String.fromCodePoint(point)
    const parts = whole.normalize('NFKD')
    // Longer ones are words of Arabic and Japanese in one character, eighteen letters in U+FDFA.
    for (const character of parts.length > 4 ? whole : parts) text += foldedCharacter(character)
    if (folds.size < maxFolds) folds.set(point, text)
  }
  return text
}

function foldedCharacter(character: string): string {
  const point = character.codePointAt(0)!
  if (/[\t\n\r\p{Z}]/u.test(character)) return ' '
  // U+FFFD is what redaction itself makes of a control character.
  if (/[\p{Cc}\p{Cf}\p{M}\p{Default_Ignorable_Code_Point}\ufffd]/u.test(character)) return ''
  if (/\p{Nd}/u.test(character)) return digitOf(point)
  return confusables.get(character) ?? character
}

/** Digits of one script lie in tens, from zero, and in nothing but tens. */
function digitOf(point: number): string {
  let zero = point
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--
  return `${(point - zero) % 10}`
}
