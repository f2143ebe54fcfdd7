// Text artefacts: folded stacks, and lines for people.
//
// The count of a folded line is a number of samples, so it is checked to be one and not looked at.
// Frames are looked at one by one, and each seam between two as well: a value could be cut there.

import { isUtf8 } from 'node:buffer'
import type { Scan } from './gate-scan.ts'
import { refusal } from './gate-scan.ts'

/** Folded stacks: `root;…;leaf count`, one a line. */
export function scanFolded(bytes: Uint8Array, scan: Scan): void {
  const seams = new Set<string>()
  for (const [index, line] of linesOf(bytes)) {
    const place = (what: string) => () => `line ${index}, ${what}`
    const space = line.lastIndexOf(' ')
    if (space < 1 || !/^\d{1,20}(?:\.\d{1,20})?$/.test(line.slice(space + 1))) {
      throw refusal('it is no stack and count', `line ${index}`)
    }
    let before = ''
    for (const [depth, frame] of line.slice(0, space).split(';').entries()) {
      scan.text(frame, place(`frame ${depth + 1}`))
      scanSeam(before, frame, seams, scan, place(`between frames ${depth} and ${depth + 1}`))
      before = frame
    }
  }
}

/** Lines for people. */
export function scanText(bytes: Uint8Array, scan: Scan): void {
  for (const [index, line] of linesOf(bytes)) scan.text(line, () => `line ${index}`)
}

/** The lines of a text, from 1, without the end of the last one. */
function* linesOf(bytes: Uint8Array): Generator<[number, string]> {
  const lines = decodeUtf8(bytes).split('\n')
  if (lines.at(-1) === '') lines.pop()
  for (const [index, line] of lines.entries()) yield [index + 1, line]
}

/**
 * The text of an artefact, in UTF-8.
 *
 * @throws {ProfilerError} `SP_REDACTION_REFUSED` for any other encoding, a byte order mark, a NUL.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  checkUtf8(bytes)
  return bufferOf(bytes).toString()
}

/** Holds that bytes are text in UTF-8. A mark or a NUL at its start is how other encodings look. */
export function checkUtf8(bytes: Uint8Array): void {
  if (!isUtf8(bytes)) throw refusal('it is not UTF-8', 'its bytes')
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw refusal('it has a byte order mark', 'its first bytes')
  }
  if (bytes.includes(0)) throw refusal('it has a NUL character', 'its bytes')
}

/** The same bytes, with the methods of a Buffer. */
export function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

/** Looks at both frames as one text where digits meet there, or an `@`. */
function scanSeam(
  left: string,
  right: string,
  seams: Set<string>,
  scan: Scan,
  place: () => string,
) {
  if (!isDigitOrAt(left.charCodeAt(left.length - 1)) && !isDigitOrAt(right.charCodeAt(0))) return
  // Half a value is not longer than half an address.
  const seam = `${left.slice(-160)}${right.slice(0, 160)}`
  if (seams.has(seam)) return
  seams.add(seam)
  scan.text(seam, place)
}

function isDigitOrAt(code: number): boolean {
  return (code >= 48 && code <= 57) || code === 64
}
