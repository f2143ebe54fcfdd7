// Readable names for mangled ones, whichever language they come from.
//
// The whole name with its parameters, always the same for the same symbol. To
// shorten it is the business of whoever draws it.

import { demangleCpp } from './demangle-cpp.ts'
import { demangleRust } from './demangle-rust.ts'

// The longest of 600,000 names of node, LLVM, libjvm and the Rust compiler has 1,222 characters.
const maxMangled = 32 * 1024

/** The name as the programmer wrote it; the name as it is if it isn't mangled, or malformed, or monstrous. */
export function demangle(name: string): string {
  if (name.length > maxMangled) return name
  // Mach-O and old toolchains put one more underscore before every name.
  const mangled = name.startsWith('__Z') || name.startsWith('__R') ? name.slice(1) : name
  if (!mangled.startsWith('_Z') && !mangled.startsWith('_R')) return name
  // Lengths in a mangled name count bytes, so one with other letters is read as bytes.
  if (!/[^\0-\x7f]/.test(mangled)) return demangled(mangled) ?? name
  const bytes = Buffer.from(mangled, 'utf8').toString('latin1')
  const found = demangled(bytes)
  return found === undefined ? name : Buffer.from(found, 'latin1').toString('utf8')
}

function demangled(mangled: string): string | undefined {
  return demangleRust(mangled) ?? (mangled.startsWith('_Z') ? demangleCpp(mangled) : undefined)
}
