// `--help`, `--version` and what is no option.

import fs from 'node:fs'
import { expect, test } from 'vitest'
import { help } from '../../agent/cli/help.ts'
import { linesOf, sp } from '../command.ts'

const commands = [...help.keys()]

test.for(commands)('--help of "%s" fits a screen and ends in examples', async command => {
  const words = command === '' ? [] : [command]
  const { code, stdout, stderr } = await sp([...words, '--help'])
  expect(code).toBe(0)
  expect(stderr).toBe('')
  const lines = stdout.toString().trimEnd().split('\n')
  expect(lines.length).toBeLessThanOrEqual(40)
  for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(100)
  const examples = lines.slice(lines.indexOf('Examples:') + 1)
  expect(examples.length).toBeGreaterThan(1)
  for (const example of examples) expect(example).toMatch(/^ {2}.*\bsp-flamegraph\b/)
  expect(await sp([...words, '-h'])).toMatchObject({ code: 0, stdout })
})

test('--version says one line', async () => {
  const { code, stdout } = await sp(['--version'])
  expect(code).toBe(0)
  expect(stdout.toString()).toMatch(/^sp-flamegraph \d+\.\d+\.\d+\n$/)
})

test.for([
  [['--nonsense'], '--nonsense'],
  [['record', '1', '--durations', '5'], '--durations'],
  [['render', '-x', 'file'], '-x'],
  [['draw', 'file'], 'draw'],
  [['record', '1', '2'], 'one process at a time'],
  [['record', '1x'], 'not a pid'],
  [['record', '0'], 'not a pid'],
  [['record', '99999999'], 'not a pid'],
  [['record', '-5'], '-5'],
  [['render'], 'no file was named'],
  [['record', '1', '--duration'], '--duration'],
] as const)('%s is wrong usage', async ([args, words]) => {
  const result = await sp([...args, '--json'])
  expect(result.code).toBe(2)
  expect(result.stderr).toContain(words)
  expect(linesOf(result)).toMatchObject([{ error: { code: 'SP_USAGE' } }])
})

test('what is wrong with the settings is told all at once', async () => {
  const settings = ['--duration=0', '--hertz=5000', '--mode=off', '--tool=gdb', '--format=png']
  const result = await sp(['record', '1', ...settings, '--to=ftp:x', '--incident=../x'])
  expect(result.code).toBe(2)
  for (const name of ['duration', 'hertz', 'mode', 'tool', 'format', 'to', 'incident']) {
    expect(result.stderr).toMatch(new RegExp(`\\b${name}\\b[^:]* \\(flag\\): `))
  }
  expect(result.stderr).toContain('(SP_CONFIG_INVALID)')
})

test('a subcommand and a pid may follow flags', async () => {
  const gone = `${2 ** 22 - 1}`
  for (const words of [
    ['--json', 'record', gone],
    ['-d', '5', gone],
    ['--hertz=99', 'record', gone, '-d', '5'],
  ]) {
    const { code, stderr } = await sp(words)
    expect(stderr, words.join(' ')).toContain(`there is no process ${gone}`)
    expect(code).toBe(5)
  }
  const wrong = await sp(['--json', 'frobnicate'])
  expect(wrong.stderr).toContain('there is no subcommand frobnicate')
  expect(wrong.code).toBe(2)
})

test.skipIf(!fs.existsSync('/dev/full'))('a full standard output is told', async () => {
  const toFull = ['sh', '-c', 'exec "$@" >/dev/full', 'sh']
  const { code, stderr } = await sp(['render', '-', '-o', '-'], { under: toFull, input: 'a;b 1\n' })
  expect(stderr).toContain('standard output cannot be written: ENOSPC')
  expect(code).toBe(6)
})
