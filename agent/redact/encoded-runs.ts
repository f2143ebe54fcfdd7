// Text inside a text: runs of base64 (both alphabets) and of hex that decode to something printable.
//
// `OTg3NjU0MzIxMA` is a telephone number. What makes the search hard is that every long identifier
// is a run of base64's alphabet, and that the encoded part may begin anywhere in it
// (`user_OTg3NjU0MzIxMA`). So each of the four alignments is read four characters at a time, and a
// stretch ends at the first three bytes that nobody prints; a name ends so at once.

/** What `text.slice(start, end)` decodes to. */
export interface EncodedRun {
  readonly start: number
  readonly end: number
  readonly decoded: string
}

/** The runs that decode to ten printable characters or more: no class has fewer. */
export function encodedRuns(text: string): EncodedRun[] {
  const runs: EncodedRun[] = []
  if (!mayDecode.test(text)) return runs
  for (let at = 0; at < text.length; ) {
    let end = at
    while (sextet(text, end) < none) end++
    if (end - at >= shortestRun) {
      for (let alignment = 0; alignment < 4; alignment++) readRun(text, at + alignment, end, runs)
    }
    at = end + 1
  }
  for (const { index, 0: found } of text.matchAll(hexRun)) {
    add(runs, index, index + found.length, Buffer.from(found, 'hex'))
  }
  return runs
}

const shortestDecoded = 10
const shortestRun = 14 // of base64, for ten bytes

const hexRun = /(?:[2-7][0-9a-fA-F]){10,512}/g

// Twenty characters of hex, or three times four of base64 that decode to printable bytes: the first
// byte asks for one of these first characters, the second for one of these second ones, and so on.
// One name in a thousand has it.
const mayDecode =
  /(?:[I-Za-f][C-HS-Xi-nyz0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]){3}|(?:[2-7][0-9a-fA-F]){10}/

/** Adds the stretches of one alignment. `end` is the end of the run, without padding. */
function readRun(text: string, start: number, end: number, runs: EncodedRun[]): void {
  for (let from = start, at = start; from < end; at += 4) {
    if (at < end && isPrintableQuad(text, at)) continue
    // The four characters that ended it may begin with a byte or two that belong to it.
    if (at - from >= shortestRun - 2) {
      const to = Math.min(at + 4, end)
      const padding = to === end ? /^={0,2}/.exec(text.slice(end, end + 2))![0].length : 0
      add(runs, from, to + padding, Buffer.from(text.slice(from, to), 'base64'))
    }
    from = at + 4
  }
}

function isPrintableQuad(text: string, at: number): boolean {
  const a = sextet(text, at)
  // Three quarters of all letters end here.
  if (a < 8 || a > 31) return false
  const b = sextet(text, at + 1)
  const c = sextet(text, at + 2)
  const d = sextet(text, at + 3)
  return (
    (b | c | d) < none &&
    isPrintable((a << 2) | (b >> 4)) &&
    isPrintable(((b & 15) << 4) | (c >> 2)) &&
    isPrintable(((c & 3) << 6) | d)
  )
}

function add(runs: EncodedRun[], start: number, end: number, bytes: Buffer): void {
  const stop = bytes.findIndex(byte => !isPrintable(byte))
  const decoded = bytes.toString('latin1', 0, stop < 0 ? bytes.length : stop)
  if (decoded.length >= shortestDecoded) runs.push({ start, end, decoded })
}

function isPrintable(byte: number): boolean {
  return byte >= 0x20 && byte < 0x7f
}

const none = 64
const sextets = new Uint8Array(128).fill(none)
for (const [index, letter] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
].entries()) {
  sextets[letter.charCodeAt(0)] = index
}
// The alphabet for URLs.
sextets['-'.charCodeAt(0)] = 62
sextets['_'.charCodeAt(0)] = 63

function sextet(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code < 128 ? sextets[code]! : none
}
