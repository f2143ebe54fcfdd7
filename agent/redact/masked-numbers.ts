// Numbers that somebody masked before logging them: `4xxx-xxxx-xxxx-1234`, `411111******1111`, `411111######1111`.
//
// What is left of a card still says whose bank it is and how it ends, which is why such a number
// counts as one. The trap is that `x` is a letter: `0xxxxx`, `foo_xxx` and `****` are names.

import { enoughHits, type Hit, type PersonalClass } from './classes.ts'

/** Adds what is left of masked cards, Aadhaar and mobile numbers. */
export function findMaskedNumbers(text: string, hits: Hit[]): void {
  let after = 0
  for (const { index } of text.matchAll(maskRun)) {
    if (hits.length > enoughHits) return
    if (index < after) continue
    const start = walk(text, index, -1)
    const end = walk(text, index, 1)
    after = end
    const found = classify(text, start, end)
    if (found !== undefined) hits.push({ class: found, start, end })
  }
}

const maskRun = /[xX*#\u2022]{3}/g

function classify(text: string, start: number, end: number): PersonalClass | undefined {
  const number = text.slice(start, end).replace(/[ -]/g, '')
  const shape = /^(\d*)([xX*#\u2022]+)(\d*)$/.exec(number)
  if (shape === null) return undefined
  const [, head = '', mask = '', tail = ''] = shape
  // A letter beside `x` makes it part of a word, unless it is too long for one.
  const isBesideLetter = isLetter(text.charCodeAt(start - 1)) || isLetter(text.charCodeAt(end))
  if (head === '0' || (isBesideLetter && mask.length < 8 && /x/i.test(mask))) return undefined

  // The article's own: `4xxx-...`, cut by whoever logged it.
  if (/^[2-68]$/.test(head) && mask.length === 3 && tail === '') {
    return /^-?[. \u2026*xX]{1,3}/.test(text.slice(end, end + 3)) ? 'card' : undefined
  }
  if (head === '' && tail === '') return undefined
  if (mask.length >= 4 && withCode.test(number)) return 'mobile'
  if (number.length >= 13 && number.length <= 19 && mask.length >= 4) {
    return head === '' || /^[2-68]/.test(head) ? 'card' : undefined
  }
  if (number.length === 12 && tail.length === 4 && head === '') return 'aadhaar'
  if (number.length === 10 && mask.length >= 4)
    return /^[6-9]?\d*$/.test(head) ? 'mobile' : undefined
  // `**** 1234`: the end of a card as receipts print it. Stars only, for `xxxx1234` is a name.
  return mask.length >= 4 && /^[*\u2022]+$/.test(mask) && tail.length === 4 ? 'card' : undefined
}

// `+91-98xxxxxx10`, `098xxxxxx10`: ten characters after the code of the country or of a trunk.
const withCode = /^(?:(?:00|0)?91|00?)(?=[6-9xX*#\u2022]).{10}$/

// Nineteen digits and a gap after every four, and a bit: further away is another number.
const farthest = 26

/** The end of the digits, mask and single gaps that go on from `from`. */
function walk(text: string, from: number, step: 1 | -1): number {
  let at = from
  for (let next = from; Math.abs(next - from) < farthest; next += step) {
    const code = text.charCodeAt(step === 1 ? next : next - 1)
    if (isPart(code)) at = next + step
    else if ((code !== 0x20 && code !== 0x2d) || at !== next) break
  }
  return at
}

function isPart(code: number): boolean {
  return (
    (code >= 48 && code <= 57) || // digits
    code === 0x78 || // x
    code === 0x58 || // X
    code === 0x2a || // *
    code === 0x23 || // #
    code === 0x2022
  )
}

function isLetter(code: number): boolean {
  return (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
}
