// Numbers that name a person or an account: mobile, Aadhaar, its virtual id (VID), card.
//
// A number is read as groups of digits with gaps between them, because that is how people write
// one: `98765 43210`, `2341-2341-2346`. A gap is weighed, not removed: a space or a dash may stand
// in any of these, a colon is most often a line and a column, and a comma stands between values, so
// that only the groups of a printed number count, and not if they could be sizes, years or steps.
//
// The trap is that Verhoeff and Luhn each pass one random number in ten, so every gap and grouping
// that people do not use would make noise and find nothing. What is allowed is listed.

import { hasCardPrefix, isCard, isVerhoeff } from './checksums.ts'
import { enoughHits, type Hit, type PersonalClass } from './classes.ts'
import {
  bracket,
  colon,
  comma,
  type Groups,
  isDigit,
  loose,
  mark,
  readGroups,
  spaced,
  underscore,
} from './digit-groups.ts'
import { isNotPersonal, wordsBefore } from './not-personal.ts'

/** Adds the personal numbers of a text. */
export function findNumbers(text: string, hits: Hit[]): void {
  for (let at = 0; at < text.length && hits.length <= enoughHits; ) {
    if (isDigit(text.charCodeAt(at))) {
      const groups = readGroups(text, at)
      findInGroups(text, groups, hits)
      at = groups.end.at(-1)!
    } else at++
  }
}

/** One or more groups that stand beside each other. */
interface Window {
  readonly text: string
  readonly digits: string
  readonly sizes: readonly number[]
  /** The rarest gap inside. */
  readonly kind: number
  /** As `+91 98765 43210`: nothing but a telephone number begins so. */
  readonly plus: boolean
  readonly start: number
  readonly end: number
}

// A card has at most 19 digits, and no class has fewer than ten.
const longest = 19
const shortest = 10
// `+91 (0) 98765 43210` has four groups; more are a number only when all have one size.
const mostGroups = 6

function findInGroups(text: string, groups: Groups, hits: Hit[]): void {
  const { start, digits, offset } = groups
  for (let first = 0; first < start.length && hits.length <= enoughHits; first++) {
    // No class begins with 1: the times since 1970 and the small integers do.
    if (digits[offset[first]!] === '1') continue
    const sizes = sizesFrom(groups, first)
    let count = sizes.reduce((sum, size) => sum + size, 0)
    for (; count >= shortest; count -= sizes.pop()!) {
      if (sizes.length > mostGroups && !isWholeRow(groups, first, sizes)) continue
      const window = windowOf(text, groups, first, sizes)
      if (window.kind >= comma && isPartOfList(groups, first, sizes)) continue
      const found = classify(window)
      if (found === undefined) continue
      hits.push({ class: found, start: withPlus(text, window.start), end: window.end })
      first += sizes.length - 1
      break
    }
  }
}

/** The sizes of the groups from one on that could be one number: at most 19 digits, or one group. */
function sizesFrom({ start, end }: Groups, first: number): number[] {
  const sizes = [end[first]! - start[first]!]
  let count = sizes[0]!
  for (let next = first + 1; next < start.length; next++) {
    const size = end[next]! - start[next]!
    count += size
    if (count > longest || (sizes.length >= mostGroups && size !== sizes[0])) break
    sizes.push(size)
  }
  return sizes
}

/** `9 8 7 6 5 4 3 2 1 0`: groups of one size from end to end, and no part of a longer row of them. */
function isWholeRow({ start, end }: Groups, first: number, sizes: readonly number[]): boolean {
  const sizeAt = (group: number) => (end[group] ?? 0) - (start[group] ?? 0)
  const [size] = sizes
  return isUniform(sizes) && sizeAt(first - 1) !== size && sizeAt(first + sizes.length) !== size
}

/** `12345,98765,43210`: the values before or after are of the same size. */
function isPartOfList({ start, end, gap }: Groups, first: number, sizes: readonly number[]) {
  const after = first + sizes.length
  const isAlike = (group: number, size: number) => end[group]! - start[group]! === size
  return (
    (gap[first - 1]! >= comma && isAlike(first - 1, sizes[0]!)) ||
    (gap[after - 1]! >= comma && isAlike(after, sizes.at(-1)!))
  )
}

function windowOf(
  text: string,
  { start, end, gap, digits, offset }: Groups,
  first: number,
  sizes: readonly number[],
): Window {
  const last = first + sizes.length - 1
  let kind = 0
  for (let group = first; group < last; group++) kind = Math.max(kind, gap[group]!)
  return {
    text,
    digits: digits.slice(offset[first]!, offset[last]! + sizes.at(-1)!),
    sizes,
    kind,
    plus: withPlus(text, start[first]!) < start[first]!,
    start: start[first]!,
    end: end[last]!,
  }
}

function classify(window: Window): PersonalClass | undefined {
  const found = window.sizes.length === 1 ? classifyOne(window) : classifyGroups(window)
  return found !== undefined && isNotPersonal(window.text, window.start, window.end)
    ? undefined
    : found
}

