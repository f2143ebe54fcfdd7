// Names in the mangling of C++: what is declared, and in what.
//
// https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangling.name
//
// The trap: each longer prefix of a nested name is a substitution, but the
// whole of it is not, unless it is a type; and a constructor has no name of
// its own, so the class's is repeated without its template arguments.

import { encoding } from './demangle-cpp.ts'
import { expression } from './demangle-cpp-expressions.ts'
import {
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
  remember,
  substitutionIndex,
} from './demangle-cpp-reader.ts'
import { templateArgs, templateParameterDeclarations } from './demangle-cpp-template-args.ts'
import { baseName, type Node, sequence, text } from './demangle-cpp-tree.ts'
import { decltype, parameters, templateParameter, type } from './demangle-cpp-types.ts'
import { operators, standardAbbreviations } from './demangle-cpp-words.ts'

export function name(r: Reader): Node {
  switch (peek(r)) {
    case 'N':
      return nestedName(r)
    case 'Z':
      return localName(r)
    case 'S':
      // `St` begins a name in std; every other substitution here is a template that arguments follow.
      if (peek(r, 1) !== 't') {
        const template = substitution(r)
        return { kind: 'template', name: template, args: templateArgs(r) }
      }
  }
  const unscoped = eat(r, 'St') ? scoped(text('std'), unqualifiedName(r)) : unqualifiedName(r)
  if (peek(r) !== 'I') return unscoped
  return { kind: 'template', name: remember(r, unscoped), args: templateArgs(r) }
}

/** `S_`, `S0_`… for what was seen before, or `Sa`, `Ss`… for a name of std. */
export function substitution(r: Reader): Node {
  expect(r, 'S')
  const abbreviation = standardAbbreviations.get(peek(r))
  if (abbreviation === undefined) return r.substitutions[substitutionIndex(r)] ?? fail()
  r.at++
  const isOfStructor = peek(r) === 'C' || peek(r) === 'D'
  const word = isOfStructor ? abbreviation.full : abbreviation.short
  return tagged(r, text(word, abbreviation.base))
}

/** The last part of a name: an identifier, an operator, a closure. `scope` names the constructors. */
export function unqualifiedName(r: Reader, scope?: Node): Node {
  const module = moduleName(r)
  // Internal linkage, and a friend that is declared in a class: neither is part of what is printed.
  if (!eat(r, 'L')) eat(r, 'F')
  const own = tagged(r, ownPart(r, scope))
  return module === '' ? own : sequence(own, `@${module}`)
}

export function sourceName(r: Reader): string {
  const length = natural(r)
  const end = r.at + length
  if (length === 0 || end > r.text.length) fail()
  const word = r.text.slice(r.at, end)
  r.at = end
  // What compilers call the unnamed namespace, with `.`, `$` or `_` as the assembler allows.
  return /^_GLOBAL_[._$]N/.test(word) ? '(anonymous namespace)' : word
}

/** `operator+`, a conversion, a literal operator. */
export function operatorName(r: Reader): Node {
  const code = peek(r) + peek(r, 1)
  r.at += 2
  if (code === 'cv') {
    const { inConversion } = r
    r.inConversion = true
    const to = type(r)
    r.inConversion = inConversion
    return { kind: 'conversion', to }
  }
  if (code === 'li') return text(`operator"" ${sourceName(r)}`)
  // `v` and the number of operands: a vendor's own operator.
  if (code[0] === 'v' && isDigit(code[1] ?? '')) return text(`operator ${sourceName(r)}`)
  const { symbol } = operators.get(code) ?? fail()
  return text(isLower(symbol[0]!) ? `operator ${symbol}` : `operator${symbol}`)
}

function scoped(scope: Node, own: Node): Node {
  return { kind: 'scoped', scope, name: own }
}

function nestedName(r: Reader): Node {
  enter(r)
  expect(r, 'N')
  // The explicit object of C++23, which its parameters show.
  eat(r, 'H')
  const isRestrict = eat(r, 'r')
  const isVolatile = eat(r, 'V')
  const isConst = eat(r, 'K')
  const reference = eat(r, 'R') ? ' &' : eat(r, 'O') ? ' &&' : ''
  const suffix = `${isConst ? ' const' : ''}${isVolatile ? ' volatile' : ''}${isRestrict ? ' restrict' : ''}${reference}`
  const own = prefixes(r)
  expect(r, 'E')
  return leave(r, suffix === '' ? own : { kind: 'method', name: own, suffix })
}

