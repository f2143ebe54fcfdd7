// Groups of digits in a text, and what stands between them: `+91 98765-43210` has three.

/** Groups of digits with gaps between them. */
export interface Groups {
  readonly start: number[]
  readonly end: number[]
  /** The kind of what stands after each group but the last. */
  readonly gap: number[]
  /** All digits in a row, and where those of each group begin. */
  digits: string
  readonly offset: number[]
}

// Gaps by how seldom people put them inside a number. A gap of several characters is its rarest.
export const loose = 1 // a space or a dash, of any script
export const dot = 2
export const underscore = 3
export const bracket = 4 // around the code of a country or a region
export const slash = 5
export const colon = 6
export const comma = 7 // or an apostrophe, alone: `98765,43210`
export const mark = 8 // one of `|~*#=+`, alone: `98765|43210`
export const spaced = 9 // one of the last two between spaces: `4111 | 1111`, `4111, 1111`

export function readGroups(text: string, from: number): Groups {
  const groups: Groups = { start: [], end: [], gap: [], digits: '', offset: [] }
  for (let at = from; ; ) {
    groups.start.push(at)
    groups.offset.push(groups.digits.length)
    while (isDigit(text.charCodeAt(at))) at++
    groups.digits += text.slice(groups.start.at(-1)!, at)
    groups.end.push(at)
    let kind = 0
    let next = at
    // Three characters: ` - ` is the longest gap that people write.
    for (; next < at + 3; next++) {
      const found = gapKind(text.charCodeAt(next))
      // Two dots are a range, three say that something was cut out.
      if (found === 0 || (found === dot && kind === dot)) break
      kind = Math.max(kind, found)
    }
    if (kind <= loose && !isDigit(text.charCodeAt(next))) [kind, next] = readRareGap(text, at)
    if (kind === 0 || !isDigit(text.charCodeAt(next))) return groups
    groups.gap.push(kind)
    at = next
  }
}

/** A character that more often separates values than the groups of one: its kind, and where it ends. */
function readRareGap(text: string, from: number): [kind: number, next: number] {
  const at = isSpace(text.charCodeAt(from)) ? from + 1 : from
  const kind = rareKind(text.charCodeAt(at))
  const next = isSpace(text.charCodeAt(at + 1)) ? at + 2 : at + 1
  if (kind === 0) return [0, from]
  return [next - from === 1 ? kind : spaced, next]
}

function rareKind(code: number): number {
  switch (code) {
    case 0x2c: // comma
    case 0x27: // apostrophe
      return comma
    case 0x7c: // |
    case 0x7e: // ~
    case 0x2a: // *, and what looks like a bullet
    case 0x23: // #
    case 0x3d: // =
    case 0x2b: // +
      return mark
    default:
      return 0
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0xa0
}

function gapKind(code: number): number {
  switch (code) {
    case 0x20: // space
    case 0x2d: // hyphen
    case 0xa0: // no-break space
    case 0x09:
      return loose
    case 0x2e:
      return dot
    case 0x5f:
      return underscore
    case 0x28:
    case 0x29:
      return bracket
    case 0x2f:
      return slash
    case 0x3a:
      return colon
    default:
      return 0
  }
}

export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}