function classifyOne(window: Window): PersonalClass | undefined {
  // Also what a fixed width was filled up to with zeros.
  const digits = window.digits.replace(/^0+(?=\d{12})/, '')
  if (window.plus && nationalSizes(window) !== undefined) return 'mobile'
  // `v201005082020`: the qualifier of a build.
  if (digits.length === 12 && digits[0]! > '1' && isVerhoeff(digits) && !isTime(digits))
    return 'aadhaar'
  if (nationalSizes(window) !== undefined) return 'mobile'
  if (digits.length === 12 && digits[0]! > '1' && isAadhaarContext(window)) return 'aadhaar'
  if (isCard(digits)) return 'card'
  if (digits.length === 16 && digits[0]! > '1' && isVerhoeff(digits) && !isTime(digits))
    return 'vid'
  return undefined
}

function classifyGroups(window: Window): PersonalClass | undefined {
  const { digits, sizes, kind, plus } = window
  if (!plus) {
    if (digits.length === 12 && digits[0]! > '1' && isAadhaarGroups(window)) return 'aadhaar'
    if (digits.length >= 13 && isCardGroups(window)) return 'card'
    if (digits.length === 16 && digits[0]! > '1' && isUniform(sizes) && isVerhoeff(digits)) {
      if (kind < bracket ? !isTime(digits) : isRareGrouping(window, sizes[0] === 4)) return 'vid'
    }
  }
  return isMobileGroups(window) ? 'mobile' : undefined
}

/** As printed on the card, 4-4-4, it is one even with a wrong check digit: typos and test data are. */
function isAadhaarGroups(window: Window): boolean {
  const { digits, sizes, kind } = window
  const isPrinted = sizes.length === 3 && sizes.every(size => size === 4)
  if (isTime(digits)) return false
  if (isPrinted && kind === loose && !isPidList(window)) return true
  const isGrouped = kind <= underscore && sizes.length <= mostGroups
  if ((isGrouped || isPrinted) && isAadhaarContext(window)) return true
  if (!isVerhoeff(digits)) return false
  if (kind >= comma) return isRareGrouping(window, isPrinted)
  if (isPrinted) return kind !== bracket
  if (isUniform(sizes)) return kind <= underscore
  // Two digits, or one, are the day, the month or a count.
  return kind === loose && sizes.length <= 4 && Math.min(...sizes) >= (sizes.length === 4 ? 3 : 2)
}

/**
 * Whether groups with rare gaps may be one number: as printed, or digit by digit; and not
 * `<2048,4096,8192>`, `2019|2020|2021`, `9*8*7*6*5*4*3*2*1`, `ports 5001,5002`.
 */
function isRareGrouping(window: Window, isPrinted: boolean): boolean {
  const { kind, sizes } = window
  const groups = groupsOf(window)
  const isEachDigit = kind === mark && sizes[0] === 1 && isUniform(sizes)
  if (kind < comma || !(isPrinted || isEachDigit)) return false
  return !isPidList(window) && !isSeries(groups) && (isEachDigit || !groups.every(isRound))
}

/** Steps of one size, years, or every digit once, as a shuffle has it. */
function isSeries(groups: readonly number[]): boolean {
  if (groups.length === 10 && new Set(groups).size === 10) return true
  const step = groups[1]! - groups[0]!
  const isStepped = groups.every((value, at) => at === 0 || value - groups[at - 1]! === step)
  return isStepped || groups.every(value => value >= 1900 && value < 2100)
}

/** As embossed, 4-4-4-4, it is one even when Luhn fails. */
function isCardGroups(window: Window): boolean {
  const { digits, sizes, kind } = window
  if (kind === bracket || !hasCardPrefix(digits)) return false
  const isEmbossed = sizes.slice(0, -1).every(size => size === 4) && sizes.at(-1)! <= 4
  if (isEmbossed && kind === loose && digits.length === 16 && !isPidList(window)) return true
  if (!isCard(digits)) return false
  // Eight groups of four and a colon between them are an address of IPv6.
  if (kind === colon) return sizes.length === 4 && isEmbossed
  const isPrinted = isEmbossed || cardShapes.has(sizes.join('-'))
  if (kind >= comma) return isRareGrouping(window, isPrinted)
  if (isPrinted || isUniform(sizes)) return true
  return kind === loose && sizes.length <= 5 && Math.min(...sizes) >= 3 && !isTime(digits)
}

// American Express, Diners Club, and what forms split them into.
const cardShapes = new Set(['4-6-5', '4-6-4', '8-8', '6-10', '4-12', '12-4', '6-6-4', '6-9'])

