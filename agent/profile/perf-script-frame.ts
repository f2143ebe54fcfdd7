// One frame of `perf script` text: what follows the address.
//
//     std::vector<int>::push_back(int&&)+0x1c (/usr/lib/libshop.so)
//     Lorg/shop/Cart;::total->price->scale (/tmp/perf-1234.map)
//     [unknown] (/memfd:doublemapper (deleted))
//     checkout (inlined)
//
// Neither part is quoted: symbols hold blanks and parentheses, and so do paths. A
// path's parentheses nearly always pair, so the module is the last balanced
// pair. The rest of this file is what makes names comparable: no offset, no
// argument list, one frame for each function that a compiler at run time inlined.

import type { Frame, FrameKind, UnknownReason } from './profile.ts'

/**
 * The functions of one line, outermost first; none for what is not a function.
 *
 * @param isKernel the address lies in the kernel's half
 */
export function readPerfScriptFrame(text: string, isKernel: boolean): Frame[] {
  const { symbol, path } = splitModule(text.trim())
  const deleted = path.endsWith(' (deleted)')
  const module = deleted ? path.slice(0, -' (deleted)'.length) : path
  if (module === 'inlined') return [{ name: withoutArguments(symbol), kind: 'inlined' }]
  const kind = kindOf(module, isKernel)
  const home = module === '' || module === '[unknown]' ? {} : { module }
  if (symbol === '' || symbol === '[unknown]') {
    const reason = reasonOf(module, kind, deleted)
    return [{ name: unknownName(module), kind: 'unknown', ...home, reason }]
  }
  if (processName.test(symbol)) return []
  if (kind !== 'jit') return [{ name: withoutArguments(symbol), kind, ...home }]
  return symbol.split(inlineArrow).map((name, index) => ({
    name: withoutArguments(name.replace(javaDescriptor, '')) || '[unknown]',
    kind: index === 0 ? kind : 'inlined',
    ...home,
  }))
}

/** Old versions of perf print the process's name in the symbol's place: `(java)`. */
const processName = /^\([^()]*\)$/

/** What perf-map-agent puts between a compiled method and what was inlined in it. */
const inlineArrow = /(?<!operator)->/

/** The `L` of a JVM type descriptor; the path that follows tells it from a name that begins with L. */
const javaDescriptor = /^L(?=[\w$]+\/)/

const offset = /\+0x[0-9a-f]+$/

function splitModule(text: string): { symbol: string; path: string } {
  const open = text.endsWith(')') ? openingOfLast(text) : -1
  if (open < 0) return { symbol: text.replace(offset, ''), path: '' }
  return {
    symbol: text.slice(0, open).trimEnd().replace(offset, ''),
    // perf 6.4 and later can print the offset in the module too.
    path: text.slice(open + 1, -1).replace(offset, ''),
  }
}

/** Where the parenthesis opens that closes at the end, or -1 when that is part of the symbol. */
function openingOfLast(text: string): number {
  let depth = 0
  for (let at = text.length - 1; at >= 0; at--) {
    if (text[at] === ')') depth++
    else if (text[at] === '(' && --depth === 0) return at === 0 || text[at - 1] === ' ' ? at : -1
  }
  // A path with an odd parenthesis: the last place where a path can begin.
  return Math.max(text.lastIndexOf(' (/'), text.lastIndexOf(' ([')) + 1 || -1
}

/** The kernel's image or one of its modules, by the names that perf and pprof use. */
export function isKernelModule(path: string): boolean {
  return kernelImage.test(path)
}

const kernelImage =
  /^\[(?:guest\.)?kernel(?:\.\w+)?\]|(?:^|\/)vmlinux(?:-[^/]*)?$|\.ko(?:\.gz|\.xz|\.zst)?$/
const jitCode =
  /\/perf-\d+\.map$|^\[JIT\] tid |^(?:\/dev)?\/memfd:|^memfd:|\/jitted-\d+-\d+\.so$|^\/\/anon$|^\[anon/

// The vsyscall page alone has an address in the kernel's half and is not the kernel.
function kindOf(module: string, isKernel: boolean): FrameKind {
  if (module === '[vsyscall]') return 'native'
  if (isKernel || isKernelModule(module)) return 'kernel'
  return jitCode.test(module) ? 'jit' : 'native'
}

function unknownName(module: string): string {
  const base = module.slice(module.lastIndexOf('/') + 1)
  if (base === '') return '[unknown]'
  return base.startsWith('[') && base.endsWith(']') ? base : `[${base}]`
}

function reasonOf(module: string, kind: FrameKind, deleted: boolean): UnknownReason {
  if (kind === 'kernel') return 'kallsyms hidden'
  if (kind === 'jit') return 'JIT without map'
  if (deleted) return 'file deleted'
  return module === '[unknown]' ? 'not mapped' : 'unnamed by the tool'
}

/**
 * A name without its argument list, and without those of the functions that it
 * is nested in: `f(int)::{lambda(int)#1}::operator()(int) const` becomes
 * `f::{lambda(int)#1}::operator()`.
 *
 * Only parentheses outside of every other bracket are lists of arguments, and
 * not all of those: Go writes receivers as `.(*T)`, C++ has `(anonymous
 * namespace)`, `operator()` and `decltype (…)`.
 */
export function withoutArguments(name: string): string {
  if (!name.includes('(') || regularExpression.test(name)) return name
  const lists = argumentLists(name)
  if (lists === undefined || lists.length === 0) return name
  let kept = ''
  let from = 0
  for (const [start, end] of lists.slice(0, -1)) {
    if (!name.startsWith('::', end)) continue
    kept += name.slice(from, start)
    from = end
  }
  const [start, end] = lists.at(-1)!
  const rest = name.startsWith('::', end) ? name.slice(end) : ''
  return (kept + name.slice(from, start)).trimEnd() + rest
}

/** V8 names the code of a regular expression by its source. */
const regularExpression = /^RegExp:/

/** Operators whose brackets pair with nothing. The call operator comes first: its list follows it. */
const operatorName = /operator\s*(?:\(\)|\[\]|<=>|<<=|>>=|->\*|<<|>>|<=|>=|->|<|>)/y

/** The parentheses at depth 0 that may be lists of arguments; undefined when brackets do not pair. */
function argumentLists(name: string): [start: number, end: number][] | undefined {
  const lists: [number, number][] = []
  let depth = 0
  let start = -1
  for (let at = 0; at < name.length; at++) {
    const char = name[at]!
    if (char === 'o') {
      operatorName.lastIndex = at
      if (operatorName.test(name)) {
        at = operatorName.lastIndex - 1
        continue
      }
    }
    if (char === '(' || char === '<' || char === '[' || char === '{') {
      if (depth++ === 0 && char === '(') start = at
    } else if (
      char === ')' ||
      char === ']' ||
      char === '}' ||
      (char === '>' && name[at - 1] !== '-')
    ) {
      if (--depth < 0) return undefined
      if (depth === 0 && start >= 0) {
        if (isArguments(name, start)) lists.push([start, at + 1])
        start = -1
      }
    }
  }
  return depth === 0 ? lists : undefined
}

function isArguments(name: string, start: number): boolean {
  if (start === 0 || name[start - 1] === '.') return false
  if (name.endsWith('decltype', start) || name.endsWith('decltype ', start)) return false
  return !name.startsWith('(anonymous namespace)', start)
}
