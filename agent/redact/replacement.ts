// What stands where a personal value stood: `[in_pan:7f3a9c]`.
//
// The six hex digits are a keyed hash of the class and the value, so equal values stay equal within
// an incident, frames still merge and captures still compare, while nobody without the key can try
// out all ten digits of a number. It keeps no length and no form of the value: a text of the same
// form would be found again, or believed.

import { createHmac } from 'node:crypto'
import { type PersonalClass, personalClasses } from './classes.ts'
import type { CustomerIdRule } from './customer-ids.ts'
import { find } from './find.ts'

/** The replacement of a value. Twenty-four bits: a thousand values of an incident stay apart. */
export function replacementOf(name: PersonalClass, value: string, key: Buffer): string {
  const digest = createHmac('sha256', key).update(`${name}\0${value}`).digest('hex')
  return label(name, digest.slice(0, 6))
}

/**
 * A replacement that would itself be found, or undefined: tried for every class, with the
 * digests that look most like a value and the neighbours that could complete them to one.
 */
export function unsafeReplacement(rules: readonly CustomerIdRule[]): string | undefined {
  for (const name of personalClasses) {
    for (const digest of digests) {
      const text = label(name, digest)
      for (const [before, after] of neighbours) {
        if (isFound(before, text, after, rules)) return text
      }
    }
  }
  return undefined
}

function isFound(
  before: string,
  label: string,
  after: string,
  rules: readonly CustomerIdRule[],
): boolean {
  const start = before.length
  const end = start + label.length
  return find(before + label + after, rules).some(hit => hit.start < end && hit.end > start)
}

function label(name: PersonalClass, digest: string): string {
  return `[${name}:${digest}]`
}

const digests = ['000000', '987654', '234123', '411111', 'abcdef', 'e1f2a3', 'abc123', '7f3a9c']
// Each the greater part of a value.
const neighbours: readonly (readonly [before: string, after: string])[] = [
  ['', ''],
  ['98765', ''],
  ['+91 ', ' 43210'],
  ['+91', '43210'],
  ['2341-2341-', '-2346'],
  ['4111 1111 1111 ', ' 1111'],
  ['pan ', ''],
  ['ABCPK', '1234L'],
  ['aditi@', '.com'],
  ['aditi', '@example.com'],
  ['/home/', '/src'],
  ['/home', '..'],
  ['cust_', ''],
  ['eyJhbGciOiJIUzI1NiJ9.', '.eyJhbGciOiJIUzI1NiJ9'],
  ['xxxx-xxxx-xxxx-', ' 1234'],
]