function isMobileGroups(window: Window): boolean {
  const sizes = nationalSizes(window)
  if (sizes === undefined) return false
  if (window.kind >= comma) return isMobileList(window, sizes)
  if (window.kind > bracket) return false
  const hasCode = window.plus || window.digits.startsWith('0091')
  if (hasCode || isMobileContext(window)) return true
  if (window.kind === bracket || isPidList(window)) return false
  if (sizes.length === 1 || isUniform(sizes)) return true
  const shape = sizes.join('-')
  if (mobileShapes.has(shape)) return true
  if (window.kind !== loose) return false
  // A dash joins, where a space may separate `64 128 98765`.
  return looseMobileShapes.has(shape) || (isDashed(window) && dashedMobileShapes.has(shape))
}

/** `98765,43210`, `987'654'3210`, `98765|43210`, and not `9,876,543,210`: that is an amount. */
function isMobileList(window: Window, sizes: readonly number[]): boolean {
  const { kind, plus } = window
  const hasCode = plus || window.sizes.length === sizes.length + 1
  if (window.sizes.length !== sizes.length && !hasCode) return false
  const isSure = plus || isMobileContext(window)
  const shape = sizes.join('-')
  if (isSure && kind !== spaced && sizes.length <= 5 && !isAmount(sizes)) return true
  const isEachDigit = kind === mark && sizes.length === 10
  if (isEachDigit) return isRareGrouping(window, false)
  if (shape !== '5-5' && !mobileShapes.has(shape)) return false
  if (isSure) return true
  return kind !== spaced && !isPidList(window) && !groupsOf(window).every(isRound)
}

/** `9,876,543,210`, or in lakhs and crores `9,87,65,43,210`. */
function isAmount(sizes: readonly number[]): boolean {
  return sizes.at(-1) === 3 && sizes.slice(1, -1).every(size => size === 2 || size === 3)
}

/** Nothing but a dash between any two groups. */
function isDashed({ text, start, end, sizes }: Window): boolean {
  return (
    text.slice(start, end).split('-').length === sizes.length && !/ /.test(text.slice(start, end))
  )
}

function groupsOf({ digits, sizes }: Window): number[] {
  let end = 0
  return sizes.map(size => {
    end += size
    return Number(digits.slice(end - size, end))
  })
}

/** `<65536,98304>`, `(640,480,1920)`: sizes. */
function isRound(value: number): boolean {
  return value % 16 === 0 || value % 100 === 0 || (value + 1) % 1024 === 0
}

const mobileShapes = new Set(['4-3-3', '3-3-4', '3-4-3'])
const looseMobileShapes = new Set([
  '4-6',
  '6-4',
  '3-7',
  '7-3',
  '2-4-4',
  '4-4-2',
  '2-8',
  '5-3-2',
  '5-2-3',
])
const dashedMobileShapes = new Set([
  '1-9',
  '9-1',
  '8-2',
  '2-3-5',
  '3-2-5',
  '2-5-3',
  '3-5-2',
  '4-2-4',
  '2-2-6',
  '2-6-2',
  '6-2-2',
  '1-4-5',
  '1-3-3-3',
  '2-2-3-3',
  '3-3-2-2',
  '2-3-2-3',
  '3-2-3-2',
])

/** The groups of a mobile number without its trunk and country code, or undefined when it is none. */
function nationalSizes({ digits, sizes }: Window): number[] | undefined {
  const prefix = digits.length - 10
  if (prefix > 5 || digits[prefix]! < '6' || !prefixes.has(digits.slice(0, prefix)))
    return undefined
  const national = [...sizes]
  for (let left = prefix; left > 0; ) {
    const taken = Math.min(left, national[0]!)
    left -= taken
    national[0]! -= taken
    if (national[0] === 0) national.shift()
  }
  return national
}

const prefixes = new Set(['', '0', '00', '91', '091', '910', '0091', '00910'])

/** `5-5`, `3-3-3-3`, `1-1-1-…`: all of one size. */
function isUniform(sizes: readonly number[]): boolean {
  return sizes.every(size => size === sizes[0])
}

/** `20260425 1142`, `2026042511423300`: a day of this century and its hour, not a number of anybody. */
function isTime(digits: string): boolean {
  return /^20[0-4]\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d/.test(digits)
}

function isAadhaarContext({ text, start }: Window): boolean {
  return /a{1,2}dh?a{1,2}r|uidai|kyc/i.test(wordsBefore(text, start))
}

function isMobileContext({ text, start }: Window): boolean {
  return /mobile|phone|msisdn|whatsapp|contact|(?<![a-z])(?:mob|tel|call)(?![a-z])/i.test(
    wordsBefore(text, start),
  )
}

/** `pids 65432 12345`: numbers of processes come in groups as well. */
function isPidList({ text, start }: Window): boolean {
  return /(?<![a-z])(?:-[pt]|p?pid|tid|tgid|thread|line|port)s?[^a-z]{0,24}$/i.test(
    wordsBefore(text, start),
  )
}

/** Where the number begins, with its `+` or `(+`. */
function withPlus(text: string, start: number): number {
  if (text[start - 1] !== '+') return start
  return text[start - 2] === '(' ? start - 2 : start - 1
}
