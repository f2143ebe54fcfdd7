// Expressions in the mangling of C++: in template arguments, array bounds and
// decltype, wherever they depend on a template's parameters.
//
// https://itanium-cxx-abi.github.io/cxx-abi/abi.html#expressions
//
// An operand is put in parentheses unless it is a name, as GNU's c++filt does:
// that is more than C++ needs, and never wrong.
//
// It is long because there are forty forms of expression, each of a few lines.

import { encoding } from './demangle-cpp.ts'
import { sourceName } from './demangle-cpp-names.ts'
import {
  digits,
  eat,
  enter,
  expect,
  fail,
  isDigit,
  isLower,
  leave,
  natural,
  ordinal,
  peek,
  type Reader,
} from './demangle-cpp-reader.ts'
import { templateArg } from './demangle-cpp-template-args.ts'
import { list, type Node, type Part, sequence, simple, text } from './demangle-cpp-tree.ts'
import { templateParameter, type } from './demangle-cpp-types.ts'
import { member, unresolved, withArgs } from './demangle-cpp-unresolved.ts'
import { literalSuffixes, operators } from './demangle-cpp-words.ts'

export function expression(r: Reader): Node {
  enter(r)
  return leave(r, anyExpression(r))
}

/** `L…E`: a value of a type, or the name of something. */
export function literal(r: Reader): Node {
  expect(r, 'L')
  if (eat(r, '_Z')) {
    const named = encoding(r)
    expect(r, 'E')
    return named
  }
  // GCC before 4.5 left the underscore out.
  if (eat(r, 'Z')) {
    const named = encoding(r)
    expect(r, 'E')
    return named
  }
  const code = peek(r)
  const of = type(r)
  if (eat(r, 'E')) return of
  const start = r.at
  while (peek(r) !== 'E') if (peek(r) === '' || ++r.at > r.text.length) fail()
  const value = r.text.slice(start, r.at++).replace(/^n/, '-')
  const isPlain = r.text[start - 1] === code
  if (isPlain && code === 'b' && (value === '0' || value === '1')) {
    return simple(value === '1' ? 'true' : 'false')
  }
  const suffix = isPlain ? literalSuffixes.get(code) : undefined
  if (suffix !== undefined) return sequence(value + suffix)
  // The bytes of a floating-point number, which have no exact and short decimal form.
  const isFloat = isPlain && (code === 'f' || code === 'd' || code === 'e' || code === 'g')
  return sequence('(', of, ')', isFloat ? `[${value}]` : value)
}

function anyExpression(r: Reader): Node {
  const first = peek(r)
  if (first === 'L') return literal(r)
  if (first === 'T') return templateParameter(r)
  if (isDigit(first)) return unresolved(r)
  const code = first + peek(r, 1)
  switch (code) {
    case 'fp':
    case 'fL':
    case 'fl':
    case 'fr':
    case 'fR':
      return parameterOrFold(r)
    case 'sr':
    case 'on':
    case 'dn':
      return unresolved(r)
  }
  const start = r.at
  r.at += 2
  switch (code) {
    case 'cl':
    case 'cp':
      return call(r)
    case 'cv':
      return conversion(r)
    case 'sc':
      return namedCast(r, 'static_cast')
    case 'dc':
      return namedCast(r, 'dynamic_cast')
    case 'cc':
      return namedCast(r, 'const_cast')
    case 'rc':
      return namedCast(r, 'reinterpret_cast')
    case 'tl': {
      const of = type(r)
      return simple(of, '{', list(untilEnd(r, initializer)), '}')
    }
    case 'il':
      return simple('{', list(untilEnd(r, initializer)), '}')
    case 'sp':
      return { kind: 'expansion', pattern: expression(r) }
    case 'sZ':
      return sizeOfPack(r)
    case 'sP':
      return { kind: 'packSize', of: { kind: 'pack', items: untilEnd(r, templateArg) } }
    case 'st':
      return sequence('sizeof (', type(r), ')')
    case 'sz':
      return sequence('sizeof ', operand(expression(r)))
    case 'at':
      return sequence('alignof (', type(r), ')')
    case 'az':
      return sequence('alignof ', operand(expression(r)))
    case 'nx':
      return sequence('noexcept (', expression(r), ')')
    case 'ti':
      return sequence('typeid (', type(r), ')')
    case 'te':
      return sequence('typeid (', expression(r), ')')
    case 'tr':
      return text('throw')
    case 'dt':
    case 'pt': {
      const object = operand(expression(r))
      return sequence(object, code === 'dt' ? '.' : '->', operand(withArgs(r, member(r))))
    }
    case 'ix': {
      const object = operand(expression(r))
      return sequence(object, '[', expression(r), ']')
    }
    case 'gs':
      return global(r)
    case 'nw':
    case 'na':
      return newExpression(r, 'new')
    case 'so':
      return subobject(r)
    case 'rq':
      expect(r, '_')
      return requirement(r)
    case 'rQ':
      while (!eat(r, '_')) type(r)
      return requirement(r)
  }
  if (first === 'u') {
    r.at = start + 1
    return vendorExpression(r)
  }
  return operation(r, code)
}

function operation(r: Reader, code: string): Node {
  const { symbol, arity } = operators.get(code) ?? fail()
  if (arity === 1) {
    // `pp_` is ++x and `pp` is x++.
    const isPostfix = (code === 'pp' || code === 'mm') && !eat(r, '_')
    const of = expression(r)
    if (isPostfix) return sequence(operand(of), symbol)
    const word = isLower(symbol[0]!) ? `${symbol} ` : symbol
    return sequence(word, operand(code === 'ad' ? withoutParameters(of) : of))
  }
  if (arity === 2) {
    const left = operand(expression(r))
    const right = operand(expression(r))
    // `>` would end the template arguments around it.
    return code === 'gt' ? sequence('(', left, symbol, right, ')') : sequence(left, symbol, right)
  }
  if (arity === 3) {
    const condition = operand(expression(r))
    const whenTrue = operand(expression(r))
    return sequence(condition, '?', whenTrue, ' : ', operand(expression(r)))
  }
  return fail()
}

