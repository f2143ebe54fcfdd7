// E-mail addresses, and the payment addresses of UPI (`aditi@okhdfcbank`).
//
// RFC 5322 "lite": a local part and a domain around an `@`, or around what stands for one in a name:
// `[at]`, ` at `, `_40_`, `=40`. The domain ends in letters. An unbounded pattern takes 11.7 s on 100 KB
// of `a`, so there is none: each `@` is found first and the text is walked to both sides of it, 64
// characters to the left and 255 to the right as the RFC allows.
//
// The trap is that `@` joins a name and a version everywhere: `memcpy@@GLIBC_2.14`,
// `yaml.v3@v3.0.1`, `react@18.2.0-rc.next`, `malloc@libc.so.6`, `user@1000.service`.

import { enoughHits, type Hit } from './classes.ts'

/** Adds the addresses around every `@`. */
export function findAddresses(text: string, hits: Hit[]): void {
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    if (hits.length > enoughHits) return
    const start = startOfLocal(text, at)
    if (start === at) continue
    const domain = readDomain(text, at + 1)
    const end = endOfDomain(domain)
    if (end !== undefined) hits.push({ class: 'email', start, end })
    else if (domain.length === 1 && upiBanks.has(domain[0]!.text.toLowerCase())) {
      hits.push({ class: 'upi', start, end: domain[0]!.end })
    }
  }
}

/** Adds the addresses that are spelt out: `aditi [at] example.com`, `aditi_at_gmail_dot_com`. */
export function findSpeltAddresses(text: string, hits: Hit[]): void {
  for (const { index, 0: found } of text.matchAll(speltAt)) {
    if (hits.length > enoughHits) return
    const isWord = /^[ _-]at/i.test(found)
    const end = endOfSpelt(readDomain(text, index + found.length, true), isWord)
    const start = end === undefined ? index : startOfLocal(text, index)
    if (end !== undefined && start < index) hits.push({ class: 'email', start, end })
  }
}

const speltAt = / ?[[({<](?:at|@|40)[\])}>] ?|[ _-]at[ _-]|_40_|=40/gi

interface Label {
  readonly text: string
  readonly end: number
  /** What stands before it: a dot, one in letters, or the `_` that a name has for it. */
  readonly before: 'dot' | 'spelt' | 'underscore'
}

// RFC 5321: octets of the local part and of the domain.
const longestLocal = 64
const longestDomain = 255

function startOfLocal(text: string, at: number): number {
  if (text[at - 1] === '"') {
    const quote = text.lastIndexOf('"', at - 2)
    return quote >= 0 && at - quote <= longestLocal ? quote : at
  }
  let start = at
  while (start > at - longestLocal && isLocal(text.charCodeAt(start - 1))) start--
  while (start < at && text[start] === '.') start++
  return start
}

// Spelt addresses follow each other without an end between them; nobody's domain has more labels.
const mostSpeltLabels = 6

function readDomain(text: string, from: number, hasSpeltDots = false): Label[] {
  const labels: Label[] = []
  let before: Label['before'] = 'dot'
  for (let at = from; at < from + longestDomain; ) {
    const start = at
    while (at < from + longestDomain && isLabel(text.charCodeAt(at))) at++
    if (at === start) break
    labels.push({ text: text.slice(start, at), end: at, before })
    if (hasSpeltDots && labels.length === mostSpeltLabels) break
    dotBetween.lastIndex = at
    const dot = dotBetween.exec(text)?.[0]
    // A bare underscore stands for the dot only where the `@` is spelt out as well.
    if (dot === undefined || (dot === '_' && !hasSpeltDots)) break
    before = dot === '.' ? 'dot' : dot === '_' ? 'underscore' : 'spelt'
    at += dot.length
  }
  return labels
}

const dotBetween = /\.| ?[[({<](?:dot|\.)[\])}>] ?|[ _-]dot[ _-]|_2e_|_/iy

