// Text artefacts: folded stacks, and lines for people.
//
// The count of a folded line is a number of samples, so it is checked to be one and not looked at.
// Frames are looked at one by one, and each seam between two as well: a value could be cut there.

import { decodeUtf8, refusal, type Scan } from './gate-scan.ts'

/** Folded stacks: `root;…;leaf count`, one a line. */
export function scanFolded(bytes: Uint8Array, scan: Scan): void {
  scanStacks(bytes, scan, 1)
}

/** The same of two profiles: `root;…;leaf before after`. */
export function scanFoldedDiff(bytes: Uint8Array, scan: Scan): void {
  scanStacks(bytes, scan, 2)
}

function scanStacks(bytes: Uint8Array, scan: Scan, counts: number): void {
  const seams = new Set<string>()
  for (const [index, line] of linesOf(bytes)) {
    const place = (what: string) => () => `line ${index}, ${what}`
    let space = line.length
    for (let left = counts; left > 0; left--) {
      const end = space
      space = end < 1 ? -1 : line.lastIndexOf(' ', end - 1)
      if (space < 1 || !/^\d{1,20}(?:\.\d{1,20})?$/.test(line.slice(space + 1, end))) {
        throw refusal(
          `it is no stack and ${counts === 1 ? 'count' : 'two counts'}`,
          `line ${index}`,
        )
      }
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
  const text = decodeUtf8(bytes)
  // One after another: a million of them at once are as much memory again.
  for (let start = 0, index = 1; start < text.length; index++) {
    const found = text.indexOf('\n', start)
    const end = found < 0 ? text.length : found
    yield [index, text.slice(start, end)]
    start = end + 1
  }
}

/** Looks for a value across two frames, when digits meet there, or an `@`. */
function scanSeam(
  left: string,
  right: string,
  seams: Set<string>,
  scan: Scan,
  place: () => string,
) {
  if (!isDigitOrAt(left.charCodeAt(left.length - 1)) && !isDigitOrAt(right.charCodeAt(0))) return
  const seam = `${left}\n${right}`
  if (seams.has(seam)) return
  seams.add(seam)
  scan.seam(left, right, place)
}

function isDigitOrAt(code: number): boolean {
  return (code >= 48 && code <= 57) || code === 64
}
