// Personal values that belong to nobody, the places where they get into names, and the ways in which
// they are hidden there. All from a seed, all made here.

import { isVerhoeff } from '../../agent/redact/checksums.ts'
import { type PersonalClass, personalClasses } from '../../agent/redact/classes.ts'
import type { Random } from '../random.ts'

const capitals = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const small = capitals.toLowerCase()
const digits = '0123456789'

function text({ pick }: Random, alphabet: string, length: number): string {
  return Array.from({ length }, () => pick([...alphabet])).join('')
}

/** The body with the last digit that the check accepts. */
function completed(body: string, isValid: (number: string) => boolean): string {
  return body + [...digits].find(digit => isValid(body + digit))!
}

// Luhn and the GSTIN's check character are written here again, so that a slip in ours is seen.
function luhn(number: string): boolean {
  const sum = [...number].reverse().reduce((sum, digit, index) => {
    const value = Number(digit) * (1 + (index % 2))
    return sum + (value > 9 ? value - 9 : value)
  }, 0)
  return sum % 10 === 0
}

function gstinCheck(body: string): string {
  const alphabet = digits + capitals
  const sum = [...body].reduce((sum, letter, index) => {
    const product = alphabet.indexOf(letter) * ((index % 2) + 1)
    return sum + Math.floor(product / 36) + (product % 36)
  }, 0)
  return alphabet[(36 - (sum % 36)) % 36]!
}

function pan(random: Random): string {
  const number = String(1 + random.integer(9998)).padStart(4, '0')
  return `${text(random, capitals, 3)}${random.pick([...'ABCEFGHJKLPT'])}${text(random, capitals, 1)}${number}${text(random, capitals, 1)}`
}

const cardKinds: readonly (readonly [prefix: string, length: number])[] = [
  ['4', 16],
  ['51', 16],
  ['2345', 16],
  ['34', 15],
  ['37', 15],
  ['36', 14],
  ['60', 16],
  ['65', 16],
  ['81', 16],
  ['82', 16],
  ['508', 16],
  ['6011', 16],
  ['3530', 16],
  ['62', 19],
]

/** One value of each class. */
const makers: Readonly<Record<PersonalClass, (random: Random) => string>> = {
  customer_id: random => `cust_${text(random, capitals + small + digits, 14)}`,
  jwt: random => {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const header = random.pick([
      { alg: 'HS256', typ: 'JWT' },
      { typ: 'JWT', alg: 'RS256', kid: text(random, small + digits, 12) },
    ])
    const payload = { sub: text(random, digits, 8), iat: 1_700_000_000 + random.integer(1e6) }
    const signature = text(random, `${capitals}${small}${digits}-_`, 43)
    return `${part(header)}.${part(payload)}.${signature}`
  },
  gstin: random => {
    const state = String(1 + random.integer(38)).padStart(2, '0')
    const body = `${state}${pan(random)}${random.pick([...'123456789'])}Z`
    return body + gstinCheck(body)
  },
  in_pan: pan,
  card: random => {
    const [prefix, length] = random.pick(cardKinds)
    return completed(prefix + text(random, digits, length - prefix.length - 1), luhn)
  },
  vid: random => completed(random.pick([...'3456789']) + text(random, digits, 14), isVerhoeff),
  aadhaar: random => completed(random.pick([...'23456789']) + text(random, digits, 10), isVerhoeff),
  mobile: random => random.pick([...'6789']) + text(random, digits, 9),
  email: random => {
    const name = `${text(random, small, 3 + random.integer(6))}.${text(random, small, 2)}`
    const host = text(random, small, 2 + random.integer(9))
    return `${name}@${host}.${random.pick(['com', 'in', 'co.in', 'org', 'example'])}`
  },
  upi: random =>
    `${text(random, small, 6)}@${random.pick(['okhdfcbank', 'oksbi', 'ybl', 'paytm'])}`,
  user_path: random => text(random, small, 3 + random.integer(8)).replace(/^app$/, 'appa'),
}

