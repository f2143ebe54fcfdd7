// An organisation's own ids: `cust_` and fourteen letters and digits, also as `CUST_` and `cust-`, and
// what it configures.
//
// A configured pattern runs on every name of every profile, so it may only be what cannot take
// long: characters, classes and bounded counts in a row. Groups, alternatives, `*`, `+` and `.` are
// refused; two patterns say what an alternative would. Each comes with examples of what it must
// find and what it must leave, so that a slip is met at start and not in an incident.

import { ProfilerError } from '../errors.ts'
import { enoughHits, type Hit } from './classes.ts'

/** As configured. */
export interface CustomerIdPattern {
  readonly name: string
  readonly pattern: string
  /** What it must match the whole of: at least one. */
  readonly examples: readonly string[]
  /** What it must leave alone, beside the ordinary names of functions below. */
  readonly rejects?: readonly string[]
}

/** As checked, ready to run. */
export type CustomerIdRule = RegExp

/** @throws {ProfilerError} `SP_CONFIG_INVALID` with every problem, by the name of the pattern. */
export function customerIdRules(patterns: readonly CustomerIdPattern[]): CustomerIdRule[] {
  const problems = patterns.flatMap(pattern =>
    problemsOf(pattern).map(problem => `customer id \`${pattern.name}\`: ${problem}`),
  )
  // Each one is a pass over every name.
  if (patterns.length > 50) problems.push('more than 50 customer id patterns')
  if (problems.length > 0) throw new ProfilerError('SP_CONFIG_INVALID', problems.join('; '))
  return patterns.map(({ pattern }) => new RegExp(pattern, 'g'))
}

/** Adds the ids of a text: the default shape, then the configured ones. */
export function findCustomerIds(text: string, rules: readonly CustomerIdRule[], hits: Hit[]): void {
  for (const { index, 0: found } of text.matchAll(prefix)) {
    if (hits.length > enoughHits) return
    const start = index + found.length
    const before = text.slice(Math.max(0, index - 2), index)
    if (isDefaultId(before, found, text.slice(start, start + idLength + 1))) {
      hits.push({ class: 'customer_id', start: index, end: start + idLength })
    }
  }
  for (const rule of rules) {
    for (const { index, 0: found } of text.matchAll(rule)) {
      if (hits.length > enoughHits) return
      hits.push({ class: 'customer_id', start: index, end: index + found.length })
    }
  }
}

const prefix = /cust[_-]/gi
const idLength = 14

/** `after` is the fourteen characters and one more. */
function isDefaultId(before: string, found: string, after: string): boolean {
  const id = after.slice(0, idLength)
  if (!/^[A-Za-z0-9]{14}$/.test(id)) return false
  // Words that go on (`cust_authenticationService`) are a name, and so is what follows `locust_`.
  const isWord = /^[A-Z]?[a-z]{2,}(?:[A-Z][a-z]{2,}){0,4}(?:[A-Z][a-z]{0,2})?$/.test(id)
  // `CUST_AUTHENTICATION` and `cust-authentication`, a constant and a class of a style sheet.
  if (found !== 'cust_') return !isWord && !/^[A-Z]+$/.test(id)
  const isAlone = before !== 'lo' && !/[A-Za-z0-9]/.test(after.slice(idLength))
  return isAlone || !isWord
}

// Where a pattern would find something in these, it would find something in every profile.
const ordinaryNames = [
  'main',
  '__libc_start_main_impl',
  'std::vector<int, std::allocator<int> >::push_back(int&&)',
  'java.util.concurrent.ThreadPoolExecutor$Worker.run',
  'github.com/acme/svc/internal/handler.(*Server).ServeHTTP.func1',
  '<alloc::boxed::Box<F,A> as core::ops::function::FnOnce<Args>>::call_once::h0123456789abcdef',
  'LazyCompile:*processTicksAndRejections node:internal/process/task_queues:67:35',
  'entry_SYSCALL_64_after_hwframe',
]

function problemsOf({ pattern, examples, rejects = [] }: CustomerIdPattern): string[] {
  const shape = shapeOf(pattern)
  if (typeof shape === 'string') return [shape]
  const problems: string[] = []
  // Shorter ids would be found in code.
  if (shape.shortest < 5) problems.push('it can match fewer than 5 characters')
  if (shape.longest > 128) problems.push('it can match more than 128 characters')
  // Tries a character: 64 keep 100 KB of the worst text within the budget of 50 ms.
  if (shape.tries > 64) problems.push('its counts can be split in more than 64 ways')
  if (examples.length === 0) problems.push('it has no example')
  if (problems.length > 0) return problems
  let expression: RegExp
  try {
    expression = new RegExp(pattern)
  } catch {
    return ['it is not a regular expression']
  }
  for (const [index, example] of examples.entries()) {
    if (expression.exec(example)?.[0] !== example) {
      problems.push(`it does not match the whole of example ${index + 1}`)
    }
  }
  for (const [index, example] of rejects.entries()) {
    if (expression.test(example))
      problems.push(`it matches what it must leave alone, number ${index + 1}`)
  }
  if (ordinaryNames.some(name => expression.test(name))) {
    problems.push('it matches ordinary names of functions')
  }
  return problems
}

interface Shape {
  readonly shortest: number
  readonly longest: number
  /** The product of what each count can be. */
  readonly tries: number
}

// A character, an escape of one, a class; then a count.
const atom =
  /(?<edge>\\b)|(?:\[\^?(?:\\[dw\\\]\-^./]|[^\\[\]])+\]|\\[dw.\\/+*?()[\]{}|^$-]|[^\\[\](){}*+?.|^$])(?:\{(?<least>\d{1,3})(?<comma>,(?<most>\d{1,3})?)?\}|(?<optional>\?))?/uy

/** What the pattern can match, or why it is none of ours. */
function shapeOf(pattern: string): Shape | string {
  if (pattern.length === 0 || pattern.length > 200)
    return 'it is empty or longer than 200 characters'
  let [shortest, longest, tries] = [0, 0, 1]
  for (let at = 0; at < pattern.length; ) {
    atom.lastIndex = at
    const found = atom.exec(pattern)
    if (found === null) {
      return `character ${at + 1} is not allowed: only characters, classes, and counts such as {14} or {8,12}`
    }
    at += found[0].length
    const { edge, least, comma, most, optional } = found.groups!
    if (edge !== undefined) continue
    if (comma !== undefined && most === undefined) return 'a count has no upper bound'
    const low = optional !== undefined ? 0 : Number(least ?? 1)
    const high = optional !== undefined ? 1 : Number(most ?? least ?? 1)
    if (high < low) return 'a count ends before it begins'
    shortest += low
    longest += high
    tries *= high - low + 1
  }
  return { shortest, longest, tries }
}
