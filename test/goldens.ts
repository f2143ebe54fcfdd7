// Goldens: files that say what the output is to be. `npm run bless` accepts what
// it is now; a person reads the diff.

import fs from 'node:fs'
import path from 'node:path'
import { expect } from 'vitest'

const fixtures = path.resolve(import.meta.dirname, 'fixtures')

/** Compares with `test/fixtures/<name>`, and with BLESS=1 writes it. */
export function expectGolden(name: string, actual: string): void {
  const file = path.join(fixtures, name)
  if (process.env['BLESS'] === '1') {
    fs.writeFileSync(file, actual)
    return
  }
  if (!fs.existsSync(file))
    throw new Error(`test/fixtures/${name} is missing: run \`npm run bless\``)
  expect(actual).toBe(fs.readFileSync(file, 'utf8'))
}

export function fixture(name: string): Buffer {
  return fs.readFileSync(path.join(fixtures, name))
}

/** The files in a folder of fixtures, without goldens and the recipe. */
export function fixturesIn(folder: string): string[] {
  return fs
    .readdirSync(path.join(fixtures, folder))
    .filter(name => !/\.golden$|\.md$/.test(name))
    .map(name => `${folder}/${name}`)
}
