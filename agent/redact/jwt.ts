// JSON Web Tokens: three runs of base64url with dots between them, the first one JSON with an `alg`.
//
// RFC 7519. The article's shape, `eyJ….eyJ….…` with ten characters or more in each, is taken without
// a look inside; a header that decodes is taken with any lengths, so that an unsigned token, a
// token of five parts and one with blanks in its JSON are found as well.
//
// The search is by hand because `eyJ` repeated a hundred thousand times must cost what one does.

import { enoughHits, type Hit } from './classes.ts'

/** Adds the tokens of a text. */
export function findTokens(text: string, hits: Hit[]): void {
  for (const opening of openings) {
    for (let at = text.indexOf(opening); at >= 0; at = text.indexOf(opening, at)) {
      if (hits.length > enoughHits) return
      const header = endOfRun(text, at)
      const end = endOfToken(text, at, header)
      if (end > at) hits.push({ class: 'jwt', start: at, end })
      at = Math.max(end, header)
    }
  }
}

// `{"`, `{ "`, and `{` with a line end and an indent, encoded.
const openings = ['eyJ', 'eyAi', 'ewo', 'ew0K'] as const

/** The end of the token whose header stands from `start` to `header`, or `start` when there is none. */
function endOfToken(text: string, start: number, header: number): number {
  if (text[header] !== '.') return start
  const payload = endOfRun(text, header + 1)
  // `{}` is three characters.
  if (payload - header <= 3) return start
  const hasSignature = text[payload] === '.'
  const signature = hasSignature ? endOfRun(text, payload + 1) : payload
  const isArticles =
    text.startsWith('eyJ', start) &&
    header - start >= 13 &&
    payload - header > 10 &&
    signature - payload > 10
  if (isArticles || hasAlgorithm(text.slice(start, Math.min(header, start + longestHeader)))) {
    // Encrypted tokens have two parts more.
    const fourth = text[signature] === '.' ? endOfRun(text, signature + 1) : signature
    const fifth = text[fourth] === '.' && fourth > signature ? endOfRun(text, fourth + 1) : fourth
    return fifth > fourth + 10 ? fifth : signature
  }
  return start
}

// Certificates in the header (`x5c`) take some kilobytes.
const longestHeader = 16_384

function hasAlgorithm(header: string): boolean {
  return /"alg"\s{0,8}:/.test(Buffer.from(header, 'base64url').toString('latin1'))
}

function endOfRun(text: string, from: number): number {
  let at = from
  while (isBase64Url(text.charCodeAt(at))) at++
  return at
}

function isBase64Url(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 48 && code <= 57) ||
    code === 45 ||
    code === 95
  )
}