export function makeValue(name: PersonalClass, random: Random): string {
  return makers[name](random)
}

type Place = (value: string) => string

// Names of frames, in the manner of every runtime that we read.
const places: readonly Place[] = [
  value => value,
  value => `com.acme.pay.Service.handle(${value})`,
  value => `HashMap$Node<Card{number: ${value}}>`,
  value => `std::map<acme::Key<${value}>, int>::find(acme::Key<${value}> const&)`,
  value => `handle_${value}_retry`,
  value => `handle_${value}`,
  value => `UserNotFound_${value}_Exception`,
  value => `UserNotFound${value}`,
  value => `com.acme.NotFoundException: ${value}`,
  value => `acme::users::find<"${value}">::h0123456789abcdef`,
  value => `GET /v1/users/${value}/cards`,
  value => `lookup ${value} (/srv/acme/users.js:12:5)`,
  value => `LazyCompile:*lookup?id=${value}&page=2 /srv/acme/users.js:12:5`,
  value => `<lambda> [${value}]`,
  value => `select * from users where id = '${value}'`,
  value => `worker-${value}`,
  value => `acme.users.${value}.load`,
  value => `github.com/acme/pay.(*Users).Get["${value}"]`,
  value => `{${value},42}`,
  value => `user=${value}&page=2`,
]

const paths: readonly Place[] = [
  value => `/home/${value}/acme/users.py`,
  value => `/Users/${value}/acme/users.js`,
  value => `C:\\Users\\${value}\\acme\\users.cs`,
  value => `lookup (/home/${value}/acme/users.py:12)`,
  value => `LazyCompile:*lookup /home/${value}/acme/users.js:12:5`,
  value => `file:///home/${value}/acme/users.mjs`,
  value => `/var/home/${value}/a.out`,
  value => `/home/${value}`,
  value => `<impl at /home/${value}/acme/src/lib.rs:12:1>`,
]

/** The value in the `index`th of the places where its class is met. */
export function inPlace(name: PersonalClass, value: string, index: number): string {
  const all = name === 'user_path' ? paths : places
  return all[index % all.length]!(value)
}

type Encode = (value: string, random: Random) => string

interface Encoding {
  readonly name: string
  readonly classes: readonly PersonalClass[]
  readonly encode: Encode
  /** Makes sense at the end of a name only. */
  readonly isLast?: true
}

const numbers: readonly PersonalClass[] = ['card', 'vid', 'aadhaar', 'mobile']
const withDigits: readonly PersonalClass[] = [...numbers, 'in_pan', 'gstin']
const addresses: readonly PersonalClass[] = ['email', 'upi']
const all = personalClasses.filter(name => name !== 'user_path')

function each(value: string, encode: (character: string) => string): string {
  return [...value].map(encode).join('')
}

function hex(character: string, length: number): string {
  return character.charCodeAt(0).toString(16).padStart(length, '0')
}

/** One character of the value, chosen at random among those that the test matches. */
function one(value: string, test: RegExp, encode: (character: string) => string, random: Random) {
  const at = random.pick([...value.matchAll(test)].map(({ index }) => index))
  return value.slice(0, at) + encode(value[at]!) + value.slice(at + 1)
}

function script(zero: number): Encode {
  return value => value.replace(/\d/g, digit => String.fromCodePoint(zero + Number(digit)))
}

function grouped(gap: string): Encode {
  return value => {
    const size = value.length === 10 ? 5 : 4
    return value.match(new RegExp(`.{1,${size}}`, 'g'))!.join(gap)
  }
}

const lookAlikes = new Map(
  [...'AАBВCСEЕHНIІJЈKКMМOОPРSЅTТXХYУ'].flatMap((one, index, list) =>
    index % 2 ? [] : [[one, list[index + 1]!] as const],
  ),
)

