// JSON artefacts, speedscope files and manifests among them.
//
// Read by a grammar of our own (RFC 8259, strictly), because `JSON.parse` keeps only the last of two
// equal keys, and the first would leave unseen. Nothing is built: strings and keys are looked at
// where they stand. A number is a weight, a time or a count and is let through, unless its key says
// that it is a person's.

import { decodeUtf8, refusal, type Scan } from './gate-scan.ts'

/** Looks at every string and key. */
export function scanJson(bytes: Uint8Array, scan: Scan): void {
  const text = decodeUtf8(bytes)
  const open: Container[] = []
  const place = () => placeOf(open)
  let at = skipBlank(text, 0)
  for (;;) {
    scan.check(place)
    at = readValue(text, at, open, scan, place)
    // A container has been opened and its first value, or its end, comes next.
    for (;;) {
      at = skipBlank(text, at)
      const inner = open.at(-1)
      if (inner === undefined) {
        if (at < text.length) throw refusal('something follows the JSON value', 'its end')
        return
      }
      const isFirst = inner.index < 0
      if (text[at] === (inner.isObject ? '}' : ']')) {
        open.pop()
        at++
        continue
      }
      if (!isFirst && text[at] !== ',') throw refusal('it is no JSON', place())
      if (!isFirst) at = skipBlank(text, at + 1)
      inner.index++
      if (inner.isObject) at = readKey(text, at, inner, scan, place)
      break
    }
  }
}

interface Container {
  readonly isObject: boolean
  /** Of the value that is being read; -1 before the first. */
  index: number
  key: string
}

// Ours are at most six deep, speedscope's four.
const maxDepth = 64

function readValue(
  text: string,
  at: number,
  open: Container[],
  scan: Scan,
  place: () => string,
): number {
  const inner = open.at(-1)
  switch (text[at]) {
    case '{':
    case '[':
      if (open.length === maxDepth) throw refusal(`it is deeper than ${maxDepth}`, place())
      open.push({ isObject: text[at] === '{', index: -1, key: '' })
      return at + 1
    case '"': {
      const end = endOfString(text, at, place)
      const value = decoded(text, at, end, place)
      if (!isDigest(inner?.key, value)) scan.text(value, place)
      return end
    }
    default: {
      scalar.lastIndex = at
      const found = scalar.exec(text)?.[0]
      if (found === undefined) throw refusal('it is no JSON', place())
      if (personalKey.test(inner?.key ?? '')) scan.text(`${inner!.key} ${found}`, place)
      return at + found.length
    }
  }
}

const scalar = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=[\s,\]}]|$)/y
const personalKey = /mobile|phone|msisdn|a{1,2}dh?a{1,2}r|card_?n|pan_?n|customer/i

function readKey(
  text: string,
  at: number,
  inner: Container,
  scan: Scan,
  place: () => string,
): number {
  if (text[at] !== '"') throw refusal('it is no JSON', place())
  const end = endOfString(text, at, place)
  // Before the key is known to be harmless, the place is told without it.
  inner.key = ''
  const key = decoded(text, at, end, place)
  scan.text(key, place)
  inner.key = key
  const colon = skipBlank(text, end)
  if (text[colon] !== ':') throw refusal('it is no JSON', place())
  return skipBlank(text, colon + 1)
}

/** After the closing quote. */
function endOfString(text: string, at: number, place: () => string): number {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0
    while (text[end - 1 - backslashes] === '\\') backslashes++
    if (backslashes % 2 === 0) return end + 1
  }
  throw refusal('a string does not end', place())
}

function decoded(text: string, at: number, end: number, place: () => string): string {
  const inside = text.slice(at + 1, end - 1)
  if (!/[\\\u0000-\u001f]/.test(inside)) return inside
  try {
    return JSON.parse(text.slice(at, end))
  } catch {
    throw refusal('a string has what JSON does not allow', place())
  }
}

/** A digest under a key that says so: hex of its length. A short one in digits alone may be anything. */
function isDigest(key: string | undefined, value: string): boolean {
  return digests.get(key ?? '')?.test(value) ?? false
}

const digest = /^(?:sha256:)?[0-9a-f]{64}$/
const digests: ReadonlyMap<string, RegExp> = new Map([
  ['sha256', digest],
  ['digest', digest],
  ['imageDigest', digest],
  ['buildId', /^(?=[0-9]*[a-f]|[0-9]{32})(?:[0-9a-f]{2}){8,64}$/],
])

function skipBlank(text: string, from: number): number {
  let at = from
  for (; ; at++) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at
  }
}

/** `frames[12].name`. Only keys that are words of ours are said. */
function placeOf(open: readonly Container[]): string {
  const steps = open.map(({ isObject, index, key }) => {
    if (!isObject) return `[${Math.max(0, index)}]`
    return /^[A-Za-z]{1,24}$/.test(key) ? `.${key}` : `.{${Math.max(0, index)}}`
  })
  return `key ${steps.join('') || 'none'}`
}
