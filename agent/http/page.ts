// The daemon's page, and the form that asks a browser for the token: two constant
// documents, allowed to do exactly what is in them.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

const style = read('page.css')
const script = read('page.js')

export const pageHtml = withParts(read('page.html'))
export const loginHtml = withParts(read('login.html'))

/** What the page may do: run its own script, ask this server, show this server's pictures. */
export const pagePolicy = [
  "default-src 'none'",
  `style-src 'sha256-${hashOf(style)}'`,
  `script-src 'sha256-${hashOf(script)}'`,
  "connect-src 'self'",
  "img-src 'self'",
  "frame-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** By a function: a `$` in a script means nothing to `replace` then. */
function withParts(html: string): string {
  return html
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('<script></script>', () => `<script>${script}</script>`)
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}

function read(name: string): string {
  return readFileSync(new URL(`./page/${name}`, import.meta.url), 'utf8')
}