/** The ways of redaction.md §B4, and some that an attacker would think of next. */
export const encodings: readonly Encoding[] = [
  {
    name: 'decimal entities',
    classes: all,
    encode: value => each(value, c => `&#${c.charCodeAt(0)};`),
  },
  {
    name: 'entities after a fold',
    classes: all,
    encode: value => each(value, c => `&#${c.charCodeAt(0)}:`),
  },
  { name: 'hex entities', classes: all, encode: value => each(value, c => `&#x${hex(c, 2)};`) },
  {
    name: 'one entity',
    classes: withDigits,
    encode: (value, random) => one(value, /\d/g, c => `&#${c.charCodeAt(0)};`, random),
  },
  {
    name: 'one entity, escaped again',
    classes: withDigits,
    encode: (value, random) => one(value, /\d/g, c => `&amp;#x${hex(c, 2)};`, random),
  },
  { name: 'zero-width spaces', classes: withDigits, encode: value => [...value].join('\u200b') },
  {
    name: 'one soft hyphen',
    classes: withDigits,
    encode: (value, random) => one(value, /\d/g, c => `${c}\u00ad`, random),
  },
  { name: 'combining marks', classes: withDigits, encode: value => each(value, c => `${c}\u0336`) },
  { name: 'spaces', classes: numbers, encode: grouped(' ') },
  { name: 'dashes', classes: numbers, encode: grouped('-') },
  { name: 'dots', classes: numbers, encode: grouped('.') },
  ...[',', "'", '|', '~', '*', '\u2022', '#', '=', '+'].map(
    (gap): Encoding => ({ name: `${gap} between groups`, classes: numbers, encode: grouped(gap) }),
  ),
  {
    name: 'PAN between marks',
    classes: ['in_pan'],
    encode: value => `${value.slice(0, 5)}|${value.slice(5, 9)}|${value.slice(9)}`,
  },
  { name: 'no-break spaces', classes: numbers, encode: grouped('\u00a0') },
  { name: 'typographic dashes', classes: numbers, encode: grouped('\u2013') },
  { name: 'Devanagari', classes: withDigits, encode: script(0x966) },
  { name: 'Bengali', classes: withDigits, encode: script(0x9e6) },
  { name: 'Tamil', classes: withDigits, encode: script(0xbe6) },
  { name: 'Arabic', classes: withDigits, encode: script(0x660) },
  { name: 'bold digits', classes: withDigits, encode: script(0x1d7ce) },
  {
    name: 'fullwidth',
    classes: all,
    encode: value => each(value, c => String.fromCharCode(c.charCodeAt(0) + 0xfee0)),
  },
  { name: '\\u escapes', classes: all, encode: value => each(value, c => `\\u${hex(c, 4)}`) },
  {
    name: 'one \\u escape',
    classes: withDigits,
    encode: (value, random) => one(value, /\d/g, c => `\\u${hex(c, 4)}`, random),
  },
  { name: '\\x escapes', classes: all, encode: value => each(value, c => `\\x${hex(c, 2)}`) },
  {
    name: 'octal escapes',
    classes: all,
    encode: value => each(value, c => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`),
  },
  { name: 'percent', classes: all, encode: value => each(value, c => `%${hex(c, 2)}`) },
  { name: 'percent twice', classes: all, encode: value => each(value, c => `%25${hex(c, 2)}`) },
  {
    name: 'percent of UTF-8',
    classes: withDigits,
    encode: value => encodeURIComponent(script(0x966)(value, undefined as never)),
  },
  {
    name: 'quoted-printable',
    classes: all,
    encode: value => each(value, c => `=${hex(c, 2).toUpperCase()}`),
  },
  { name: 'Rust escapes', classes: all, encode: value => each(value, c => `$u${hex(c, 2)}$`) },
  {
    name: 'one colour of a terminal',
    classes: withDigits,
    encode: (value, random) => one(value, /\d/g, c => `${c}\u001b[0m`, random),
  },
  {
    name: 'base64',
    classes: [...withDigits, ...addresses, 'customer_id'],
    encode: value => Buffer.from(value).toString('base64'),
  },
  {
    name: 'base64url after a word',
    classes: [...withDigits, ...addresses, 'customer_id'],
    encode: value => `user_${Buffer.from(value).toString('base64url')}`,
  },
  {
    name: 'hex',
    classes: [...withDigits, 'customer_id', 'email'],
    encode: value => Buffer.from(value).toString('hex'),
  },
  {
    name: 'Cyrillic look-alikes',
    classes: ['in_pan', 'gstin'],
    encode: value => each(value, c => lookAlikes.get(c) ?? c),
  },
  {
    name: 'separated PAN',
    classes: ['in_pan'],
    encode: value => `${value.slice(0, 5)} ${value.slice(5, 9)} ${value.slice(9)}`,
  },
  {
    name: 'PAN in small letters, named',
    classes: ['in_pan'],
    encode: value => `pan_no=${value.toLowerCase()}`,
  },
  { name: 'PAN in camel case', classes: ['in_pan'], encode: value => `load${value}Holder` },
  { name: 'country code', classes: ['mobile'], encode: value => `+91-${value}` },
  {
    name: 'country code and groups',
    classes: ['mobile'],
    encode: value => `(+91) ${value.slice(0, 4)} ${value.slice(4, 7)} ${value.slice(7)}`,
  },
  { name: 'trunk zero', classes: ['mobile'], encode: value => `0${value}` },
  {
    name: 'cut by a width',
    classes: ['mobile'],
    encode: value => `${value.slice(0, 8)}..`,
    isLast: true,
  },
  { name: '&#64;', classes: addresses, encode: value => value.replace('@', '&#64;') },
  { name: '&commat;', classes: addresses, encode: value => value.replace('@', '&commat;') },
  { name: '%40', classes: addresses, encode: value => value.replace('@', '%40') },
  { name: '_00040', classes: addresses, encode: value => value.replace('@', '_00040') },
  { name: '=40', classes: ['email'], encode: value => value.replace('@', '=40') },
  { name: '[at]', classes: ['email'], encode: value => value.replace('@', '[at]') },
  {
    name: ' (at) … (dot) ',
    classes: ['email'],
    encode: value => value.replace('@', ' (at) ').replaceAll('.', ' (dot) '),
  },
  { name: '_40_', classes: ['email'], encode: value => value.replace('@', '_40_') },
  {
    name: 'masked',
    classes: ['card'],
    encode: value => `${value.slice(0, 6)}${'*'.repeat(value.length - 10)}${value.slice(-4)}`,
  },
  {
    name: 'masked with #',
    classes: ['card'],
    encode: value => `${value.slice(0, 6)}${'#'.repeat(value.length - 10)}${value.slice(-4)}`,
  },
  {
    name: 'masked, with its country code',
    classes: ['mobile'],
    encode: value => `+91-${value.slice(0, 2)}xxxxxx${value.slice(-2)}`,
  },
  {
    name: 'masked in groups',
    classes: ['card'],
    encode: value => `${value[0]}xxx-xxxx-xxxx-${value.slice(-4)}`,
  },
]

/** An encoded value in the `index`th of the places where it is met. */
export function encodedInPlace(
  { encode, isLast }: Encoding,
  name: PersonalClass,
  random: Random,
  index: number,
): string {
  const value = encode(makeValue(name, random), random)
  return isLast ? `com.acme.pay.Service.handle(${value}` : inPlace(name, value, index)
}

/** Wilson's interval of 95 %: what a share of `count` says of the share in general. */
export function wilson(hits: number, count: number): { low: number; high: number } {
  const z = 1.96
  const share = hits / count
  const middle = share + z ** 2 / (2 * count)
  const spread = z * Math.sqrt((share * (1 - share)) / count + z ** 2 / (4 * count ** 2))
  const whole = 1 + z ** 2 / count
  return { low: (middle - spread) / whole, high: Math.min(1, (middle + spread) / whole) }
}
