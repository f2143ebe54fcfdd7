// Our own version, from package.json.

import fs from 'node:fs'

export function version(): string {
  const file = new URL('../package.json', import.meta.url)
  return (JSON.parse(fs.readFileSync(file, 'utf8')) as { version: string }).version
}
