// What a mangled C++ name says, as a tree: the grammar files make it and
// `demangle-cpp-print.ts` prints it.
//
// A tree and not text, because the meaning of a part depends on where it
// stands: `T_` is another type in each scope that a substitution carries it
// to, a pack's pattern is printed once an element, and a pointer to a function
// is written around the name of what it points to.
//
// A substitution puts the same node in several places, so this is a graph: it
// has no cycles, but what it prints may be exponential in its size. The
// printer counts.

export type Node =
  /** A word: an identifier, a builtin type, a number. */
  | { readonly kind: 'text'; readonly text: string; readonly base?: string }
  /** A constructor or destructor: a word, but the function has no return type. */
  | { readonly kind: 'structor'; readonly text: string }
  /** `operator` and the type it converts to. */
  | { readonly kind: 'conversion'; readonly to: Node }
  | { readonly kind: 'sequence'; readonly parts: readonly Part[]; readonly isSimple: boolean }
  /** Joined by commas; a member that prints nothing takes its comma with it. */
  | { readonly kind: 'list'; readonly items: readonly Node[] }
  | { readonly kind: 'scoped'; readonly scope: Node; readonly name: Node }
  /** Something that is declared in a function. */
  | { readonly kind: 'local'; readonly encoding: Node; readonly entity: Node }
  /** A member function's name with the qualifiers that stand after its parameters. */
  | { readonly kind: 'method'; readonly name: Node; readonly suffix: string }
  | { readonly kind: 'template'; readonly name: Node; readonly args: readonly Node[] }
  /** The template argument that stands for any number of arguments. */
  | { readonly kind: 'pack'; readonly items: readonly Node[] }
  /** `T_`: what it is depends on the template around the place where it is printed. */
  | { readonly kind: 'parameter'; readonly index: number; readonly ofLambda: boolean }
  | { readonly kind: 'lambda'; readonly params: readonly Node[]; readonly number: number }
  | { readonly kind: 'expansion'; readonly pattern: Node }
  /** `sizeof...`, known once the pack is. */
  | { readonly kind: 'packSize'; readonly of: Node }
  | { readonly kind: 'qualified'; readonly of: Node; readonly qualifier: readonly Part[] }
  /** A pointer (`*`) or a reference (`&`, `&&`). */
  | { readonly kind: 'pointer'; readonly to: Node; readonly mark: string }
  | { readonly kind: 'memberPointer'; readonly of: Node; readonly to: Node }
  | FunctionNode
  | { readonly kind: 'array'; readonly of: Node; readonly bound: Node | undefined }
  /** A function's name and its type. */
  | { readonly kind: 'encoding'; readonly name: Node; readonly type: FunctionNode }

export interface FunctionNode {
  readonly kind: 'function'
  /** Undefined where the mangling leaves it out: a function that is no template. */
  readonly returns: Node | undefined
  readonly params: readonly Node[]
  readonly suffix: readonly Part[]
}

export type Part = string | Node

export function text(word: string, base?: string): Node {
  return base === undefined ? { kind: 'text', text: word } : { kind: 'text', text: word, base }
}

/** Words and nodes one after the other. As an operand it is put in parentheses. */
export function sequence(...parts: Part[]): Node {
  return { kind: 'sequence', parts, isSimple: false }
}

/** The same, for what needs no parentheses as an operand. */
export function simple(...parts: Part[]): Node {
  return { kind: 'sequence', parts, isSimple: true }
}

export function list(items: readonly Node[]): Node {
  return { kind: 'list', items }
}

/** The class's own name, which is what its constructors are called. */
export function baseName(node: Node): string | undefined {
  for (let at = node; ; ) {
    switch (at.kind) {
      case 'text':
        return at.base ?? at.text
      case 'scoped':
      case 'method':
      case 'template':
        at = at.name
        break
      case 'local':
        at = at.entity
        break
      default:
        return undefined
    }
  }
}

/** The name itself, without the function that it is local to and the qualifiers after it. */
export function ownName(node: Node): Node {
  let at = node
  while (at.kind === 'local' || at.kind === 'method') {
    at = at.kind === 'local' ? at.entity : at.name
  }
  return at
}
