// What a template parameter stands for at the place where it is printed.
//
// It is looked up in the scopes around that place, innermost first: the
// arguments of the function template, then those of the function around it. An
// argument is printed in the scope outside of its own. One that is a pack
// stands for one of its elements at a time.

import { fail } from './demangle-cpp-reader.ts'
import type { Node } from './demangle-cpp-tree.ts'

interface Scope {
  readonly args: readonly Node[]
  readonly outer: Scope | undefined
}

export interface Printer {
  out: string
  /** The last character printed. */
  last: string
  scope: Scope | undefined
  /** The template whose name is being printed: it gives a conversion operator its parameters. */
  template: Extract<Node, { kind: 'template' }> | undefined
  /** Which element of a pack its pattern stands for. */
  packIndex: number
  /** In the parameters of a closure, whose own template parameters are `auto`. */
  inLambda: boolean
  depth: number
  steps: number
}

/** What `use` makes of the argument that a parameter stands for; `otherwise` where there is none. */
export function inScopeOf<T>(
  p: Printer,
  node: Extract<Node, { kind: 'parameter' }>,
  otherwise: T,
  use: (p: Printer, arg: Node) => T,
): T {
  const { scope } = p
  const arg = p.inLambda || node.ofLambda ? undefined : argumentOf(p, node)
  if (scope === undefined || arg === undefined) return otherwise
  p.scope = scope.outer
  const result = use(p, arg)
  p.scope = scope
  return result
}

export function argumentOf(
  p: Printer,
  { index }: Extract<Node, { kind: 'parameter' }>,
): Node | undefined {
  const arg = p.scope?.args[index]
  return arg?.kind === 'pack' ? arg.items[p.packIndex] : arg
}

export function packSize(p: Printer, of: Node): number {
  if (of.kind !== 'pack') return sizeOfPackIn(p, of) ?? fail()
  let size = 0
  for (const item of of.items) {
    size += item.kind === 'expansion' ? (sizeOfPackIn(p, item.pattern) ?? 1) : 1
  }
  return size
}

/** How many elements the first pack that a pattern names has; undefined if it names none. */
export function sizeOfPackIn(p: Printer, pattern: Node): number | undefined {
  const open: Node[] = [pattern]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (--p.steps < 0) fail()
    if (node.kind === 'parameter') {
      const arg = p.inLambda || node.ofLambda ? undefined : p.scope?.args[node.index]
      if (arg?.kind === 'pack') return arg.items.length
    }
    open.push(...partsOf(node))
  }
  return undefined
}

function partsOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'sequence':
      return node.parts.filter(part => typeof part !== 'string')
    case 'list':
    case 'pack':
      return node.items
    case 'scoped':
      return [node.scope, node.name]
    case 'local':
      return [node.encoding, node.entity]
    case 'template':
      return [node.name, ...node.args]
    case 'conversion':
    case 'pointer':
      return [node.to]
    case 'expansion':
      return [node.pattern]
    case 'packSize':
      return [node.of]
    case 'qualified':
      return [node.of]
    case 'memberPointer':
      return [node.of, node.to]
    case 'function':
      return node.returns === undefined ? node.params : [node.returns, ...node.params]
    case 'array':
      return node.bound === undefined ? [node.of] : [node.of, node.bound]
    case 'encoding':
      return [node.name, node.type]
    default:
      return []
  }
}
