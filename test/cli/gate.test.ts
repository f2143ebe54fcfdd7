// The gate, met through the command. Redaction looks at one name at a time, so a
// value that is split over two frames is whole again where a folded line joins
// them: that is a real way to meet it.

import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { linesOf, type Result, sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const split = 'main;parse;handle_41111111;11111111_done 5\nmain;parse 9\n'

interface Refused {
  readonly result: Result
  readonly output: string
  readonly temporary: string
  readonly quarantine: string
}

async function refuse(...args: readonly string[]): Promise<Refused> {
  const [output, temporary] = [temporaryFolder(), temporaryFolder()]
  const result = await sp(['render', '-', '--json', ...args, `--to=file:${output}`], {
    input: split,
    env: { TMPDIR: temporary },
  })
  const { error } = linesOf(result).at(-1)!
  expect(error).toMatchObject({ code: 'SP_REDACTION_REFUSED' })
  const { quarantine } = error!.facts as { quarantine: string }
  return { result, output, temporary, quarantine }
}

test('a refusal ends with exit code 3, and nothing is published', async () => {
  const { result, output } = await refuse()
  expect(result.code).toBe(3)
  expect(fs.readdirSync(output)).toEqual([])
})

test('a refusal says class and place, and never the value', async () => {
  const { result } = await refuse()
  expect(result.stderr).toContain('profile.folded is refused')
  expect(result.stderr).toMatch(/class: card/)
  expect(result.stderr).toMatch(/place: line \d, between frames 3 and 4/)
  expect(`${result.stdout}${result.stderr}`).not.toContain('1111')
})

test('what was refused is kept for its owner alone', async () => {
  const { quarantine, temporary } = await refuse()
  for (let folder = quarantine; folder !== temporary; folder = path.dirname(folder)) {
    expect(fs.statSync(folder).mode & 0o777, folder).toBe(0o700)
  }
  expect(fs.readdirSync(quarantine)).toEqual(['profile.folded'])
  const file = path.join(quarantine, 'profile.folded')
  expect(fs.statSync(file).mode & 0o777).toBe(0o600)
  expect(fs.readFileSync(file, 'utf8')).toContain('handle_41111111;11111111_done 5')
})

test('what was refused does not reach an output file or standard output either', async () => {
  const output = path.join(temporaryFolder(), 'out.folded')
  expect((await refuse('-o', output)).result.code).toBe(3)
  expect(fs.existsSync(output)).toBe(false)
  const piped = await sp(['render', '-', '-f', 'folded', '-o', '-'], { input: split })
  expect(piped.code).toBe(3)
  expect(piped.stdout.length).toBe(0)
})

test('a quarantine that another has prepared is not used', async () => {
  const temporary = temporaryFolder()
  fs.symlinkSync(temporaryFolder(), path.join(temporary, `sp-flamegraph-${process.getuid!()}`))
  const result = await sp(['render', '-'], { input: split, env: { TMPDIR: temporary } })
  expect(result.code).toBe(3)
  expect(result.stderr).toContain('is not a folder of ours that is closed to others')
  expect(`${result.stdout}${result.stderr}`).not.toContain('1111')
})

test('a long name that looks personal only where it is cut does not stop a capture', async () => {
  const { code, stderr } = await sp(['render', '-'], { input: `m;${'/home/'.repeat(200)} 1\n` })
  expect(stderr).not.toContain('refused')
  expect(code).toBe(0)
})
