// Rust names. Two manglings are alive:
//
//  - v0, `_R…`, a grammar of its own: see `demangle-rust-v0.ts`
//  - legacy, `_ZN…17h<hash>E`: a nested C++ name whose parts are escaped and
//    whose last part is a hash of 16 hex digits; still what Rust 1.95 does
//    unless it is told otherwise
//
// The trap: a legacy name is also a well-formed C++ name, so it is tried first,
// and it is told from one by the hash alone.
//
// The hash is left out, so that the copies of one generic function are one
// frame, and so is what LLVM appends (`.llvm.123`, `.cold`): c++filt does the
// same.

import { demangleRustV0 } from './demangle-rust-v0.ts'

/** The path as in the source, or undefined if this is no mangled Rust name or one that is too large to print. */
export function demangleRust(mangled: string): string | undefined {
  return mangled.startsWith('_R') ? demangleRustV0(mangled) : demangleLegacy(mangled)
}

// The hash and its end, with what LLVM may have appended.
const hash = /17h[0-9a-f]{16}E(?:\.[\w.@$]*)?$/y

const escapes = new Map([
  ['SP', '@'],
  ['BP', '*'],
  ['RF', '&'],
  ['LT', '<'],
  ['GT', '>'],
  ['LP', '('],
  ['RP', ')'],
  ['C', ','],
])

function demangleLegacy(mangled: string): string | undefined {
  const end = mangled.lastIndexOf('17h')
  hash.lastIndex = end
  if (end < 0 || !mangled.startsWith('_ZN') || !hash.test(mangled)) return undefined
  const parts: string[] = []
  for (let at = 3; at < end; ) {
    const start = at
    while (mangled[at]! >= '0' && mangled[at]! <= '9') at++
    const length = Number(mangled.slice(start, at))
    if (at === start || at + length > end) return undefined
    const part = unescapePart(mangled.slice(at, at + length))
    if (part === undefined) return undefined
    parts.push(part)
    at += length
  }
  return parts.length === 0 ? undefined : parts.join('::')
}

/** `$LT$` and the like, `$u7b$` for any character, `..` for `::`; `_` before a leading escape keeps it an identifier. */
function unescapePart(part: string): string | undefined {
  let isKnown = true
  const text = (part.startsWith('_$') ? part.slice(1) : part)
    .replaceAll('..', '::')
    .replace(/\$(\w*)\$/g, (whole, code: string) => {
      const character = escapes.get(code) ?? characterOf(code)
      if (character === undefined) isKnown = false
      return character ?? whole
    })
  return isKnown ? text : undefined
}

function characterOf(code: string): string | undefined {
  if (!/^u[0-9a-f]{1,6}$/.test(code)) return undefined
  const point = Number.parseInt(code.slice(1), 16)
  // Control characters are never escaped by the compiler: nobody's code can hold them.
  const isText = point >= 0x20 && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff)
  return isText && point !== 0x7f ? String.fromCodePoint(point) : undefined
}
