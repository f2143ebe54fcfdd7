// Permanent Account Numbers (PAN: `ABCPK1234L`) and the GSTIN that contains one.
//
// A PAN has no check digit. What makes it rare among names is its shape: five capitals, the fourth
// of which says what kind of holder it is, four digits, a capital. No word boundary is asked for:
// `pan_ABCPK1234L`, `taxABCPK1234LHandler` are how they get into names.

import { isGstin } from './checksums.ts'
import { enoughHits, type Hit } from './classes.ts'
import { isNotPersonal, wordsBefore } from './not-personal.ts'

/** Adds the tax numbers of a text. */
export function findTaxNumbers(text: string, hits: Hit[]): void {
  // Nearly every name with a number in it has none of this form, and one look is cheaper than four.
  if (!fourDigits.test(text)) return
  for (const { index, 0: found } of text.matchAll(gstin)) {
    if (hits.length > enoughHits) return
    if (isGstin(found.toUpperCase())) {
      hits.push({ class: 'gstin', start: index, end: index + found.length })
    }
  }
  for (const { index, 0: found } of text.matchAll(pan)) {
    if (hits.length > enoughHits) return
    const isCertain = found === found.toUpperCase()
    if (!isCertain && !isPanContext(text, index, index + found.length)) continue
    const end = index + found.length
    if (found.slice(5, 9) === '0000' || isNotPersonal(text, index, end)) continue
    if (isStandard(found.slice(5, 9)) && beginsWord.test(text.slice(end, end + 2))) continue
    hits.push({ class: 'in_pan', start: index, end: index + found.length })
  }
  for (const shape of [groupedPan, markedPan, spacedPan]) {
    for (const { index, 0: found } of text.matchAll(shape)) {
      if (hits.length > enoughHits) return
      hits.push({ class: 'in_pan', start: index, end: index + found.length })
    }
  }
}

// What all of them have: four digits, no more, which a letter and perhaps a gap stand beside.
const fourDigits =
  /[A-Za-z](?:[ ._\u00a0-]{0,2}|[,'|~*#=+/:])\d{4}(?:[ ._\u00a0-]{0,2}|[,'|~*#=+/:])[A-Za-z]|\d([ ._,'|~*#=+-])\d\1\d\1\d\1[A-Z]/

const gstin = /\d{2}[A-Z]{5}\d{4}[A-Z][1-9A-Z]Z[0-9A-Z]/gi
// The fourth: association, body, company, firm, government, Hindu family, juridical person, local
// authority, person, trust; E, G, J and K are rare and exist.
const pan = /[A-Z]{3}[ABCEFGHJKLPT][A-Z]\d{4}[A-Z]/gi
// `ABCPK 1234 L`, `ABCPK-1234-L`, `ABCPK1234 L`: in capitals, and nothing adjoins it.
const groupedPan =
  /(?<![A-Z0-9])[A-Z]{3}[ABCEFGHJKLPT][A-Z](?:[ ._\u00a0-]{1,2}\d{4}[ ._\u00a0-]{0,2}|\d{4}[ ._\u00a0-]{1,2})[A-Z](?![A-Za-z0-9])/g
// `ABCPK|1234|L`: twice the same, of what more often stands between values.
const markedPan =
  /(?<![A-Z0-9])[A-Z]{3}[ABCEFGHJKLPT][A-Z]([,'|~*#=+/:])\d{4}\1[A-Z](?![A-Za-z0-9])/g
// `A B C P K 1 2 3 4 L`
const spacedPan =
  /(?<![A-Za-z0-9])[A-Z]([ ._,'|~*#=+-])[A-Z]\1[A-Z]\1[ABCEFGHJKLPT]\1[A-Z]\1\d\1\d\1\d\1\d\1[A-Z](?![A-Za-z0-9])/g

// The last capital begins a word of its own: `ABCPK1024Private`, `ABCPK1024PRIVATE`.
const beginsWord = /^(?:[a-z]|[A-Z]{2})/

/** `MLKEM1024PrivateKey`, `HKSCS2001Mapping`: the year or the size in the name of a standard. */
function isStandard(number: string): boolean {
  return /^(?:19|20[0-4])/.test(number) || Number(number) % 256 === 0 || Number(number) % 100 === 0
}

/** In small letters only where a word beside it says what it is: `span` and `expand` do not. */
function isPanContext(text: string, start: number, end: number): boolean {
  const around = `${wordsBefore(text, start)} ${text.slice(end, end + 16)}`
  return (
    /pan_?(?:no|num|number|card|id)[^a-z]/i.test(around) ||
    /(?:(?<![A-Za-z])pan|Pan|(?<![A-Z])PAN)(?:[Nn]o|[Nn]um(?:ber)?|[Cc]ard|[Ii][Dd]|[Vv]alue)?(?![a-z])/.test(
      around,
    ) ||
    /permanent.?account|income.?tax|tax.?payer|tax.?id/i.test(around)
  )
}
