// Numbers in a profile that look personal and are not: addresses, digests, hashes, UUIDs, versions.
//
// A profile is full of them, and each rule here is one that real symbols need. A rule lets through
// what it covers, so each asks for the whole shape: sixteen digits alone are no digest.

/** Whether the digits from `start` to `end` are part of an address, a digest, a UUID or an IP. */
export function isNotPersonal(text: string, start: number, end: number): boolean {
  const word = wordAround(text, start, end)
  return (
    isHex(word) ||
    (end - start >= 17 && text.slice(start - 6, start) === '.llvm.') || // ThinLTO's module hash
    /\$f64\.[0-9a-f]{0,6}$/.test(text.slice(Math.max(0, start - 11), start)) || // a constant of Go
    isInside(uuid, text, start, end) ||
    isInside(goVersion, text, start, end) ||
    isInside(ipv4, text, start, end) ||
    isChunk(text, start, end) ||
    (text[end] === ':' && arn.test(text.slice(Math.max(0, start - 64), start))) ||
    /(?<![\w.])0\.$/.test(text.slice(Math.max(0, start - 4), start)) // a fraction
  )
}

// What stands before the account in the name of a resource of AWS: `arn:aws:iam::123456789012:role/x`.
const arn = /(?<![\w-])arn:aws[a-z-]{0,10}:[a-z0-9-]{1,24}:[a-z0-9-]{0,20}:$/

/** `chunk-6789012345.js`: a hash of a bundler. */
function isChunk(text: string, start: number, end: number): boolean {
  return (
    /(?<![A-Za-z])chunk[-.]$/.test(text.slice(Math.max(0, start - 7), start)) &&
    /^\.(?:[cm]?js|css|map)(?![A-Za-z0-9])/.test(text.slice(end, end + 5))
  )
}

/**
 * The words that a number may follow, without the labels that redaction itself puts there: else
 * `[mobile:7f3a9c]` would make a telephone number of what comes after it.
 */
export function wordsBefore(text: string, start: number): string {
  return text.slice(Math.max(0, start - 40), start).replace(/\[[a-z_]{1,16}:[0-9a-f]{6}\]/g, ' ')
}

/** Letters and digits without a break, at most 80 to each side: a SHA-256 is 64. */
function wordAround(text: string, start: number, end: number): string {
  let from = start
  while (from > start - 80 && isWord(text.charCodeAt(from - 1))) from--
  let to = start
  while (to < end + 80 && isWord(text.charCodeAt(to))) to++
  return text.slice(from, to)
}

function isHex(word: string): boolean {
  // `0x7f…`, and the hash that ends a Rust name: `::h0123456789abcdef`, mangled `17h0123456789abcdefE`.
  if (/^0[xX][0-9a-fA-F]+$|^h[0-9a-f]{16}$|17h[0-9a-f]{16}E/.test(word)) return true
  // An address as perf prints it: of a program, of a library, of the kernel.
  if (/^(?:5[56][0-9a-f]{10}|7[ef][0-9a-f]{10}|ffff[0-9a-f]{12})$/.test(word)) {
    return /[a-f]/.test(word)
  }
  // A digest: hex of one case in which letters and digits change places again and again. Three
  // times, so that `abcdef9876543210`, a name and a number, is none.
  if (word.length < 16 || !/^(?:[0-9a-f]+|[0-9A-F]+)$/.test(word)) return false
  return (word.match(/\d[a-f]|[a-f]\d/gi)?.length ?? 0) >= 3
}

// All of one shape, with a letter in it: an all-digit one could hold an Aadhaar.
const uuid = /(?=[0-9-]{0,35}[a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi
const goVersion = /-(?:0\.)?20\d{12}-[0-9a-f]{12}(?![0-9a-f])/g
const ipv4 = /(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])/g

function isInside(shape: RegExp, text: string, start: number, end: number): boolean {
  const from = Math.max(0, start - 40)
  for (const { index, 0: found } of text.slice(from, end + 40).matchAll(shape)) {
    if (from + index <= start && end <= from + index + found.length) return true
  }
  return false
}

function isWord(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
}