/** Where the domain ends: after the last label that can end one. */
function endOfDomain(labels: readonly Label[]): number | undefined {
  const first = labels[0]
  if (first === undefined || isVersioned(labels)) return undefined
  for (let index = labels.length - 1; index >= 1; index--) {
    const { text, end } = labels[index]!
    if (/^(?:[a-z\u0080-\uffff]{2,24}|xn--[a-z0-9-]{2,59})$/i.test(text)) {
      if (!neverDomains.has(text.toLowerCase())) return end
      continue
    }
    // `aditi@example.com-handler`, `aditi@example.com2`
    const letters = /^[a-z]{2,24}/i.exec(text)?.[0].toLowerCase()
    if (letters !== undefined && mailDomains.has(letters)) return end - text.length + letters.length
  }
  return undefined
}

/** The same for a spelt address, where only a domain that people have mail at is one. */
function endOfSpelt(labels: readonly Label[], isWord: boolean): number | undefined {
  for (let index = labels.length - 1; index >= 1; index--) {
    const { text, end } = labels[index]!
    if (!mailDomains.has(text.toLowerCase())) continue
    const dots = labels.slice(1, index + 1).map(label => label.before)
    // `look_at_this.in` and `step_40_in` are names: the more of it is words, the more must be sure.
    const isSure = isWord ? dots.includes('spelt') : true
    const isProvider = providers.has(labels[0]!.text.toLowerCase())
    if (isProvider || (isSure && !dots.includes('underscore'))) return end
  }
  return undefined
}

/** What follows a name and an `@` and is no domain. */
function isVersioned(labels: readonly Label[]): boolean {
  const [first, second] = labels.map(label => label.text.toLowerCase())
  if (first === undefined || second === undefined) return false
  return (
    (/^v?\d+$/.test(first) && /^\d/.test(second)) ||
    /^v\d+$/.test(first) ||
    /^\dx$/.test(first) || // icon@2x.png
    (first.startsWith('lib') && second === 'so') ||
    // A Java object: `Thread@1b2c3d4e.run`.
    (/^(?=[a-f]*\d)[0-9a-f]{5,8}$/.test(first) && !mailDomains.has(second))
  )
}

const mailDomains = new Set(
  'com,in,org,net,edu,gov,co,io,me,info,biz,ai,app,dev,uk,us,au,ca,de,fr,sg,ae,bank,example,test'.split(
    ',',
  ),
)
const providers = new Set(
  'gmail,googlemail,yahoo,ymail,hotmail,outlook,icloud,rediffmail,protonmail'.split(','),
)
// Files and systemd units, which no top-level domain is named after. The last are gettext's, whose
// locales have an `@`: `be@latin.catalog`, `en@quot.po`. `mo` is Macau, whose mail is at `.com.mo`.
const neverDomains = new Set(
  'js,mjs,cjs,ts,tsx,jsx,go,cpp,hpp,java,class,jar,dll,exe,png,jpg,json,html,css,map,kt,swift,service,socket,slice,scope,target,mount,timer,plt,catalog,header,sed,po,pot,mo,gmo'.split(
    ',',
  ),
)
const upiBanks = new Set(
  'okaxis,okhdfcbank,okicici,oksbi,ybl,ibl,axl,paytm,ptyes,ptaxis,pthdfc,ptsbi,upi,apl,yapl,rapl,axisb,icici,hdfcbank,sbi,kotak,freecharge,airtel,jupiteraxis,fam,postbank'.split(
    ',',
  ),
)

// Any letter of another script may stand in either part.
function isLocal(code: number): boolean {
  return (
    isLabel(code) ||
    code === 0x2e ||
    code === 0x5f ||
    code === 0x25 ||
    code === 0x2b ||
    code === 0x27
  )
}

function isLabel(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 48 && code <= 57) ||
    code === 0x2d ||
    (code >= 0xc0 && !(code >= 0x2000 && code <= 0x206f) && code !== 0x3000)
  )
}
