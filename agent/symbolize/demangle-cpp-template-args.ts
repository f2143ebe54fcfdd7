// Template arguments in the mangling of C++.
//
// https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangling.template-args
//
// Since C++20 an argument may have the declaration of its parameter before it,
// and the list a constraint behind it. Both tell overloads apart, not functions
// that people know, and are not printed.

import { expression, literal } from './demangle-cpp-expressions.ts'
import { name } from './demangle-cpp-names.ts'
import { eat, enter, expect, fail, leave, peek, type Reader } from './demangle-cpp-reader.ts'
import type { Node } from './demangle-cpp-tree.ts'
import { type } from './demangle-cpp-types.ts'

/** `I…E`. A pack among them is one argument. */
export function templateArgs(r: Reader): Node[] {
  enter(r)
  // An expression in the arguments is no longer the conversion operator's type.
  const { inConversion } = r
  r.inConversion = false
  expect(r, 'I')
  const args: Node[] = []
  while (!eat(r, 'E')) {
    if (eat(r, 'Q')) expression(r)
    else args.push(templateArg(r))
  }
  r.inConversion = inConversion
  return leave(r, args)
}

export function templateArg(r: Reader): Node {
  enter(r)
  templateParameterDeclaration(r)
  switch (peek(r)) {
    case 'X': {
      r.at++
      const value = expression(r)
      expect(r, 'E')
      return leave(r, value)
    }
    case 'L':
      return leave(r, literal(r))
    // GCC before 4.7 wrote a pack with `I`, which can't begin anything else here.
    case 'I':
    case 'J': {
      r.at++
      const items: Node[] = []
      while (!eat(r, 'E')) items.push(templateArg(r))
      return leave(r, { kind: 'pack', items })
    }
    default:
      return leave(r, type(r))
  }
}

export function templateParameterDeclarations(r: Reader): boolean {
  const start = r.at
  while (templateParameterDeclaration(r)) if (--r.steps < 0) fail()
  return r.at !== start
}

/** `Ty`, `Tn…`: what the parameter was declared as, where the argument alone would be ambiguous. Not printed. */
function templateParameterDeclaration(r: Reader): boolean {
  if (peek(r) !== 'T') return false
  enter(r)
  return leave(r, readDeclaration(r))
}

/** Whether this is one; an ordinary parameter begins with `T` too. */
function readDeclaration(r: Reader): boolean {
  switch (peek(r, 1)) {
    case 'y':
      r.at += 2
      return true
    case 'n':
      r.at += 2
      type(r)
      return true
    case 'k':
      r.at += 2
      name(r)
      return true
    case 't':
      r.at += 2
      while (!eat(r, 'E')) if (!templateParameterDeclaration(r)) fail()
      return true
    case 'p':
      r.at += 2
      if (!templateParameterDeclaration(r)) fail()
      return true
    default:
      return false
  }
}
