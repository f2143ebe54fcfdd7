// The cookie of an Erlang node: what it was started with, found where the node itself
// finds it. https://www.erlang.org/doc/system/distributed.html#security
//
// Whoever knows it may run anything in the node, so it is read at the moment when it
// is used, by who uses it, and is in no description, no message and no log. The
// trap: a node that was given another one while it ran (erlang:set_cookie) shows it nowhere.

import type { ProcessFacts } from '../target/facts.ts'
import { homeOf, optionOf, rest } from './erlang-arguments.ts'

type CookieFacts = Pick<ProcessFacts, 'argv' | 'environment' | 'kindOf' | 'readFile'>

export interface Cookie {
  readonly value: string
  /** Where it stands, for people: `-setcookie`, `/home/app/.erlang.cookie`. */
  readonly from: string
}

/** Found, or in words why not. */
export function findCookie(facts: CookieFacts): Cookie | string {
  const { argv } = facts
  const given: readonly (readonly [from: string, value: string | undefined])[] = [
    ['-setcookie', optionOf(argv, '-setcookie')],
    // What Elixir's programs take: they set it when they have begun.
    ['--cookie', optionOf(rest(argv), '--cookie')],
    ['RELEASE_COOKIE', facts.environment('RELEASE_COOKIE')],
    ['RABBITMQ_ERLANG_COOKIE', facts.environment('RABBITMQ_ERLANG_COOKIE')],
  ]
  for (const [from, value] of given) {
    if (value === undefined || value === '') continue
    return isCookie(value) ? { value, from } : `the cookie of ${from} is none`
  }
  const files = filesOf(facts)
  for (const from of files) {
    const kind = facts.kindOf(from)
    if (kind === undefined) continue
    if (kind === 'link') return `${from} is a symbolic link, which is not followed`
    const text = facts.readFile(from, maxFileBytes)?.toString('latin1')
    if (text === undefined) return `${from} cannot be read`
    const value = text.replace(/[\r\n]+$/, '')
    return isCookie(value) ? { value, from } : `what stands in ${from} is no cookie`
  }
  return files.length === 0
    ? 'its home folder, where the cookie is, is not known'
    : `there is no cookie in its arguments, and none in ${files.join(' or ')}`
}

// As many characters as an atom has.
const maxCookie = 255
const maxFileBytes = 1024

function isCookie(value: string): boolean {
  return value.length <= maxCookie && /^[\x20-\x7e]+$/.test(value)
}

function filesOf(facts: CookieFacts): string[] {
  const home = homeOf(facts)
  if (home === undefined) return []
  const settings = facts.environment('XDG_CONFIG_HOME') || `${home}/.config`
  return [`${home}/.erlang.cookie`, `${settings}/erlang/.erlang.cookie`]
}
