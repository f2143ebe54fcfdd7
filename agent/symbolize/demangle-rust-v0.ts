// Rust's v0 mangling: `_R…`.
//
// https://doc.rust-lang.org/rustc/symbol-mangling/v0.html
//
// It is printed while it is read. A back reference is a position in the name,
// read again when it is met, so a short name can say an exponential lot: what
// is printed, depth and steps are bounded, and a name that goes over a bound is
// given up.
//
// The trap: `::` before generic arguments depends on where the path stands
// (`f::<T>` is a value, `Vec<T>` a type), not on what is mangled.
//
// The style is that of GNU's `c++filt --no-verbose` and of rustc-demangle's
// short form: no crate hashes, no types of constants. Lifetimes of a binder are
// `'a`, `'b`, as there.

import { decodePunycode } from './punycode.ts'

interface Reader {
  readonly text: string
  at: number
  out: string
  /** Counts up while parts of the name are read that are not printed. */
  muted: number
  /** Lifetimes bound by the binders around this place. */
  lifetimes: number
  depth: number
  steps: number
}

/** Thrown through the grammar: one object, because a stack trace for each bad name would cost more than the name. */
const malformed = new Error('malformed Rust name')

// As for C++ names: longer than any frame that a person would read.
const maxPrinted = 64 * 1024
// The deepest name in the Rust compiler needs 60, each level about three calls.
const maxDepth = 256
// The longest name in the Rust compiler takes 2,000.
const maxSteps = 64 * 1024
// `for<'a, 'b, …>` of a hostile name; real ones bind up to five.
const maxLifetimes = 64

const basicTypes = new Map([
  ['a', 'i8'],
  ['b', 'bool'],
  ['c', 'char'],
  ['d', 'f64'],
  ['e', 'str'],
  ['f', 'f32'],
  ['h', 'u8'],
  ['i', 'isize'],
  ['j', 'usize'],
  ['l', 'i32'],
  ['m', 'u32'],
  ['n', 'i128'],
  ['o', 'u128'],
  ['p', '_'],
  ['s', 'i16'],
  ['t', 'u16'],
  ['u', '()'],
  ['v', '...'],
  ['x', 'i64'],
  ['y', 'u64'],
  ['z', '!'],
])

export function demangleRustV0(mangled: string): string | undefined {
  // What LLVM appends is not part of the name.
  const [name = ''] = mangled.split(/[.$@]/, 1)
  const r: Reader = {
    text: name,
    at: 2,
    out: '',
    muted: 0,
    lifetimes: 0,
    depth: 0,
    steps: maxSteps,
  }
  try {
    path(r, true)
    if (r.at < name.length) quietly(r, () => path(r, false))
    return r.at === name.length ? r.out : undefined
  } catch (error) {
    if (error !== malformed) throw error
    return undefined
  }
}

function fail(): never {
  throw malformed
}

function put(r: Reader, word: string): void {
  if (r.muted > 0) return
  r.out += word
  if (r.out.length > maxPrinted) fail()
}

function quietly(r: Reader, read: () => void): void {
  r.muted++
  read()
  r.muted--
}

function enter(r: Reader): void {
  if (++r.depth > maxDepth || --r.steps < 0) fail()
}

function peek(r: Reader): string {
  return r.text[r.at] ?? ''
}

function take(r: Reader): string {
  const character = r.text[r.at] ?? fail()
  r.at++
  return character
}

function eat(r: Reader, character: string): boolean {
  if (peek(r) !== character) return false
  r.at++
  return true
}

/** `_` is 0, `0_` is 1: to the base of 62. A crate's hash is above 2^53 and not exact, but nobody prints it. */
function base62(r: Reader): number {
  if (eat(r, '_')) return 0
  let number = 0
  while (!eat(r, '_')) {
    const digit = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'.indexOf(take(r))
    if (digit < 0) fail()
    number = number * 62 + digit
    if (number > 0x1_0000_0000_0000_0000) fail()
  }
  return number + 1
}

function tagged62(r: Reader, tag: string): number {
  return eat(r, tag) ? base62(r) + 1 : 0
}

/** An identifier without its disambiguator. */
function identifier(r: Reader): string {
  const isPunycode = eat(r, 'u')
  const start = r.at
  while (peek(r) >= '0' && peek(r) <= '9') {
    r.at++
    // A leading zero is the whole number.
    if (r.text[start] === '0') break
  }
  if (r.at === start || r.at - start > 6) fail()
  const length = Number(r.text.slice(start, r.at))
  eat(r, '_')
  const word = r.text.slice(r.at, r.at + length)
  if (word.length < length) fail()
  r.at += length
  // The last underscore stands for Punycode's hyphen, which no symbol may have.
  return isPunycode ? (decodePunycode(word.replace(/_(?=[^_]*$)/, '-')) ?? fail()) : word
}

/** Reads again what stood at an earlier position. Nothing to do where nothing is printed. */
function backReference(r: Reader, start: number, read: () => void): void {
  const to = base62(r) + 2
  if (to >= start) fail()
  if (r.muted > 0) return
  const { at } = r
  r.at = to
  read()
  r.at = at
}

function path(r: Reader, isValue: boolean): void {
  enter(r)
  const start = r.at
  switch (take(r)) {
    case 'C':
      tagged62(r, 's')
      put(r, identifier(r))
      break
    case 'N':
      namespaced(r, isValue)
      break
    case 'M':
      implPath(r)
      put(r, '<')
      type(r)
      put(r, '>')
      break
    case 'X':
      implPath(r)
      qualifiedSelf(r)
      break
    case 'Y':
      qualifiedSelf(r)
      break
    case 'I':
      path(r, isValue)
      put(r, isValue ? '::<' : '<')
      commaSeparated(r, genericArg)
      put(r, '>')
      break
    case 'B':
      backReference(r, start, () => path(r, isValue))
      break
    default:
      fail()
  }
  r.depth--
}

