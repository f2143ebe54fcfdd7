// What a reader could make of a text in an artefact: the gate's own decoding.
//
// It shares the detectors with redaction and nothing else, and does the same work another way: whole
// strings and no ranges, since the gate changes nothing. A view is made only of what differs.

import type { PersonalClass } from './classes.ts'
import { confusables } from './confusables.ts'
import type { CustomerIdRule } from './customer-ids.ts'
import { detect } from './detectors.ts'

/** The classes of the values that any view of the text has, one entry for each value. */
export function classesIn(text: string, rules: readonly CustomerIdRule[]): PersonalClass[] {
  for (const view of viewsOf(text)) {
    const hits = detect(view, rules)
    if (hits.length > 0) return hits.map(hit => hit.class)
  }
  return []
}

/** The classes of the values that begin in one text and end in the next, when nothing is between them. */
export function classesAcross(
  left: string,
  right: string,
  rules: readonly CustomerIdRule[],
): PersonalClass[] {
  const joint = plain(left).length
  return detect(plain(left) + plain(right), rules)
    .filter(hit => hit.start < joint && hit.end > joint)
    .map(hit => hit.class)
}

/** The text, the same unescaped and folded, and what runs of either decode to. */
function viewsOf(text: string): string[] {
  const read = plain(text)
  const views = read === text ? [text] : [text, read]
  return views.concat(views.filter(view => encoded.test(view)).flatMap(decoded))
}

/** The text unescaped and folded. In C++ every other name has an `&`, so only an escape counts. */
function plain(text: string): string {
  return needsDecoding.test(text) ? fold(withoutEscapes(text)) : text
}

const needsDecoding =
  /&(?:#|[a-z]{2,8}[;:]|amp)|%[0-9a-fu]|\\[xu0-3]|=[2-7][0-9a-f]|\$(?:u|sp\$)|_000[24]|[^\x20-\x7e]/i

// As deep as two programs and a file format can nest them, and one more than redaction goes.
const maxRounds = 4

function withoutEscapes(text: string): string {
  let now = text
  for (let round = 0; round < maxRounds; round++) {
    const before = now
    now = now.replace(entity, readEntity).replace(bytes, readBytes).replace(unit, readUnit)
    now = now.replace(quoted, readQuoted).replace(mangled, readMangled).replace(control, '')
    if (now === before) break
  }
  return now
}

const entity = /&(?:#x([0-9a-f]{1,30})|#([0-9]{1,40})|([a-z]{2,8}))[;:]?/gi

function readEntity(found: string, hex?: string, decimal?: string, name?: string): string {
  if (name !== undefined) return names.get(name.toLowerCase()) ?? found
  return character(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)) ?? found
}

const names: ReadonlyMap<string, string> = new Map([
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

const bytes = /(?:%[0-9a-f]{2}){1,4096}|(?:\\x[0-9a-f]{2}){1,4096}|(?:\\[0-3][0-7]{2}){1,4096}/gi

function readBytes(run: string): string {
  const values =
    run[0] === '%' || run[1]!.toLowerCase() === 'x'
      ? run.match(/[0-9a-f]{2}/gi)!.map(pair => Number.parseInt(pair, 16))
      : run.match(/[0-7]{3}/g)!.map(triple => Number.parseInt(triple, 8))
  return Buffer.from(values).toString('utf8')
}

const unit = /[\\%]u(?:([0-9a-f]{4})|\{([0-9a-f]{1,30})\})/gi

function readUnit(found: string, plain?: string, braced?: string): string {
  return character(Number.parseInt((plain ?? braced)!, 16)) ?? found
}

// Quoted-printable: two beside each other, or one digit inside a number or at its beginning.
const quoted = /(?:=[2-7][0-9a-f]){2,4096}|(?<=^|[\d([{,;./])=3\d/gi

function readQuoted(run: string): string {
  return Buffer.from(run.replaceAll('=', ''), 'hex').toString('latin1')
}

// Of Rust, and of JNI for what is no letter and no digit.
const mangled = /\$u([0-9a-f]{1,6})\$|_000(2[b-f]|40)|\$sp\$/gi

function readMangled(found: string, rust?: string, jni?: string): string {
  const hex = rust ?? jni
  return hex === undefined ? '@' : (character(Number.parseInt(hex, 16)) ?? found)
}

// The colours of a terminal.
const control = /(?:\u001b\[|\u009b)[0-?]{0,32}[ -/]{0,4}[@-~]/g

function character(value: number): string | undefined {
  return value <= 0x10ffff ? String.fromCodePoint(value) : undefined
}

/** U+33xx and U+FDFx are words in one character: up to eighteen letters that nobody needs. */
function fold(text: string): string {
  return text
    .split('\u2026') // stays itself: three dots are something else
    .map(part => part.replace(/[\u3300-\u33ff\ufdf0-\ufdfc]/g, '\ufdd0').normalize('NFKD'))
    .join('\u2026')
    .replace(/[\s\p{Z}]/gu, ' ')
    .replace(/[\p{Cc}\p{Cf}\p{M}\p{Default_Ignorable_Code_Point}\ufffd]/gu, '')
    .replace(
      /[^\u0000-\u007f]/gu,
      one => confusables.get(one) ?? (isDigit.test(one) ? digit(one) : one),
    )
}

const isDigit = /\p{Nd}/u

/** Unicode puts each script's digits at the beginning of a column of sixteen, or six after it. */
function digit(one: string): string {
  const point = one.codePointAt(0)!
  const offset = isDigit.test(String.fromCodePoint(point & ~15)) ? 0 : 6
  return `${((point & 15) - offset + 10) % 10}`
}

// Twelve characters that could be nine printable bytes: the top bits of the first byte of each four
// are 001 to 011, and so are those that the second takes from the next. Or twenty of hex.
const encoded = /(?:[I-Za-f][C-HS-Xi-nyz0-3][A-Za-z0-9][A-Za-z0-9+/_-]){3}|(?:[2-7][0-9a-fA-F]){10}/

/** What is printable in the runs of base64, at each of the four places it can begin, and of hex. */
function decoded(text: string): string[] {
  const found: string[] = []
  for (const [run] of text.matchAll(/[A-Za-z0-9+/_-]{14,}/g)) {
    for (let skipped = 0; skipped < 4; skipped++) {
      const inside = Buffer.from(run.slice(skipped), 'base64').toString('latin1')
      for (const [printable] of inside.matchAll(/[\x20-\x7e]{10,}/g)) found.push(printable)
    }
  }
  for (const [run] of text.matchAll(/(?:[2-7][0-9a-f]){10,512}/gi)) {
    found.push(Buffer.from(run, 'hex').toString('latin1'))
  }
  return found
}
