// Types that came after the letters of the mangling were used up, and those of
// vendors: `D…`, `u…` and `U…`.

import { expression } from './demangle-cpp-expressions.ts'
import { name, sourceName } from './demangle-cpp-names.ts'
import { digits, eat, expect, isDigit, peek, type Reader, remember } from './demangle-cpp-reader.ts'
import { templateArgs } from './demangle-cpp-template-args.ts'
import { type Node, type Part, simple, text } from './demangle-cpp-tree.ts'
import { decltype, functionType, type } from './demangle-cpp-types.ts'
import { laterBuiltinTypes } from './demangle-cpp-words.ts'

const laterBuiltins = new Map([...laterBuiltinTypes].map(([code, word]) => [code, text(word)]))

/** Types whose code begins with `D`: those that came after the letters were used up. */
export function laterType(r: Reader): Node {
  const code = peek(r, 1)
  const builtin = laterBuiltins.get(code)
  if (builtin !== undefined) {
    r.at += 2
    return builtin
  }
  switch (code) {
    case 't':
    case 'T':
      return remember(r, decltype(r))
    case 'p':
      r.at += 2
      return remember(r, { kind: 'expansion', pattern: type(r) })
    case 'v':
      r.at += 2
      return remember(r, vector(r))
    case 'F':
      r.at += 2
      return extendedFloat(r)
    case 'B':
    case 'U':
      r.at += 2
      return bitInteger(r, code === 'U' ? 'unsigned _BitInt(' : '_BitInt(')
    // A placeholder with a concept before it.
    case 'k':
    case 'K':
      r.at += 2
      return simple(name(r), code === 'k' ? ' auto' : ' decltype(auto)')
    default:
      return remember(r, functionType(r, []))
  }
}

/** GCC's vectors: a number of elements, or an expression, then the element's type. */
function vector(r: Reader): Node {
  let size: Part
  if (isDigit(peek(r))) size = digits(r)
  else {
    expect(r, '_')
    size = expression(r)
  }
  expect(r, '_')
  // AltiVec's pixel, the one element that is no type.
  const of = eat(r, 'p') ? text('pixel') : type(r)
  return { kind: 'qualified', of, qualifier: [' __vector(', size, ')'] }
}

function extendedFloat(r: Reader): Node {
  const bits = digits(r)
  if (eat(r, 'b')) return text('std::bfloat16_t')
  if (eat(r, 'x')) return text(`_Float${bits}x`)
  expect(r, '_')
  return text(`_Float${bits}`)
}

function bitInteger(r: Reader, opening: string): Node {
  const size: Part = isDigit(peek(r)) ? digits(r) : expression(r)
  expect(r, '_')
  return simple(opening, size, ')')
}

export function vendorType(r: Reader): Node {
  expect(r, 'u')
  const word = text(sourceName(r))
  return peek(r) === 'I' ? { kind: 'template', name: word, args: templateArgs(r) } : word
}

export function vendorQualified(r: Reader): Node {
  expect(r, 'U')
  const word = text(sourceName(r))
  const qualifier: Node =
    peek(r) === 'I' ? { kind: 'template', name: word, args: templateArgs(r) } : word
  return remember(r, { kind: 'qualified', of: type(r), qualifier: [' ', qualifier] })
}
