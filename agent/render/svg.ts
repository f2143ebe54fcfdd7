// The flame graph as one SVG file: it opens anywhere, asks for nothing, and can
// be read without its script and without its style.
//
// Grammar, for who has to check a finished file. Elements: svg, title, desc,
// style, script, defs, pattern, path, g, rect, text, tspan. There is no DTD, no
// comment, no processing instruction, no href, no handler, and no entity but
// `&amp; &lt; &gt; &quot; &#39;`. Style and script are constant (viewer.ts), one
// of each; the script is one CDATA section and the last child of the root. Text
// of a profile or a page is only ever content of title, desc, text and tspan,
// never in an attribute. In order:
//
//     file   = <svg xmlns=… …> <title/> <desc/> <style/> <defs/> (rect | text | g)* graph (text | g)* <script/> </svg>
//     graph  = <svg class="graph" x="1%" y="N" width="98%" height="N" …> row+ </svg>
//     row    = <g transform="translate(0,N)"> frame+ </g>        from the root up, drawn from the bottom up
//     frame  = <g><title>NAME KIND (WEIGHT, SHARE)</title><rect [x="P%"] width="P%" height="17" fill="F"/>[label]</g>
//     label  = <text [x="P%"] y="13">NAME, its middle cut out to fit</text>
//     KIND   = [thread] | [kernel] | [native] | [jit] | [inlined] | [interpreted] | [unknown] | [unknown: REASON]
//     WEIGHT = [0-9,]+ (sample|byte|event)s?  |  [0-9.]+ (s|ms|µs|ns)
//     SHARE  = [0-9]+.[0-9]+ %
//     P      = [0-9]+ | [0-9]*.[0-9]{1,4}
//     F      = #hhh | url(#unknown)
//     N      = [0-9]+
//
// The frame `all` has no KIND; REASON is an `UnknownReason`. So the last bracket of a frame's title
// is always ours and always numbers: `/ \((?:[\d,]+ (?:sample|byte|event)s?|[\d.]+ (?:s|ms|µs|ns)), \d+\.\d+ %\)$/`.

import { formatPercent, formatWeight } from '../profile/numbers.ts'
import type { Frame, Profile, Unit } from '../profile/profile.ts'
import type { Redacted } from '../redact/redacted.ts'
import { fillOf, hatchFill, ink, rootFill, unknownShade } from './colour.ts'
import { escapeXml } from './escape.ts'
import { type Layout, layOut, type Rect } from './layout.ts'
import { footnotes, kindWords, type Page } from './page.ts'
import { functionTable, headLines, legend, notes, qualityCard, verdictCard } from './panels.ts'
import { cutLong, cutMiddle } from './svg-text.ts'
import { viewerScript, viewerStyle } from './viewer.ts'

const sans = 'system-ui,-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif'
const monospace = 'ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace'

/** Of a row, one pixel of it between rows. The script knows it too. */
const rowHeight = 18
/** Labels are cut for a window of 1,200 px and 12 px type; the script cuts them anew for the real one. */
const graphWidth = 1176
const placeWidth = 7.2
const labelPadding = 6
/** More is not read in a tooltip, and 3,000 long C++ names would be megabytes. */
const maxTitleLength = 512

/**
 * Draws a profile.
 *
 * @throws {ProfilerError} `SP_NO_SAMPLES` when there is nothing to draw.
 */
export function renderSvg(profile: Redacted<Profile>, page: Redacted<Page>): string {
  const column = page.column ?? 0
  const layout = layOut(profile, column, page.limits)
  const parts: string[] = []
  let y = headLines(parts, page, 10)
  y = verdictCard(parts, page.verdict, y + 10)
  y = qualityCard(parts, page.quality, y + 6)
  y = legend(parts, profile, layout, y + 10)
  y = graph(parts, profile, layout, profile.columns[column]!.unit, y + 8)
  y = notes(parts, footnotes(profile, page, layout), y + 10)
  y = functionTable(parts, profile, column, y + 14)
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="flame" width="100%" height="${y + 16}" ` +
    `font-family="${sans}" font-size="12" fill="${ink.light}">\n` +
    `<title>${escapeXml(cutLong(page.title, maxTitleLength))}</title>\n` +
    `<desc>${escapeXml(cutLong(page.verdict.headline, maxTitleLength))}</desc>\n` +
    `<style>${viewerStyle}</style>\n${defs}\n` +
    '<rect class="page" width="100%" height="100%" fill="#fff"/>\n' +
    `${parts.join('\n')}\n<script><![CDATA[${viewerScript}]]></script>\n</svg>\n`
  )
}

const defs =
  '<defs><pattern id="unknown" width="6" height="6" patternUnits="userSpaceOnUse">' +
  `<rect width="6" height="6" fill="${unknownShade.light}"/>` +
  `<path d="M0 6L6 0V2L2 6ZM0 0H2L0 2Z" fill="${hatchFill}"/></pattern></defs>`

function graph(
  parts: string[],
  profile: Profile,
  { rows }: Layout,
  unit: Unit,
  top: number,
): number {
  const height = rows.length * rowHeight
  parts.push(
    `<svg class="graph" x="1%" y="${top}" width="98%" height="${height}" font-family="${monospace}">`,
  )
  for (const [level, row] of rows.entries()) {
    const y = (rows.length - 1 - level) * rowHeight
    const frames = row.map(rect => drawFrame(rect, profile.frames[rect.frame], unit))
    parts.push(`<g transform="translate(0,${y})">${frames.join('')}</g>`)
  }
  parts.push('</svg>')
  return top + height
}

function drawFrame(rect: Rect, frame: Frame | undefined, unit: Unit): string {
  const name = frame?.name ?? 'all'
  const kind = frame === undefined ? '' : ` [${kindWords[frame.kind]}${reasonOf(frame)}]`
  const numbers = `(${formatWeight(rect.weight, unit)}, ${formatPercent(rect.width)})`
  const fill = frame === undefined ? rootFill : fillOf(frame.kind, frame.name)
  const x = rect.x < 5e-7 ? '' : ` x="${toPercent(rect.x)}%"`
  return (
    `<g><title>${escapeXml(cutLong(name, maxTitleLength))}${kind} ${numbers}</title>` +
    `<rect${x} width="${toPercent(rect.width)}%" height="17" fill="${fill}"/>` +
    `${drawLabel(name, rect.width, x)}</g>`
  )
}

function drawLabel(name: string, width: number, x: string): string {
  const places = Math.floor((width * graphWidth - labelPadding) / placeWidth)
  // Three characters of a name and a mark of the cut tell nothing.
  if (places < 1 || (places < 4 && name.length > places)) return ''
  return `<text${x} y="13">${escapeXml(cutMiddle(name, places))}</text>`
}

function reasonOf({ reason }: Frame): string {
  return reason === undefined ? '' : `: ${reason}`
}

/** Four decimals place the narrowest of 3,000 frames to a pixel when it is zoomed to fill the page. */
function toPercent(share: number): string {
  return String(Number((share * 100).toFixed(4))).replace(/^0\./, '.')
}
