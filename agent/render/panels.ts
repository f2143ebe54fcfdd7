// What stands above and below the graph, as text that is wrapped here, because
// SVG cannot wrap. Each panel draws itself from a height on, and says where it ends.

import { formatPercent } from '../profile/numbers.ts'
import type { FrameKind, Profile } from '../profile/profile.ts'
import type { Level, Quality } from '../profile/quality.ts'
import type { Verdict } from '../profile/shape.ts'
import { legendFill } from './colour.ts'
import { escapeXml } from './escape.ts'
import type { Layout } from './layout.ts'
import {
  describeQuality,
  kindWords,
  levelWords,
  type Page,
  shapeWords,
  topFunctions,
} from './page.ts'
import { cutMiddle, wrap } from './svg-text.ts'

/** For 12 px type: the height of a line, and what surely fits the least width, 860 px. */
const lineHeight = 17
const linePlaces = 128
/** Notes are written by readers and tools, a hostile file's may be many. */
const maxNotes = 24
/** Top functions: as many as are compared at a glance. */
const tableRows = 10

export function headLines(parts: string[], { title, subtitle }: Page, top: number): number {
  let y = top
  for (const line of wrap(title, 72, 2)) {
    y += 25
    parts.push(`<text x="1%" y="${y}" font-size="20" font-weight="600">${escapeXml(line)}</text>`)
  }
  y += 4
  for (const line of subtitle.slice(0, maxNotes).flatMap(text => wrap(text, linePlaces, 2))) {
    y += lineHeight
    parts.push(`<text class="muted" x="1%" y="${y}">${escapeXml(line)}</text>`)
  }
  return y
}

/** The bars of the panels. The words beside them say the same. */
const levelColours: Readonly<Record<Level, string>> = {
  trusted: '#2a8c4a',
  'usable with care': '#c77a00',
  'do not trust': '#c8322b',
}
const verdictColour = '#4a6fa5'

export function verdictCard(parts: string[], verdict: Verdict, top: number): number {
  const lines = [
    ...bold(`${shapeWords[verdict.shape]}. ${verdict.headline}`),
    ...verdict.evidence.flatMap(sentence => plain(sentence)),
    ...verdict.next.flatMap(({ why, command }) => [
      `<tspan class="muted">${escapeXml(why)}:</tspan> <tspan class="code">${escapeXml(command)}</tspan>`,
    ]),
  ]
  return card(parts, lines, verdictColour, top)
}

export function qualityCard(parts: string[], quality: Quality, top: number): number {
  const [first, ...others] = quality.reasons
  const lines = [
    ...bold(
      first === undefined ? levelWords[quality.level] : `${levelWords[quality.level]}. ${first}`,
    ),
    // The line of numbers says the rest, so three reasons are enough to act on.
    ...others.slice(0, 2).flatMap(sentence => plain(sentence)),
    ...wrap(describeQuality(quality), linePlaces, 3).map(
      line => `<tspan class="muted">${escapeXml(line)}</tspan>`,
    ),
  ]
  return card(parts, lines, levelColours[quality.level], top)
}

function bold(sentence: string): string[] {
  // Bold type is a tenth wider.
  return wrap(sentence, linePlaces - 10, 3).map(
    line => `<tspan font-weight="600">${escapeXml(line)}</tspan>`,
  )
}

function plain(sentence: string): string[] {
  return wrap(sentence, linePlaces, 3).map(escapeXml)
}

function card(parts: string[], lines: readonly string[], colour: string, top: number): number {
  const height = lines.length * lineHeight + 12
  parts.push(
    `<rect class="card" x="1%" y="${top}" width="98%" height="${height}" fill="#f3f4f6"/>`,
    `<rect x="1%" y="${top}" width="4" height="${height}" fill="${colour}"/>`,
    '<g transform="translate(16,0)">',
    ...lines.map((line, index) => {
      return `<text x="1%" y="${top + 2 + (index + 1) * lineHeight}">${line}</text>`
    }),
    '</g>',
  )
  return top + height
}

/** What the hues mean, for the kinds that the picture has, and the place of the controls. */
export function legend(parts: string[], profile: Profile, layout: Layout, top: number): number {
  const kinds = new Set<FrameKind>()
  for (const row of layout.rows) {
    for (const { frame } of row) if (frame >= 0) kinds.add(profile.frames[frame]!.kind)
  }
  parts.push(
    `<text class="hint muted" x="1%" y="${top + 20}">In a browser: click zooms, Esc shows all, ` +
      'arrows move, / searches, N goes to the next match, I flips.</text>',
  )
  const y = top + 62
  let x = 0
  for (const [kind, word] of Object.entries(kindWords) as [FrameKind, string][]) {
    if (!kinds.has(kind)) continue
    parts.push(
      `<g transform="translate(${x},0)"><rect x="1%" y="${y}" width="12" height="12" fill="${legendFill(kind)}"/>` +
        `<g transform="translate(18,0)"><text x="1%" y="${y + 10}">${word}</text></g></g>`,
    )
    x += 38 + word.length * 7
  }
  return y + 14
}

export function notes(parts: string[], sentences: readonly string[], top: number): number {
  let y = top
  const left = sentences.length - maxNotes
  const shown = left > 0 ? [...sentences.slice(0, maxNotes), `And ${left} more notes.`] : sentences
  for (const line of shown.flatMap(sentence => wrap(sentence, linePlaces, 3))) {
    y += lineHeight
    parts.push(`<text class="muted" x="1%" y="${y}">${escapeXml(line)}</text>`)
  }
  return y
}

/** The heaviest functions as a table: the same picture for who cannot see it. */
export function functionTable(
  parts: string[],
  profile: Profile,
  column: number,
  top: number,
): number {
  const rows = topFunctions(profile, 'self', tableRows, column)
  const heads = ['Self', 'Total', 'Kind', 'Function']
  parts.push('<g role="table" aria-label="Top functions by their own weight">')
  parts.push(tableRow(heads, 'columnheader', top + lineHeight))
  let y = top + lineHeight
  for (const { name, kind, self, total } of rows) {
    y += lineHeight
    const cells = [formatPercent(self), formatPercent(total), kindWords[kind], cutMiddle(name, 84)]
    parts.push(tableRow(cells, 'cell', y))
  }
  parts.push('</g>')
  return y
}

/** Where the columns are: two of numbers, flush right, then two of words. */
const tableColumns = [
  { x: 56, attributes: ' text-anchor="end"' },
  { x: 122, attributes: ' text-anchor="end"' },
  { x: 142, attributes: '' },
  { x: 226, attributes: ' class="code"' },
] as const

function tableRow(cells: readonly string[], role: 'columnheader' | 'cell', y: number): string {
  const weight = role === 'columnheader' ? ' font-weight="600"' : ''
  const texts = cells.map((cell, index) => {
    const { x, attributes } = tableColumns[index]!
    const style = role === 'columnheader' ? attributes.replace(' class="code"', '') : attributes
    return `<g transform="translate(${x},0)"><text role="${role}" x="1%" y="${y}"${weight}${style}>${escapeXml(cell)}</text></g>`
  })
  return `<g role="row">${texts.join('')}</g>`
}
