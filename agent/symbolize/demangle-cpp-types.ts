// Types in the mangling of C++.
//
// https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangling.type
//
// The trap: what is a substitution. Every type is, but builtin ones and those
// that are a substitution themselves; qualifiers count together and once; and
// those of a function type belong to it (`KFvvE` is one type, `KPi` is two).

import { expression } from './demangle-cpp-expressions.ts'
import { laterType, vendorQualified, vendorType } from './demangle-cpp-later-types.ts'
import { name, substitution } from './demangle-cpp-names.ts'
import {
  attempt,
  digits,
  eat,
  enter,
  expect,
  fail,
  isDigit,
  leave,
  ordinal,
  peek,
  type Reader,
  remember,
} from './demangle-cpp-reader.ts'
import { templateArgs } from './demangle-cpp-template-args.ts'
import {
  type FunctionNode,
  list,
  type Node,
  type Part,
  sequence,
  simple,
  text,
} from './demangle-cpp-tree.ts'
import { builtinTypes } from './demangle-cpp-words.ts'

// One node for each builtin type, made once.
const builtins = new Map([...builtinTypes].map(([code, word]) => [code, text(word)]))

const nothing = builtins.get('v')

export function type(r: Reader): Node {
  enter(r)
  return leave(r, anyType(r))
}

/** The types of a function's parameters; `v` alone is none. Ends before `E`, `.`, `Q` or the end. */
export function parameters(r: Reader): Node[] {
  const params: Node[] = []
  do params.push(type(r))
  while (!isParametersEnd(r))
  return params.length === 1 && params[0] === nothing ? [] : params
}

/** `T_`, `T0_`…; with `L`, of a lambda's own level. */
export function templateParameter(r: Reader): Node {
  expect(r, 'T')
  const ofLambda = eat(r, 'L')
  if (ofLambda) ordinal(r)
  return { kind: 'parameter', index: ordinal(r), ofLambda }
}

/** `Dt` an id or member access, `DT` any other expression. */
export function decltype(r: Reader): Node {
  if (!eat(r, 'Dt')) expect(r, 'DT')
  const of = expression(r)
  expect(r, 'E')
  return sequence('decltype (', of, ')')
}

function anyType(r: Reader): Node {
  const builtin = builtins.get(peek(r))
  if (builtin !== undefined) {
    r.at++
    return builtin
  }
  switch (peek(r)) {
    case 'r':
    case 'V':
    case 'K':
      return remember(r, qualified(r))
    case 'P':
      return pointer(r, '*')
    case 'R':
      return pointer(r, '&')
    case 'O':
      return pointer(r, '&&')
    case 'C':
      return suffixed(r, ' _Complex')
    case 'G':
      return suffixed(r, ' _Imaginary')
    case 'F':
      return remember(r, functionType(r, []))
    case 'A':
      return remember(r, array(r))
    case 'M':
      return remember(r, memberPointer(r))
    case 'T':
      return templateParameterType(r)
    case 'S':
      return substitutedType(r)
    case 'D':
      return laterType(r)
    case 'U':
      return peek(r, 1) === 'l' || peek(r, 1) === 't' ? remember(r, name(r)) : vendorQualified(r)
    case 'u':
      return remember(r, vendorType(r))
    default:
      return remember(r, name(r))
  }
}

function pointer(r: Reader, mark: string): Node {
  r.at++
  return remember(r, { kind: 'pointer', to: type(r), mark })
}

function suffixed(r: Reader, suffix: string): Node {
  r.at++
  return remember(r, { kind: 'qualified', of: type(r), qualifier: [suffix] })
}

function qualified(r: Reader): Node {
  const isRestrict = eat(r, 'r')
  const isVolatile = eat(r, 'V')
  const isConst = eat(r, 'K')
  const words = [
    ...(isConst ? [' const'] : []),
    ...(isVolatile ? [' volatile'] : []),
    ...(isRestrict ? [' restrict'] : []),
  ]
  if (isFunctionStart(r)) return functionType(r, words)
  let node = type(r)
  for (const word of words) node = { kind: 'qualified', of: node, qualifier: [word] }
  return node
}

