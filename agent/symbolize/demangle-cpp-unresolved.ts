// Names that only a template's arguments can resolve, as expressions say them.
//
// https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangle.unresolved-name
//
// The trap: the ABI ends a scope with `E`, and GCC writes a type there, whose
// end isn't marked. What begins with `N` reads the same both ways, and both
// compilers count it among the substitutions as a type.

import { operatorName, sourceName } from './demangle-cpp-names.ts'
import {
  attempt,
  eat,
  enter,
  fail,
  isDigit,
  leave,
  peek,
  type Reader,
} from './demangle-cpp-reader.ts'
import { templateArgs } from './demangle-cpp-template-args.ts'
import { type Node, simple, text } from './demangle-cpp-tree.ts'
import { type } from './demangle-cpp-types.ts'

/** What a name means when only the template's arguments can tell. */
export function unresolved(r: Reader): Node {
  enter(r)
  if (!eat(r, 'sr')) return leave(r, withArgs(r, member(r)))
  const scope = attempt(r, namesScope)
  // In the ABI's form the arguments follow the whole name, in GCC's only the last part of it.
  const whole: Node =
    scope === undefined
      ? { kind: 'scoped', scope: type(r), name: withArgs(r, member(r)) }
      : withArgs(r, { kind: 'scoped', scope, name: member(r) })
  return leave(r, whole)
}

/** The ABI's scope: names up to an `E`. Fails for what GCC writes. */
function namesScope(r: Reader): Node {
  let scope: Node | undefined
  if (!isDigit(peek(r))) fail()
  while (!eat(r, 'E')) {
    const level = withArgs(r, text(sourceName(r)))
    scope = scope === undefined ? level : { kind: 'scoped', scope, name: level }
  }
  if (!isDigit(peek(r)) && peek(r) !== 'o' && peek(r) !== 'd') fail()
  return scope ?? fail()
}

/** A member's own name: an identifier, `on` an operator, `dn` a destructor. */
export function member(r: Reader): Node {
  if (eat(r, 'on')) return operatorName(r)
  if (eat(r, 'dn')) {
    const of = isDigit(peek(r)) ? withArgs(r, text(sourceName(r))) : type(r)
    return simple('~', of)
  }
  if (eat(r, 'gs') || r.text.startsWith('sr', r.at)) return unresolved(r)
  return text(sourceName(r))
}

export function withArgs(r: Reader, own: Node): Node {
  return peek(r) === 'I' ? { kind: 'template', name: own, args: templateArgs(r) } : own
}
