// Rust's v0 mangling: `_R…`.
//
// https://doc.rust-lang.org/rustc/symbol-mangling/v0.html
//
// The trap: `::` before generic arguments depends on where the path stands
// (`f::<T>` is a value, `Vec<T>` a type), not on what is mangled.
//
// The style is that of GNU's `c++filt --no-verbose` and of rustc-demangle's
// short form: no crate hashes, no types of constants. Lifetimes of a binder are
// `'a`, `'b`, as there.

import { constant } from './demangle-rust-constants.ts'
import {
  backReference,
  base62,
  commaSeparated,
  eat,
  enter,
  fail,
  identifier,
  malformed,
  peek,
  put,
  quietly,
  type Reader,
  readerOf,
  tagged62,
  take,
} from './demangle-rust-reader.ts'

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
  const r = readerOf(name)
  try {
    path(r, true)
    if (r.at < name.length) quietly(r, () => path(r, false))
    return r.at === name.length ? r.out : undefined
  } catch (error) {
    if (error !== malformed) throw error
    return undefined
  }
}

export function path(r: Reader, isValue: boolean): void {
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
