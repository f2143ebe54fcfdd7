// Prints the tree of a mangled C++ name, as GNU's c++filt writes it.
//
// C++ writes a declaration around what it declares: `int (*f(char))[3]`. So a
// type has a left and a right part, and what it is the type of stands between.
//
// A few substitutions can say 2^64 things: what is printed, and each step on
// the way, is counted, and a name that goes over a bound is given up.
//
// It is one switch over the kinds of node and a function for each that takes more
// than a line, which is why it is long.

import { fail } from './demangle-cpp-reader.ts'
import {
  argumentOf,
  inScopeOf,
  type Printer,
  packSize,
  sizeOfPackIn,
} from './demangle-cpp-scope.ts'
import { type FunctionNode, type Node, ownName, type Part } from './demangle-cpp-tree.ts'

// Nobody reads more; the longest name of LLVM prints as 57 KB.
const maxPrinted = 64 * 1024
// That name takes 13,000 steps.
const maxSteps = 128 * 1024
// That name is 37 levels deep. A tree has up to 192, and a parameter in it may go to another one.
const maxDepth = 512

export function print(node: Node): string {
  const p: Printer = {
    out: '',
    last: '',
    scope: undefined,
    template: undefined,
    packIndex: 0,
    inLambda: false,
    depth: 0,
    steps: maxSteps,
  }
  printNode(p, node)
  return p.out
}

function put(p: Printer, word: string): void {
  if (word === '') return
  p.out += word
  p.last = word[word.length - 1]!
  if (p.out.length > maxPrinted) fail()
}

function printNode(p: Printer, node: Node): void {
  printLeft(p, node)
  if (hasRight(p, node)) printRight(p, node)
}

function printLeft(p: Printer, node: Node): void {
  if (--p.steps < 0 || ++p.depth > maxDepth) fail()
  switch (node.kind) {
    case 'text':
    case 'structor':
      put(p, node.text)
      break
    case 'conversion':
      printConversion(p, node.to)
      break
    case 'sequence':
      printParts(p, node.parts)
      break
    case 'list':
    case 'pack':
      printList(p, node.items)
      break
    case 'scoped':
      printNode(p, node.scope)
      put(p, '::')
      printNode(p, node.name)
      break
    case 'local':
      if (node.encoding.kind === 'encoding') printEncoding(p, node.encoding, false)
      else printNode(p, node.encoding)
      put(p, '::')
      printNode(p, node.entity)
      break
    case 'method':
      printNode(p, node.name)
      put(p, node.suffix)
      break
    case 'template':
      printTemplate(p, node)
      break
    case 'parameter':
      printParameter(p, node, printLeft)
      break
    case 'lambda':
      printLambda(p, node.params, node.number)
      break
    case 'expansion':
      printExpansion(p, node.pattern)
      break
    case 'packSize':
      put(p, `${packSize(p, node.of)}`)
      break
    case 'qualified':
      printLeft(p, node.of)
      if (!isRepeated(p, node)) printParts(p, node.qualifier)
      break
    case 'pointer':
      printPointer(p, node.to, node.mark)
      break
    case 'memberPointer':
      printLeft(p, node.to)
      if (!openParenthesis(p, node.to)) put(p, ' ')
      printNode(p, node.of)
      put(p, '::*')
      break
    case 'function':
      if (node.returns !== undefined) {
        printLeft(p, node.returns)
        if (!hasRight(p, node.returns)) put(p, ' ')
      }
      break
    case 'array':
      printLeft(p, node.of)
      break
    case 'encoding':
      printEncoding(p, node, true)
  }
  p.depth--
}

/** Whether anything of a type stands after what it is the type of. */
function hasRight(p: Printer, node: Node): boolean {
  switch (node.kind) {
    case 'function':
    case 'array':
      return true
    case 'pointer':
    case 'memberPointer':
      return hasRight(p, node.to)
    case 'qualified':
      return hasRight(p, node.of)
    case 'parameter':
      return inScopeOf(p, node, false, hasRight)
    default:
      return false
  }
}

function printRight(p: Printer, node: Node): void {
  if (--p.steps < 0 || ++p.depth > maxDepth) fail()
  switch (node.kind) {
    case 'function':
      printFunctionRight(p, node)
      break
    case 'array':
      // `int [3][4]`: only the first bound is set off.
      put(p, p.last === ']' ? '[' : ' [')
      if (node.bound !== undefined) printNode(p, node.bound)
      put(p, ']')
      printRight(p, node.of)
      break
    case 'pointer':
    case 'memberPointer':
      if (declaratorKind(p, node.to) !== undefined) put(p, ')')
      printRight(p, node.to)
      break
    case 'qualified':
      printRight(p, node.of)
      break
    case 'parameter':
      printParameter(p, node, printRight)
  }
  p.depth--
}

function printFunctionRight(p: Printer, { params, suffix, returns }: FunctionNode): void {
  put(p, '(')
  printList(p, params)
  put(p, ')')
  printParts(p, suffix)
  if (returns !== undefined) printRight(p, returns)
}

function printParts(p: Printer, parts: readonly Part[]): void {
  for (const part of parts) {
    if (typeof part === 'string') put(p, part)
    else printNode(p, part)
  }
}

