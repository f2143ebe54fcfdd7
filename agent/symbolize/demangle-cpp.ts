// C++ names, as GCC and Clang mangle them: the Itanium C++ ABI.
//
// https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangling
//
// The grammar is read by hand, one function a production: names, types and
// expressions in a file each, which call each other as the productions do.
// Here are the outermost ones: the encoding of a function or variable, and the
// special names of what the compiler adds (vtables, thunks, guards).
//
// The style is that of GNU's `c++filt --no-verbose`, which is also what perf
// prints: `A<B<int> >`, `char const*`, `std::string` for the old string.

import { name } from './demangle-cpp-names.ts'
import { print } from './demangle-cpp-print.ts'
import {
  digits,
  eat,
  enter,
  expect,
  fail,
  leave,
  malformed,
  peek,
  type Reader,
  readerOf,
  substitutionIndex,
} from './demangle-cpp-reader.ts'
import { templateArg } from './demangle-cpp-template-args.ts'
import { type Node, ownName, sequence } from './demangle-cpp-tree.ts'
import { parameters, type } from './demangle-cpp-types.ts'

/** The name as in the source, or undefined if this is no mangled C++ name or one that is too large to print. */
export function demangleCpp(mangled: string): string | undefined {
  try {
    const r = readerOf(mangled)
    expect(r, '_Z')
    const node = encoding(r)
    const suffix = cloneSuffix(mangled.slice(r.at))
    return print(node) + suffix
  } catch (error) {
    if (error !== malformed) throw error
    return undefined
  }
}

/** A function with its parameters, a variable, or something that the compiler made for one. */
export function encoding(r: Reader): Node {
  enter(r)
  return leave(r, peek(r) === 'T' || peek(r) === 'G' ? specialName(r) : declaration(r))
}

function declaration(r: Reader): Node {
  const full = name(r)
  if (isEnd(peek(r))) return full
  const { own, suffix } = withoutSuffix(full)
  const returns = hasReturnType(own) ? type(r) : undefined
  const params = parameters(r)
  return { kind: 'encoding', name: own, type: { kind: 'function', returns, params, suffix } }
}

function isEnd(character: string): boolean {
  return character === '' || character === 'E' || character === '.'
}

/** Only a template's return type is mangled, and constructors, destructors and conversions have none. */
function hasReturnType(full: Node): boolean {
  const own = ownName(full)
  if (own.kind !== 'template') return false
  let last = own.name
  while (last.kind === 'scoped' || last.kind === 'local') {
    last = last.kind === 'scoped' ? last.name : last.entity
  }
  return last.kind !== 'structor' && last.kind !== 'conversion'
}

/** Moves the qualifiers of a member function from its name to after its parameters. */
function withoutSuffix(full: Node): { own: Node; suffix: readonly string[] } {
  if (full.kind === 'method') return { own: full.name, suffix: [full.suffix] }
  if (full.kind !== 'local') return { own: full, suffix: [] }
  const { own, suffix } = withoutSuffix(full.entity)
  return { own: own === full.entity ? full : { ...full, entity: own }, suffix }
}

function specialName(r: Reader): Node {
  const code = r.text.slice(r.at, r.at + 2)
  r.at += 2
  switch (code) {
    case 'TV':
      return sequence('vtable for ', type(r))
    case 'TT':
      return sequence('VTT for ', type(r))
    case 'TI':
      return sequence('typeinfo for ', type(r))
    case 'TS':
      return sequence('typeinfo name for ', type(r))
    case 'TF':
      return sequence('typeinfo fn for ', type(r))
    case 'TA':
      return sequence('template parameter object for ', templateArg(r))
    case 'TC':
      return constructionVtable(r)
    case 'Th':
    case 'Tv':
      r.at--
      return sequence(code === 'Th' ? 'non-virtual thunk to ' : 'virtual thunk to ', thunk(r, 1))
    case 'Tc':
      return sequence('covariant return thunk to ', thunk(r, 2))
    case 'TH':
      return sequence('TLS init function for ', name(r))
    case 'TW':
      return sequence('TLS wrapper function for ', name(r))
    case 'GV':
      return sequence('guard variable for ', name(r))
    case 'GR':
      return referenceTemporary(r)
    case 'GT':
      return transactionClone(r)
    case 'GI':
      return sequence('initializer for module ', name(r))
    default:
      return fail()
  }
}

function constructionVtable(r: Reader): Node {
  const derived = type(r)
  digits(r)
  expect(r, '_')
  return sequence('construction vtable for ', type(r), '-in-', derived)
}

/** What a thunk calls; by how much it moves `this` is left out. */
function thunk(r: Reader, offsets: 1 | 2): Node {
  for (let index = 0; index < offsets; index++) {
    if (eat(r, 'v')) {
      digits(r)
      expect(r, '_')
    } else {
      expect(r, 'h')
    }
    digits(r)
    expect(r, '_')
  }
  return encoding(r)
}

/** Its number is to the base of 36 with an underscore after it; GCC before 4.8 wrote a decimal one. */
function referenceTemporary(r: Reader): Node {
  const of = name(r)
  const number = isEnd(peek(r)) ? 0 : substitutionIndex(r)
  return sequence(`reference temporary #${number} for `, of)
}

function transactionClone(r: Reader): Node {
  if (eat(r, 'n')) return sequence('non-transaction clone for ', encoding(r))
  expect(r, 't')
  return sequence('transaction clone for ', encoding(r))
}

// `.cold`, `.isra.0`, `.llvm.123`: a word or a number, and then maybe its number.
const clone = /\.(?:[a-z_][a-z0-9_]*|\d+)(?:\.\d+)*/giy

/** The copies of a function that an optimizer makes, one bracket each. Fails for anything else. */
function cloneSuffix(rest: string): string {
  let suffix = ''
  clone.lastIndex = 0
  for (let at = 0; at < rest.length; at = clone.lastIndex) {
    const found = clone.exec(rest)
    if (found === null) fail()
    suffix += ` [clone ${found[0]}]`
  }
  return suffix
}
