// What the tab key offers: asked of a real bash, in the way readline asks.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { flags } from '../../agent/cli/arguments.ts'
import { flagsOf } from '../../agent/cli/completion.ts'
import { help } from '../../agent/cli/help.ts'
import { missing, start } from '../apps/apps.ts'
import { sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const folder = temporaryFolder()
const script = path.join(folder, 'completion.bash')

beforeAll(async () => {
  const { code, stdout } = await sp(['completion', 'bash'])
  expect(code).toBe(0)
  fs.writeFileSync(script, stdout)
  fs.writeFileSync(path.join(folder, 'a file.perf'), '')
})

/** Of a line as bash cuts it into words, the last of them unfinished. */
function offered(...words: readonly string[]): string[] {
  const ask =
    'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sp_flamegraph; ' +
    'for each in "$' +
    '{COMPREPLY[@]}"; do echo "$each"; done'
  const args = ['--norc', '-uc', ask, 'bash', script, 'sp-flamegraph', ...words]
  const text = execFileSync('bash', args, { cwd: folder }).toString()
  return text.split('\n').slice(0, -1)
}

describe('the tab key', () => {
  test.for([
    [['rec'], ['record']],
    [['d'], ['doctor', 'diff']],
    [['record', '--mo'], ['--mode']],
    [['record', '--mode', 'o'], ['off-cpu']],
    [['record', '--mode', '=', 'al'], ['alloc']],
    [
      ['record', '--mode', '='],
      ['cpu', 'wall', 'off-cpu', 'both', 'alloc', 'heap', 'lock'],
    ],
    [
      ['4321', '--tool', 'p'],
      ['perf', 'py-spy', 'pprof', 'phpspy'],
    ],
    [['record', '-f', 'svg,sp'], ['svg,speedscope']],
    [
      ['record', '--to', ''],
      ['file:', 's3://', 'gs://'],
    ],
    [['record', '--incident', ''], []],
    [
      ['doctor', '1', '--print-patch', ''],
      ['pod', 'debug', 'scc'],
    ],
    [['doctor', '--windows'], []],
    [['render', 'a'], ['a file.perf']],
    [['diff', 'a'], ['a file.perf']],
    [['record', '-o', 'a'], ['a file.perf']],
    [
      ['spool', ''],
      ['list', 'send'],
    ],
    [['serve', '--tls-m'], ['--tls-min']],
  ] as const)('after %j offers %j', ([words, expected]) => {
    expect(offered(...words)).toEqual(expected)
  })

  const title = 'offers pids, of other containers where there are any'
  test.skipIf(missing('the right to unshare a mount namespace').length > 0)(title, async () => {
    const { pid } = start('unshare', ['-m', 'sleep', '60'])
    const here = start('sleep', ['60'])
    await expect.poll(() => offered('record', '')).toContain(`${pid}`)
    for (const words of [['record', ''], ['doctor', ''], ['serve', '--recorder', ''], ['']]) {
      const pids = offered(...words)
      expect(pids, words.join(' ')).toContain(`${pid}`)
      expect(pids, words.join(' ')).not.toContain(`${here.pid}`)
    }
  })
})

test('every flag stands in the help of a subcommand', () => {
  const named = new Set([...help.keys()].flatMap(flagsOf))
  expect(Object.keys(flags).filter(name => !named.has(`--${name}`))).toEqual([])
})

test('another shell is refused', async () => {
  const { code, stderr } = await sp(['completion', 'fish'])
  expect(stderr).toContain('there is completion for bash, not for fish')
  expect(code).toBe(2)
})
