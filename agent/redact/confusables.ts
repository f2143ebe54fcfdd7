// Characters that look like ASCII and that no normalization makes into it, which is how `АВСРК1234L`
// passes for a PAN.
//
// Chosen from Unicode's confusables (UTS #39): capitals, of which a PAN is made, the small letters of
// addresses and of the words that give a number its meaning, and the marks that stand inside
// numbers. Data, not code: both the redactor and the gate read it.

const lookAlikes = [
  // Cyrillic
  'АA ВB ЕE ЅS ІI ЈJ КK МM НH ОO РP СC ТT УY ХX ѴV ԚQ ԜW ҮY ҺH ԌG ӀI ҒF ԀD ЗZ',
  'аa сc еe һh іi јj кk оo рp ԛq ѕs тt ѵv ԝw хx уy ԁd ӏl мm пn ԍg',
  // Greek
  'ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX ϹC ͿJ ϜF',
  'αa εe ιi κk νv οo ρp τt υu χx γy ϲc ϳj',
  // Armenian
  'ՕO ՍU ԼL ՏS օo ոn սu հh ցg',
  // Cherokee
  'ᎪA ᏴB ᏟC ᎠD ᎬE ᏀG ᎻH ᎫJ ᏦK ᏞL ᎷM ᏢP ᎡR ᏚS ᎢT ᏙV ᎳW ᏃZ',
  // Lisu
  'ꓮA ꓐB ꓚC ꓓD ꓰE ꓝF ꓖG ꓧH ꓲI ꓙJ ꓗK ꓡL ꓟM ꓠN ꓳO ꓑP ꓣR ꓢS ꓔT ꓴU ꓦV ꓪW ꓫX ꓬY ꓜZ',
  // Small capitals
  'ᴀA ʙB ᴄC ᴅD ᴇE ꜰF ɢG ʜH ɪI ᴊJ ᴋK ʟL ᴍM ɴN ᴏO ᴘP ʀR ꜱS ᴛT ᴜU ᴠV ᴡW ʏY ᴢZ',
  // Latin with a stroke, which has no decomposition
  'ŁL łl ØO øo ĐD đd ĦH ħh ŦT ŧt ıi ȷj ƖI ǀI',
]

// Dashes, dots, slashes and masks, and what each looks like.
const marks = [
  ['-', '\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u058a\u1806\u2e3a\u2e3b\u30fc'],
  ['.', '\u00b7\u2027\u2219\u22c5\u30fb\u3002\u06d4'],
  ['/', '\u2044\u2215\u29f8'],
  [',', '\u060c\u066c\u3001'],
  ["'", '\u2018\u2019\u02bc'],
  ['*', '\u2022\u25cf\u25cb\u2217\u2731\u204e'],
] as const

// Letters and digits in circles and squares: where a row begins, with what, and how long it is.
const rows = [
  [0x1f150, 'A', 26],
  [0x1f170, 'A', 26],
  [0x1f1e6, 'A', 26],
  [0x2776, '1', 9],
  [0x2780, '1', 9],
  [0x278a, '1', 9],
] as const

/** Look-alike → ASCII. */
export const confusables: ReadonlyMap<string, string> = new Map([
  ...lookAlikes.flatMap(line => line.split(' ')).map(pair => [...pair] as [string, string]),
  ...marks.flatMap(([ascii, alike]) => [...alike].map((one): [string, string] => [one, ascii])),
  ...rows.flatMap(([from, first, count]) =>
    Array.from({ length: count }, (_, index): [string, string] => [
      String.fromCodePoint(from + index),
      String.fromCharCode(first.charCodeAt(0) + index),
    ]),
  ),
])