/** An expression as a part of another one. */
function operand(of: Node): Node {
  const isBare =
    of.kind === 'text' || of.kind === 'scoped' || (of.kind === 'sequence' && of.isSimple)
  return isBare ? of : simple('(', of, ')')
}

/** `&A::f`: a member function's address has no parameter list, unless its qualifiers need one. */
function withoutParameters(of: Node): Node {
  const isPlainMember =
    of.kind === 'encoding' && of.name.kind === 'scoped' && of.type.suffix.length === 0
  return isPlainMember ? of.name : of
}

function untilEnd(r: Reader, read: (r: Reader) => Node): Node[] {
  const items: Node[] = []
  while (!eat(r, 'E')) items.push(read(r))
  return items
}

function call(r: Reader): Node {
  const callee = expression(r)
  const args = untilEnd(r, expression)
  // A function that is named with its type is called by its name.
  return sequence(operand(callee.kind === 'encoding' ? callee.name : callee), '(', list(args), ')')
}

/** `(int)x`, or `(int)(x, y)` between underscore and `E`. */
function conversion(r: Reader): Node {
  const to = type(r)
  if (eat(r, '_')) return sequence('(', to, ')(', list(untilEnd(r, expression)), ')')
  return sequence('(', to, ')', operand(expression(r)))
}

function namedCast(r: Reader, word: string): Node {
  const to = type(r)
  return sequence(`${word}<`, to, '>(', expression(r), ')')
}

/** An element of a braced list, which may say what it initializes. */
function initializer(r: Reader): Node {
  enter(r)
  return leave(r, anyInitializer(r))
}

function anyInitializer(r: Reader): Node {
  if (eat(r, 'di')) {
    const field = sourceName(r)
    return sequence(`.${field}=`, initializer(r))
  }
  if (eat(r, 'dx')) {
    const index = expression(r)
    return sequence('[', index, ']=', initializer(r))
  }
  if (eat(r, 'dX')) {
    const first = expression(r)
    const last = expression(r)
    return sequence('[', first, ' ... ', last, ']=', initializer(r))
  }
  return expression(r)
}

function sizeOfPack(r: Reader): Node {
  if (peek(r) === 'T') return { kind: 'packSize', of: templateParameter(r) }
  return sequence('sizeof...(', expression(r), ')')
}

/** `fp_` is the first parameter, `fL0p_` that of the function around it; else a fold over an operator. */
function parameterOrFold(r: Reader): Node {
  expect(r, 'f')
  if (peek(r) === 'p' || (peek(r) === 'L' && isDigit(peek(r, 1)))) {
    if (eat(r, 'L')) natural(r)
    expect(r, 'p')
    if (eat(r, 'T')) return text('this')
    // Qualifiers of the parameter's own type, which the expression doesn't show.
    while (eat(r, 'r') || eat(r, 'V') || eat(r, 'K'));
    return text(`{parm#${ordinal(r) + 1}}`)
  }
  const side = peek(r)
  r.at++
  const code = peek(r) + peek(r, 1)
  r.at += 2
  const { symbol } = operators.get(code) ?? fail()
  const first = operand(expression(r))
  if (side === 'l') return sequence('(...', symbol, first, ')')
  if (side === 'r') return sequence('(', first, symbol, '...)')
  return sequence('(', first, `${symbol}...${symbol}`, operand(expression(r)), ')')
}

function global(r: Reader): Node {
  if (eat(r, 'nw') || eat(r, 'na')) return newExpression(r, '::new')
  if (eat(r, 'dl')) return sequence('::delete ', operand(expression(r)))
  if (eat(r, 'da')) return sequence('::delete[] ', operand(expression(r)))
  return simple('::', unresolved(r))
}

/** Placement arguments, underscore, type, and `E` or an initializer. Of an array, the type says so. */
function newExpression(r: Reader, word: string): Node {
  const placement: Node[] = []
  while (!eat(r, '_')) placement.push(expression(r))
  const of = type(r)
  const opening: Part[] =
    placement.length === 0 ? [`${word} `, of] : [`${word} (`, list(placement), ') ', of]
  if (eat(r, 'E')) return sequence(...opening)
  if (eat(r, 'pi')) return sequence(...opening, '(', list(untilEnd(r, expression)), ')')
  return sequence(...opening, expression(r))
}

/** A part of an object in a template argument (C++20): its type says enough. */
function subobject(r: Reader): Node {
  const of = type(r)
  const object = expression(r)
  let offset = '0'
  if (isDigit(peek(r)) || peek(r) === 'n') offset = digits(r)
  while (eat(r, '_')) if (isDigit(peek(r))) natural(r)
  eat(r, 'p')
  expect(r, 'E')
  return sequence(object, '.<', of, ` at offset ${offset}>`)
}

/** A `requires` expression is a page of code: what it requires is left out. */
function requirement(r: Reader): Node {
  while (!eat(r, 'E')) {
    if (eat(r, 'X')) {
      expression(r)
      eat(r, 'N')
      if (eat(r, 'R')) type(r)
    } else if (eat(r, 'T')) {
      type(r)
    } else {
      expect(r, 'Q')
      expression(r)
    }
  }
  return text('requires {...}')
}

function vendorExpression(r: Reader): Node {
  const word = sourceName(r)
  return sequence(`${word}(`, list(untilEnd(r, templateArg)), ')')
}
