// The page's own script and style: the same bytes in every picture.
//
// They are constant so that a server can allow the script by its hash, and so
// that the redaction gate knows the one script that it lets through. Read once,
// when the module is loaded. The script ships without indentation and without
// the lines that are comments, the style without white space where CSS needs
// none: a fifth of their bytes. No string in them spans lines or holds a brace.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { allShades, ink } from './colour.ts'

export const viewerScript = read('flame.js')
  .replace(/^ +/gm, '')
  .replace(/^(?:\/\/.*)?\n/gm, '')
export const viewerStyle = read('flame.css').replace(/\s*([{}:;,])\s+/g, '$1') + darkShades()

/** Of the script element's text, base64, as Content-Security-Policy wants it. */
export const viewerScriptSha256 = createHash('sha256').update(viewerScript).digest('base64')

/** The strictest policy under which the picture can do all that it does. */
export const viewerPolicy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${viewerScriptSha256}'`

function read(name: string): string {
  return readFileSync(new URL(`./viewer/${name}`, import.meta.url), 'utf8')
}

function darkShades(): string {
  const rules = allShades().map(({ light, dark }) => `[fill="${light}"]{fill:${dark}}`)
  return `@media (prefers-color-scheme:dark){.flame{fill:${ink.dark}}${rules.join('')}}`
}