/** Everything between `N` and `E`. */
function prefixes(r: Reader): Node {
  let prefix: Node | undefined
  while (peek(r) !== 'E') {
    if (--r.steps < 0) fail()
    let isNew = true
    switch (peek(r)) {
      case 'S':
        if (prefix !== undefined) fail()
        isNew = false
        prefix = eat(r, 'St') ? text('std') : substitution(r)
        break
      case 'T':
        if (prefix !== undefined) fail()
        prefix = templateParameter(r)
        break
      case 'I':
        if (prefix === undefined) fail()
        prefix = { kind: 'template', name: prefix, args: templateArgs(r) }
        break
      // The member whose initializer holds a closure: already the prefix, now marked as one.
      case 'M':
        if (prefix === undefined) fail()
        isNew = false
        r.at++
        break
      default: {
        const own = isDecltype(r) ? decltype(r) : unqualifiedName(r, prefix)
        prefix = prefix === undefined ? own : scoped(prefix, own)
      }
    }
    if (isNew && peek(r) !== 'E') remember(r, prefix)
  }
  return prefix ?? fail()
}

function isDecltype(r: Reader): boolean {
  return peek(r) === 'D' && (peek(r, 1) === 't' || peek(r, 1) === 'T')
}

function localName(r: Reader): Node {
  enter(r)
  expect(r, 'Z')
  const around = encoding(r)
  expect(r, 'E')
  let entity: Node
  if (eat(r, 's')) {
    entity = text('string literal')
    discriminator(r)
  } else if (eat(r, 'd')) {
    // Default arguments are counted from the last.
    const argument = text(`{default arg#${ordinal(r) + 1}}`)
    entity = { kind: 'local', encoding: argument, entity: name(r) }
  } else {
    entity = name(r)
    discriminator(r)
  }
  return leave(r, { kind: 'local', encoding: around, entity })
}

/** Tells local entities of one name apart; people can't. */
function discriminator(r: Reader): void {
  if (eat(r, '__')) {
    natural(r)
    expect(r, '_')
  } else if (peek(r) === '_' && isDigit(peek(r, 1))) {
    r.at += 2
  }
}

/** `W` and a name for each part of a C++20 module's name, `WP` for a partition's. */
function moduleName(r: Reader): string {
  let module = ''
  while (eat(r, 'W')) {
    const separator = eat(r, 'P') ? ':' : module === '' ? '' : '.'
    module += separator + sourceName(r)
  }
  return module
}

function ownPart(r: Reader, scope: Node | undefined): Node {
  const first = peek(r)
  if (isDigit(first)) return text(sourceName(r))
  if (isLower(first)) return operatorName(r)
  if (eat(r, 'DC')) return structuredBinding(r)
  if (eat(r, 'Ul')) return lambda(r)
  if (eat(r, 'Ut')) return text(`{unnamed type#${ordinal(r) + 1}}`)
  if (scope !== undefined && (first === 'C' || first === 'D')) return structor(r, scope)
  return fail()
}

function structuredBinding(r: Reader): Node {
  const names: string[] = []
  while (!eat(r, 'E')) names.push(sourceName(r))
  return text(`[${names.join(', ')}]`)
}

function lambda(r: Reader): Node {
  const isTemplate = templateParameterDeclarations(r)
  if (isTemplate && eat(r, 'Q')) expression(r)
  const params = parameters(r)
  if (eat(r, 'Q')) expression(r)
  expect(r, 'E')
  return { kind: 'lambda', params, number: ordinal(r) + 1 }
}

/** C1, C2… and D0, D1… are the same function to a person: complete, base, allocating, deleting. */
function structor(r: Reader, scope: Node): Node {
  const isConstructor = eat(r, 'C')
  if (!isConstructor) expect(r, 'D')
  const isInheriting = isConstructor && eat(r, 'I')
  if (!isDigit(peek(r))) fail()
  r.at++
  // An inherited constructor has the name of the class that it comes from.
  const own = baseName(isInheriting ? type(r) : scope) ?? fail()
  return { kind: 'structor', text: isConstructor ? own : `~${own}` }
}

/** ABI tags: `[abi:cxx11]`. */
function tagged(r: Reader, own: Node): Node {
  let node = own
  while (eat(r, 'B')) {
    if (--r.steps < 0) fail()
    const tag = `[abi:${sourceName(r)}]`
    node =
      node.kind === 'text'
        ? text(node.text + tag, node.base ?? node.text)
        : node.kind === 'structor'
          ? { kind: 'structor', text: node.text + tag }
          : sequence(node, tag)
  }
  return node
}
