// Fitting text into a width, where nothing can be measured: SVG does not wrap,
// and the machine that draws has no fonts.
//
// Frames are labelled in a monospace font, whose advance is 0.6 em in nearly
// every system font; sentences are wrapped by count, which errs on the short
// side for a proportional font. Wide characters (East Asian, emoji) take two
// places. A name is cut in the middle, because both of its ends tell: the
// module it begins with and the method it ends with.

import { makeVisible } from './escape.ts'

const cut = '…'

/** Cuts the middle out of a text that is wider than `places`; both ends are kept. */
export function cutMiddle(text: string, places: number): string {
  // Twice the places are more characters than can fit, whatever they are.
  if (text.length <= places && !hasWide(text)) return text
  if (text.length <= 2 * places && widthOf(text) <= places) return text
  const kept = places - 1
  const head = take([...text.slice(0, 2 * places)], Math.ceil(kept / 2))
  const tail = take([...text.slice(-2 * places)].reverse(), Math.floor(kept / 2))
  return head.join('') + cut + tail.reverse().join('')
}

/** As `cutMiddle`, and says how much is gone: for a tooltip, where the rest would be looked for. */
export function cutLong(text: string, length: number): string {
  if (text.length <= length) return text
  const half = Math.floor(length / 2)
  const [head, tail] = [text.slice(0, half), text.slice(-half)]
  // Half a pair at the cut would be drawn as a replacement mark.
  const whole = head.replace(/[\ud800-\udbff]$/, '') + `${cut}[${text.length - length} more]${cut}`
  return whole + tail.replace(/^[\udc00-\udfff]/, '')
}

/** Lines of at most `places`, broken at spaces (not before a %), and inside a word only if it must be. */
export function wrap(text: string, places: number, maxLines: number): string[] {
  const lines: string[] = []
  let line = ''
  // Nothing past this can be shown.
  for (let word of makeVisible(text.slice(0, places * (maxLines + 1))).split(/ +(?!%)/)) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > places) {
      lines.push(line)
      line = ''
    }
    while (widthOf(word) > places) {
      const piece = take([...word], places).join('')
      lines.push(piece)
      word = word.slice(piece.length)
    }
    line = line === '' ? word : `${line} ${word}`
  }
  if (line !== '') lines.push(line)
  if (lines.length <= maxLines && text.length <= places * (maxLines + 1)) return lines
  const last = lines[maxLines - 1] ?? ''
  return [...lines.slice(0, maxLines - 1), `${take([...last], places - 1).join('')}${cut}`]
}

/** How many places of a monospace font a text takes. */
export function widthOf(text: string): number {
  if (!hasWide(text)) return text.length
  let places = 0
  for (const character of text) places += placesOf(character)
  return places
}

function take(characters: readonly string[], places: number): string[] {
  let left = places
  const end = characters.findIndex(character => {
    left -= placesOf(character)
    return left < 0
  })
  return end < 0 ? [...characters] : characters.slice(0, end)
}

function hasWide(text: string): boolean {
  return /[\u1100-\uffff]/.test(text)
}

function placesOf(character: string): 1 | 2 {
  const code = character.codePointAt(0)!
  // From Hangul Jamo on nearly all is wide; the narrow rest gets more room than it needs.
  return code >= 0x1100 && !(code >= 0x2000 && code < 0x2e80) ? 2 : 1
}