/** `N`, a letter for the namespace, the path around and the own name. Capitals are what the compiler made. */
function namespaced(r: Reader, isValue: boolean): void {
  const namespace = take(r)
  path(r, isValue)
  const disambiguator = tagged62(r, 's')
  const own = identifier(r)
  if (namespace >= 'a' && namespace <= 'z') {
    if (own !== '') put(r, `::${own}`)
  } else if (namespace >= 'A' && namespace <= 'Z') {
    const what = namespace === 'C' ? 'closure' : namespace === 'S' ? 'shim' : namespace
    put(r, `::{${what}${own === '' ? '' : `:${own}`}#${disambiguator}}`)
  } else fail()
}

/** Where the `impl` block stands: its type and trait say more. */
function implPath(r: Reader): void {
  tagged62(r, 's')
  quietly(r, () => path(r, false))
}

function qualifiedSelf(r: Reader): void {
  put(r, '<')
  type(r)
  put(r, ' as ')
  path(r, false)
  put(r, '>')
}

/** Up to an `E`. Returns how many there were. */
function commaSeparated(r: Reader, read: (r: Reader) => void, separator = ', '): number {
  let count = 0
  for (; !eat(r, 'E'); count++) {
    if (count > 0) put(r, separator)
    read(r)
  }
  return count
}

function genericArg(r: Reader): void {
  if (eat(r, 'L')) put(r, lifetime(r, base62(r)))
  else if (eat(r, 'K')) constant(r)
  else type(r)
}

/** Lifetimes are counted from the innermost binder; 0 is one that was erased. */
function lifetime(r: Reader, index: number): string {
  if (index === 0) return "'_"
  const depth = r.lifetimes - index
  if (depth < 0) fail()
  return depth < 26 ? `'${String.fromCharCode(97 + depth)}` : `'_${depth}`
}

/** `for<'a, 'b> ` around what `read` reads. */
function bound(r: Reader, read: () => void): void {
  const count = tagged62(r, 'G')
  if (count > maxLifetimes) fail()
  if (count > 0) {
    const names = Array.from({ length: count }, () => {
      r.lifetimes++
      return lifetime(r, 1)
    })
    put(r, `for<${names.join(', ')}> `)
  }
  read()
  r.lifetimes -= count
}

function type(r: Reader): void {
  enter(r)
  const start = r.at
  const basic = basicTypes.get(peek(r))
  if (basic !== undefined) {
    r.at++
    put(r, basic)
  } else {
    compoundType(r, start)
  }
  r.depth--
}

function compoundType(r: Reader, start: number): void {
  switch (take(r)) {
    case 'A':
      put(r, '[')
      type(r)
      put(r, '; ')
      constant(r)
      put(r, ']')
      break
    case 'S':
      put(r, '[')
      type(r)
      put(r, ']')
      break
    case 'T':
      put(r, '(')
      if (commaSeparated(r, type) === 1) put(r, ',')
      put(r, ')')
      break
    case 'R':
      reference(r, '&')
      break
    case 'Q':
      reference(r, '&mut ')
      break
    case 'P':
      put(r, '*const ')
      type(r)
      break
    case 'O':
      put(r, '*mut ')
      type(r)
      break
    case 'F':
      bound(r, () => functionSignature(r))
      break
    case 'D':
      put(r, 'dyn ')
      bound(r, () => commaSeparated(r, dynamicTrait, ' + '))
      traitLifetime(r)
      break
    case 'B':
      backReference(r, start, () => type(r))
      break
    default:
      r.at = start
      path(r, false)
  }
}

function reference(r: Reader, mark: string): void {
  const index = eat(r, 'L') ? base62(r) : 0
  put(r, index === 0 ? mark : `&${lifetime(r, index)} ${mark.slice(1)}`)
  type(r)
}

function functionSignature(r: Reader): void {
  if (eat(r, 'U')) put(r, 'unsafe ')
  if (eat(r, 'K')) {
    // An ABI's name has hyphens in Rust and underscores here.
    const abi = eat(r, 'C') ? 'C' : identifier(r).replaceAll('_', '-')
    put(r, `extern "${abi}" `)
  }
  put(r, 'fn(')
  commaSeparated(r, type)
  put(r, ')')
  if (eat(r, 'u')) return
  put(r, ' -> ')
  type(r)
}

/** A trait with its associated types, which share the angle brackets of its arguments. */
function dynamicTrait(r: Reader): void {
  let isOpen = traitPath(r)
  while (eat(r, 'p')) {
    put(r, isOpen ? ', ' : '<')
    isOpen = true
    put(r, `${identifier(r)} = `)
    type(r)
  }
  if (isOpen) put(r, '>')
}

/** Leaves the angle brackets of the arguments open, and says whether there are any. */
function traitPath(r: Reader): boolean {
  const start = r.at
  if (eat(r, 'B')) {
    let isOpen = false
    enter(r)
    backReference(r, start, () => {
      isOpen = traitPath(r)
    })
    r.depth--
    return isOpen
  }
  if (!eat(r, 'I')) {
    path(r, false)
    return false
  }
  path(r, false)
  put(r, '<')
  commaSeparated(r, genericArg)
  return true
}

function traitLifetime(r: Reader): void {
  if (!eat(r, 'L')) fail()
  const index = base62(r)
  if (index !== 0) put(r, ` + ${lifetime(r, index)}`)
}

/** A constant. What is more than a literal has braces around it, but not within another one. */
function constant(r: Reader, isPart = false): void {
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
