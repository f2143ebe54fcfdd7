// SVG artefacts: a tokenizer for the little of XML that our pictures are made of. The grammar is told
// at the head of render/svg.ts; this is the other side of it, and takes nothing on trust.
//
// Elements and attributes are known or refused. No DTD, no comment, no processing instruction but
// XML's own, no entity but the five and numbers, nothing that loads or runs: the only script is one
// whose SHA-256 the policy allows. Each attribute is a number, a colour or one of a few words by its
// grammar, or it holds text and is looked at.
//
// A frame's title ends in its weight, `(1,234 samples, 5.60 %)`: numbers of any size and nobody's, so
// that is checked to be just that and cut off first. A profile of bytes is full of them. Text that is
// shown is looked at on its own, and joined with what stands beside it. A frame's label must be its
// title, with the middle cut out where it is long.

import { createHash } from 'node:crypto'
import { bufferOf, checkUtf8, refusal, type Scan } from './gate-scan.ts'
import { checkLabel, withoutWeight } from './gate-svg-title.ts'
import { elements, isKnownAttribute, isTextAttribute } from './gate-svg-words.ts'
import type { RedactionPolicy } from './policy.ts'

/** Looks at every text of the picture. */
export function scanSvg(bytes: Uint8Array, scan: Scan, policy: RedactionPolicy): void {
  checkUtf8(bytes)
  // A character for each byte: markup is ASCII, and a text is decoded where it is taken out.
  const all = bufferOf(bytes)
  const text = all.toString('latin1')
  const picture: Picture = { text, bytes: all, scan, policy, open: [], scripts: 0, at: 0, place }
  function place(): string {
    return placeOf(picture)
  }
  picture.at = declaration.exec(text)![0].length
  do {
    if (readFrame(picture)) continue
    scan.check(place)
    readTag(picture)
    readCharacters(picture)
  } while (picture.open.length > 0)
  if (picture.at < text.length) throw refusal('something follows the picture', place())
}

const declaration =
  /^(?:<\?xml version="1\.0"(?: encoding="UTF-8")?(?: standalone="(?:yes|no)")?\?>\s{0,8})?/i

interface Picture {
  readonly text: string
  readonly bytes: Buffer
  readonly scan: Scan
  readonly policy: RedactionPolicy
  /** From the outermost element. */
  readonly open: Element[]
  scripts: number
  at: number
  readonly place: () => string
}

interface Element {
  readonly name: string
  /** Its characters and those of the `tspan`s in it. */
  text: string
  /** Of the frame whose group this is, without the weight. */
  title: string | undefined
  /** What the `text` elements in it show. */
  shown: string[]
}

const none: string[] = []

// Ours are at most six deep.
const maxDepth = 32

// Nearly all of a picture are frames exactly as render/svg.ts draws them, and to read one at a go
// takes a fifth of the time. It allows nothing that the rest of this file would not.
const percent = String.raw`(?:\d{1,3}(?:\.\d{1,4})?|\.\d{1,4})%`
const fill = String.raw`(?:#[0-9a-f]{3}|url\(#unknown\))`
const frame = new RegExp(
  `<g><title>([^<]*)</title><rect(?: x="${percent}")? width="${percent}" height="\\d{1,3}" fill="${fill}"/>` +
    `(?:<text(?: x="${percent}")? y="\\d{1,3}">([^<]*)</text>)?</g>`,
  'y',
)

function readFrame(picture: Picture): boolean {
  const { at, open, scan, place } = picture
  frame.lastIndex = at
  const found = frame.exec(picture.text)
  if (found === null || open.at(-1)?.name !== 'g') return false
  const titleStart = at + '<g><title>'.length
  const title = withoutWeight(readText(picture, titleStart, titleStart + found[1]!.length))
  scan.text(title, place)
  if (found[2] !== undefined) {
    const labelEnd = frame.lastIndex - '</text></g>'.length
    checkLabel(readText(picture, labelEnd - found[2].length, labelEnd), title, place)
  }
  picture.at = frame.lastIndex
  return true
}

function readTag(picture: Picture): void {
  const { text, open, place } = picture
  if (text[picture.at] === '<' && text[picture.at + 1] === '/') {
    const name = open.at(-1)?.name ?? ''
    const end = picture.at + 2 + name.length
    if (name === '' || !text.startsWith(name, picture.at + 2) || text[end] !== '>') {
      throw refusal('an element is not closed where it should be', place())
    }
    picture.at = end + 1
    closeElement(picture)
    return
  }
  const end = endOfName(text, picture.at + 1)
  const name = text.slice(picture.at + 1, end)
  if (text[picture.at] !== '<' || !elements.get(name)?.has(open.at(-1)?.name ?? '')) {
    throw refusal('it has markup that no picture of ours has there', place())
  }
  if (open.length === maxDepth) throw refusal(`it is deeper than ${maxDepth}`, place())
  open.push({ name, text: '', title: undefined, shown: none })
  picture.at = end
  readAttributes(picture)
  if (text.startsWith('/>', picture.at)) {
    picture.at += 2
    closeElement(picture)
  } else if (text[picture.at] === '>') {
    picture.at++
    if (name === 'script') readScript(picture)
    if (name === 'style') readStyle(picture)
  } else throw refusal('a tag has what no picture of ours has', place())
}

/** Letters, and what joins them in the names of attributes. */
function endOfName(text: string, from: number): number {
  let at = from
  for (; ; at++) {
    const code = text.charCodeAt(at)
    const letter = code | 0x20
    if (!((letter >= 97 && letter <= 122) || isDigit(code) || code === 0x3a || code === 0x2d))
      return at
  }
}