function isFunctionStart(r: Reader): boolean {
  return (
    peek(r) === 'F' ||
    (peek(r) === 'D' &&
      (peek(r, 1) === 'x' || peek(r, 1) === 'o' || peek(r, 1) === 'O' || peek(r, 1) === 'w'))
  )
}

export function functionType(r: Reader, qualifiers: readonly string[]): FunctionNode {
  const exceptions = exceptionSpec(r)
  const isTransactionSafe = eat(r, 'Dx')
  expect(r, 'F')
  // extern "C".
  eat(r, 'Y')
  const returns = type(r)
  const params = parameters(r)
  const reference = eat(r, 'R') ? ' &' : eat(r, 'O') ? ' &&' : ''
  expect(r, 'E')
  const suffix: Part[] = [
    ...qualifiers,
    reference,
    isTransactionSafe ? ' transaction_safe' : '',
    ...exceptions,
  ]
  return { kind: 'function', returns, params, suffix }
}

function exceptionSpec(r: Reader): Part[] {
  if (eat(r, 'Do')) return [' noexcept']
  if (eat(r, 'DO')) {
    const condition = expression(r)
    expect(r, 'E')
    return [' noexcept(', condition, ')']
  }
  if (eat(r, 'Dw')) {
    const thrown = parameters(r)
    expect(r, 'E')
    return [' throw(', list(thrown), ')']
  }
  return []
}

function array(r: Reader): Node {
  expect(r, 'A')
  let bound: Node | undefined
  if (isDigit(peek(r))) bound = text(digits(r))
  else if (peek(r) !== '_') bound = expression(r)
  expect(r, '_')
  return { kind: 'array', of: type(r), bound }
}

function memberPointer(r: Reader): Node {
  expect(r, 'M')
  const of = type(r)
  return { kind: 'memberPointer', of, to: type(r) }
}

/**
 * A parameter may be a template itself: `T_IiE`. As the type of a conversion operator that
 * can't be told from the operator's own arguments, `operator T<int>()`, which are far more
 * common: so the arguments are the type's only if others follow them.
 */
function templateParameterType(r: Reader): Node {
  if (peek(r, 1) === 's' || peek(r, 1) === 'u' || peek(r, 1) === 'e') {
    const key = peek(r, 1) === 's' ? 'struct ' : peek(r, 1) === 'u' ? 'union ' : 'enum '
    r.at += 2
    return remember(r, simple(key, name(r)))
  }
  const parameter = remember(r, templateParameter(r))
  if (peek(r) !== 'I') return parameter
  const args = r.inConversion
    ? attempt(r, () => {
        const own = templateArgs(r)
        return peek(r) === 'I' ? own : fail()
      })
    : templateArgs(r)
  return args === undefined ? parameter : remember(r, { kind: 'template', name: parameter, args })
}

function substitutedType(r: Reader): Node {
  if (peek(r, 1) === 't') return remember(r, name(r))
  const found = substitution(r)
  if (peek(r) !== 'I') return found
  // The same ambiguity, for a template parameter that was seen before.
  const args =
    r.inConversion && found.kind === 'parameter'
      ? attempt(r, () => {
          const own = templateArgs(r)
          return peek(r) === 'I' ? own : fail()
        })
      : templateArgs(r)
  return args === undefined ? found : remember(r, { kind: 'template', name: found, args })
}

/** `R` and `O` before an `E` qualify the function and begin no type. */
function isParametersEnd(r: Reader): boolean {
  switch (peek(r)) {
    case '':
    case 'E':
    case '.':
    case 'Q':
      return true
    case 'R':
    case 'O':
      return peek(r, 1) === 'E'
    default:
      return false
  }
}
