// Punycode: how an identifier with letters beyond ASCII is spelled within it.
//
// RFC 3492, https://www.rfc-editor.org/rfc/rfc3492. The ASCII letters, a
// hyphen, and then the others in order of their code points, each as the number
// of (code point, place) pairs since the last one.
//
// Node has a decoder, which it deprecates and which throws; this one is bounded.

// The parameters of RFC 3492 section 5.
const base = 36
const firstThreshold = 1
const lastThreshold = 26
const skew = 38
const damp = 700
const initialBias = 72
const initialCodePoint = 128

// An identifier of code; each insertion moves what comes after it.
const maxLength = 1024

/** The decoded text, or undefined if it is malformed or too long to be an identifier. */
export function decodePunycode(encoded: string): string | undefined {
  if (encoded.length > maxLength) return undefined
  const hyphen = encoded.lastIndexOf('-')
  const points = [...encoded.slice(0, Math.max(hyphen, 0))].map(letter => letter.charCodeAt(0))
  let codePoint = initialCodePoint
  let bias = initialBias
  let place = 0
  for (let at = hyphen + 1; at < encoded.length; ) {
    const before = place
    let weight = 1
    for (let position = base; ; position += base) {
      const digit = digitOf(encoded.charCodeAt(at++))
      if (digit === undefined) return undefined
      place += digit * weight
      if (place > 0x7fff_ffff) return undefined
      const threshold = Math.min(Math.max(position - bias, firstThreshold), lastThreshold)
      if (digit < threshold) break
      weight *= base - threshold
    }
    const count = points.length + 1
    bias = adapted(place - before, count, before === 0)
    codePoint += Math.floor(place / count)
    place %= count
    if (codePoint > 0x10ffff || (codePoint >= 0xd800 && codePoint <= 0xdfff)) return undefined
    points.splice(place++, 0, codePoint)
  }
  return String.fromCodePoint(...points)
}

/** a-z are 0 to 25, 0-9 are 26 to 35. */
function digitOf(code: number): number | undefined {
  if (code >= 97 && code <= 122) return code - 97
  if (code >= 48 && code <= 57) return code - 48 + 26
  return undefined
}

function adapted(delta: number, count: number, isFirst: boolean): number {
  let rest = isFirst ? Math.floor(delta / damp) : Math.floor(delta / 2)
  rest += Math.floor(rest / count)
  let bias = 0
  for (; rest > ((base - firstThreshold) * lastThreshold) / 2; bias += base) {
    rest = Math.floor(rest / (base - firstThreshold))
  }
  return bias + Math.floor(((base - firstThreshold + 1) * rest) / (rest + skew))
}