function readAttributes(picture: Picture): void {
  const { text, open, place } = picture
  const element = open.at(-1)!
  const names: string[] = []
  for (;;) {
    const start = skipBlank(text, picture.at)
    const end = endOfName(text, start)
    if (end === start) {
      picture.at = start
      return
    }
    const name = text.slice(start, end)
    const quote = text[end + 1]
    const close = quote === '"' || quote === "'" ? text.indexOf(quote, end + 2) : -1
    if (start === picture.at || text[end] !== '=' || close < 0 || names.includes(name)) {
      throw refusal('a tag has what no picture of ours has', place())
    }
    names.push(name)
    readAttribute(picture, element.name, name, end + 2, close)
    picture.at = close + 1
  }
}

function readAttribute(
  picture: Picture,
  element: string,
  name: string,
  start: number,
  end: number,
): void {
  const value = picture.text.slice(start, end)
  if (isKnownAttribute(name, value)) return
  if (!isTextAttribute(element, name) || value.includes('<')) {
    throw refusal('it has an attribute that no picture of ours has', picture.place())
  }
  picture.scan.text(readText(picture, start, end), () => `${picture.place()}, attribute ${name}`)
}

/** Takes the characters up to the next `<` for the element that they stand in. */
function readCharacters(picture: Picture): void {
  const { text, at, open } = picture
  const next = text.indexOf('<', at)
  const end = next < 0 ? text.length : next
  if (end === at) return
  const element = open.at(-1)
  if (element !== undefined && textElements.has(element.name)) {
    element.text += readText(picture, at, end)
  } else if (skipBlank(text, at) < end) {
    throw refusal('it has text where none is shown', picture.place())
  }
  picture.at = end
}

const textElements = new Set(['title', 'desc', 'text', 'tspan'])

function closeElement(picture: Picture): void {
  const { open, scan, place } = picture
  const element = open.at(-1)!
  const outer = open.at(-2)
  switch (element.name) {
    case 'title':
      if (outer!.title !== undefined || outer!.shown.length > 0) {
        throw refusal('a title does not come first', place())
      }
      outer!.title = withoutWeight(element.text)
      scan.text(outer!.title, place)
      break
    case 'tspan':
      scan.text(element.text, place)
      outer!.text += element.text
      break
    case 'text':
      if (outer!.name === 'g' && outer!.title !== undefined)
        checkLabel(element.text, outer!.title, place)
      else scan.text(element.text, place)
      if (outer!.shown === none) outer!.shown = []
      outer!.shown.push(element.text)
      break
    case 'desc':
      scan.text(element.text, place)
  }
  // A value may be cut in two, so that neither half says anything.
  if (element.shown.length > 1) {
    const joined = () => `${place()}, its texts joined`
    scan.text(element.shown.join(''), joined)
    scan.text(element.shown.join(' '), joined)
  }
  open.pop()
}

function readScript(picture: Picture): void {
  const digest = createHash('sha256').update(rawText(picture, '</script>')).digest()
  const { allowedScripts } = picture.policy
  const isAllowed =
    allowedScripts.has(digest.toString('base64')) || allowedScripts.has(digest.toString('hex'))
  if (++picture.scripts > 1 || !isAllowed) {
    throw refusal('it has a script that is not ours', picture.place())
  }
}

/** The style may name colours and sizes of what is in the picture, and load nothing. */
function readStyle(picture: Picture): void {
  const style = rawText(picture, '</style>')
  if (/\\|\/\*|@(?!media )|expression|javascript|url\((?!#[\w-]{1,40}\))/i.test(style)) {
    throw refusal('its style has what could load or hide something', picture.place())
  }
  picture.scan.text(style.replace(/\s+/g, ' '), picture.place)
}

/** The characters of a script or a style, without the CDATA around them. */
function rawText(picture: Picture, close: string): string {
  const end = picture.text.indexOf(close, picture.at)
  if (end < 0) throw refusal('an element is not closed', picture.place())
  const raw = picture.bytes.toString('utf8', picture.at, end)
  const isCdata = raw.startsWith('<![CDATA[') && raw.endsWith(']]>')
  const inside = isCdata ? raw.slice('<![CDATA['.length, -']]>'.length) : raw
  // Without CDATA, an entity would be another text to the browser than to us.
  if (isCdata ? inside.includes(']]>') : /[<&]/.test(raw)) {
    throw refusal('it has markup in a script or a style', picture.place())
  }
  picture.at = end
  return inside
}

/** The text between two places, without entities. */
function readText(picture: Picture, start: number, end: number): string {
  const { bytes, place } = picture
  let text = bytes.toString('latin1', start, end)
  if (!isPrintable.test(text)) {
    text = bytes.toString('utf8', start, end)
    if (forbidden.test(text)) throw refusal('it has a character that XML does not allow', place())
  }
  if (!text.includes('&')) return text
  return text.replace(entity, (_, hex?: string, decimal?: string, name?: string) => {
    const named = entities.get(name)
    if (named !== undefined) return named
    const point = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
    const isCharacter = point >= 0x20 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)
    if (!isCharacter) throw refusal('it has an entity that is not allowed', place())
    return String.fromCodePoint(point)
  })
}

const isPrintable = /^[\x20-\x7e]*$/
const forbidden = /[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]/
const entity = /&(?:#x([0-9a-fA-F]{1,6});|#(\d{1,7});|([a-z]{2,4});)?/g

const entities: ReadonlyMap<string | undefined, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])

function skipBlank(text: string, from: number): number {
  let at = from
  for (; ; at++) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at
  }
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

/** `line 12, svg/g/title`: the names of elements are ours. */
function placeOf({ text, at, open }: Picture): string {
  let line = 1
  for (let end = text.indexOf('\n'); end >= 0 && end < at; end = text.indexOf('\n', end + 1)) line++
  return `line ${line}, ${open.map(element => element.name).join('/') || 'the beginning'}`
}
