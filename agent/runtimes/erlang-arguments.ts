// The arguments of the BEAM, as `erl` and releases start it.
// https://www.erlang.org/doc/apps/erts/erl_cmd.html
//
// The trap: what comes after `-extra` belongs to the program, and may look the same.

import type { ProcessFacts } from '../target/facts.ts'

/** The value of an option of the emulator's own; the first one counts, as with a node itself. */
export function optionOf(argv: readonly string[], option: string): string | undefined {
  const own = argv.includes('-extra') ? argv.slice(0, argv.indexOf('-extra')) : argv
  const at = own.indexOf(option)
  const value = at < 0 ? undefined : own[at + 1]
  // Two values are of another meaning: a cookie for one node only.
  const isAlone = own[at + 2] === undefined || /^[-+]/.test(own[at + 2]!)
  return value !== undefined && isAlone ? value : undefined
}

/** What belongs to the program. */
export function rest(argv: readonly string[]): readonly string[] {
  const at = argv.indexOf('-extra')
  return at < 0 ? [] : argv.slice(at + 1)
}

/** Its home folder, by what it was told, or by its environment. */
export function homeOf({
  argv,
  environment,
}: Pick<ProcessFacts, 'argv' | 'environment'>): string | undefined {
  const home = optionOf(argv, '-home') ?? environment('HOME')
  return home?.startsWith('/') ? home : undefined
}
