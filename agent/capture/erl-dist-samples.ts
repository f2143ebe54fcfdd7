// What `process_info(Pid, [status, current_stacktrace])` says of a process.
// https://www.erlang.org/doc/apps/erts/erlang.html#process_info/2
//
//     [{status, running},
//      {current_stacktrace, [{shop, total, 2, [{file, "src/shop.erl"}, {line, 12}]}, …]}]
//
// The trap: a frame may have the arguments of its call where its arity is. They are
// counted and dropped: they are the data of the program.

import { Atom, type Term, Tuple } from './erlang-terms.ts'

export interface ProcessSample {
  /** `running`, `runnable`, `waiting` and a few more. */
  readonly status: string
  /** The leaf first: `shop:total/2`, and behind a blank its file, where it is known. */
  readonly frames: readonly string[]
}

/** Undefined of a process that has ended meanwhile. */
export function readSample(answer: Term): ProcessSample | undefined {
  if (!Array.isArray(answer)) return undefined
  let status = ''
  let frames: string[] = []
  for (const item of answer as readonly Term[]) {
    if (!(item instanceof Tuple)) continue
    const [key, value] = item.items
    if (!(key instanceof Atom)) continue
    if (key.name === 'status' && value instanceof Atom) status = value.name
    if (key.name === 'current_stacktrace' && Array.isArray(value)) {
      frames = (value as readonly Term[]).map(readFrame).filter(frame => frame !== undefined)
    }
  }
  return { status, frames }
}

/** Of `{status, running}`; empty of a process that has ended meanwhile. */
export function readStatus(answer: Term | undefined): string {
  const [, value] = answer instanceof Tuple ? answer.items : []
  return value instanceof Atom ? value.name : ''
}

function readFrame(frame: Term): string | undefined {
  if (!(frame instanceof Tuple) || frame.items.length < 3) return undefined
  const [module, name, arity, place] = frame.items
  if (!(module instanceof Atom) || !(name instanceof Atom)) return undefined
  const count = Array.isArray(arity) ? arity.length : typeof arity === 'number' ? arity : 0
  const file = fileOf(place)
  // A blank parts the two, so the name has none.
  const text = `${module.name}:${name.name}/${count}`.replace(/\s/g, '_')
  return file === '' ? text : `${text} ${file}`
}

function fileOf(place: Term | undefined): string {
  if (!Array.isArray(place)) return ''
  for (const item of place as readonly Term[]) {
    const [key, value] = item instanceof Tuple ? item.items : []
    if (key instanceof Atom && key.name === 'file' && value !== undefined) return textOf(value)
  }
  return ''
}

// Longer than any path.
const maxText = 4096

/** A string of Erlang is a list of its characters. */
export function textOf(term: Term): string {
  if (Buffer.isBuffer(term)) return term.toString('utf8', 0, maxText)
  if (!Array.isArray(term)) return ''
  const points = (term as readonly Term[]).slice(0, maxText)
  const isText = points.every(each => typeof each === 'number' && each > 0 && each <= 0x10ffff)
  return isText ? String.fromCodePoint(...(points as readonly number[])) : ''
}