/** Joined by commas. What prints nothing, an empty pack, takes its comma with it. */
function printList(p: Printer, items: readonly Node[]): void {
  let isFirst = true
  for (const item of items) {
    isFirst = !printMember(p, item, isFirst) && isFirst
  }
}

/**
 * Whether it printed anything. `last` stays that of the comma taken back: c++filt writes
 * `A<B<int>>` without its space after an empty pack, and names should compare equal.
 */
function printMember(p: Printer, item: Node, isFirst: boolean): boolean {
  const { out } = p
  if (!isFirst) put(p, ', ')
  const { length } = p.out
  printNode(p, item)
  if (p.out.length > length) return true
  p.out = out
  return false
}

function printEncoding(
  p: Printer,
  { name, type }: Extract<Node, { kind: 'encoding' }>,
  withReturn: boolean,
): void {
  const outer = p.scope
  const own = ownName(name)
  if (own.kind === 'template') p.scope = { args: own.args, outer }
  const returns = withReturn ? type.returns : undefined
  if (returns !== undefined) {
    printLeft(p, returns)
    if (!hasRight(p, returns)) put(p, ' ')
  }
  printNode(p, name)
  printFunctionRight(p, returns === type.returns ? type : { ...type, returns })
  p.scope = outer
}

function printTemplate(p: Printer, node: Extract<Node, { kind: 'template' }>): void {
  const { template } = p
  p.template = node
  printNode(p, node.name)
  p.template = template
  // `operator<` would make `<<` of it.
  put(p, p.last === '<' ? ' <' : '<')
  printList(p, node.args)
  put(p, p.last === '>' ? ' >' : '>')
}

function printConversion(p: Printer, to: Node): void {
  const { scope, template } = p
  if (template !== undefined) p.scope = { args: template.args, outer: scope }
  p.template = undefined
  put(p, 'operator ')
  printNode(p, to)
  p.scope = scope
  p.template = template
}

function printLambda(p: Printer, params: readonly Node[], number: number): void {
  const { inLambda } = p
  p.inLambda = true
  put(p, '{lambda(')
  printList(p, params)
  put(p, `)#${number}}`)
  p.inLambda = inLambda
}

/** `*`, `&` or `&&`; a reference to a reference is one, and an rvalue only if both are. */
function printPointer(p: Printer, to: Node, mark: string): void {
  if (mark !== '*') {
    const inner = referenceMark(p, to)
    if (inner !== '') {
      printLeft(p, to)
      // The inner mark is printed already: && of & is &, & of && is &.
      if (mark === '&' && inner === '&&') p.out = p.out.slice(0, -1)
      return
    }
  }
  printLeft(p, to)
  openParenthesis(p, to)
  put(p, mark)
}

/** `(` before the mark of a pointer to a function or to an array. */
function openParenthesis(p: Printer, to: Node): boolean {
  const kind = declaratorKind(p, to)
  if (kind === undefined) return false
  // `void (*(*)())()`, but `void (* (*) [3])()`.
  const isSetOff = p.last !== ' ' && (kind === 'array' || (p.last !== '(' && p.last !== '*'))
  put(p, isSetOff ? ' (' : '(')
  return true
}

function declaratorKind(p: Printer, node: Node): 'function' | 'array' | undefined {
  switch (node.kind) {
    case 'function':
    case 'array':
      return node.kind
    case 'qualified':
      return declaratorKind(p, node.of)
    case 'parameter':
      return inScopeOf(p, node, undefined, declaratorKind)
    default:
      return undefined
  }
}

function referenceMark(p: Printer, node: Node): string {
  if (node.kind === 'pointer') return node.mark === '*' ? '' : node.mark
  return node.kind === 'parameter' ? inScopeOf(p, node, '', referenceMark) : ''
}

/** `const` of a parameter that is const already is said once. */
function isRepeated(p: Printer, { of, qualifier }: Extract<Node, { kind: 'qualified' }>): boolean {
  return (
    of.kind === 'parameter' &&
    inScopeOf(
      p,
      of,
      false,
      (_, arg) => arg.kind === 'qualified' && arg.qualifier[0] === qualifier[0],
    )
  )
}

function printParameter(
  p: Printer,
  node: Extract<Node, { kind: 'parameter' }>,
  printSide: (p: Printer, arg: Node) => void,
): void {
  if (p.inLambda || node.ofLambda) {
    if (printSide === printLeft) put(p, `auto:${node.index + 1}`)
    return
  }
  if (argumentOf(p, node) === undefined) fail()
  inScopeOf(p, node, undefined, printSide)
}

/** The pattern once for each element of the pack in it. */
function printExpansion(p: Printer, pattern: Node): void {
  const size = sizeOfPackIn(p, pattern)
  if (size === undefined) {
    // A pack that isn't known here, such as that of a function's parameters.
    const isBare = pattern.kind === 'text' || (pattern.kind === 'sequence' && pattern.isSimple)
    if (!isBare) put(p, '(')
    printNode(p, pattern)
    put(p, isBare ? '...' : ')...')
    return
  }
  const { packIndex } = p
  let isFirst = true
  for (let index = 0; index < size; index++) {
    p.packIndex = index
    isFirst = !printMember(p, pattern, isFirst) && isFirst
  }
  p.packIndex = packIndex
}
