// Where a setting comes from: flags, environment, file, defaults, in this order.

import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { linesOf, sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

function configFile(content: unknown): string {
  const file = path.join(temporaryFolder(), 'config.json')
  fs.writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

test('--print-config shows each value, its source and its variable', async () => {
  const file = configFile({ hertz: 49, incident: 'FROM-FILE', duration: '2m' })
  const { code, stdout } = await sp(['record', '--print-config', '-d', '5', '--config', file], {
    env: { SP_FLAMEGRAPH_INCIDENT: 'FROM-ENVIRONMENT' },
  })
  expect(code).toBe(0)
  const text = stdout.toString()
  expect(text).toMatch(/^duration +5000ms +\(flag; SP_FLAMEGRAPH_DURATION\)$/m)
  expect(text).toMatch(/^incident +"FROM-ENVIRONMENT" +\(environment; SP_FLAMEGRAPH_INCIDENT\)$/m)
  expect(text).toMatch(/^hertz +49 +\(file; SP_FLAMEGRAPH_HERTZ\)$/m)
  expect(text).toMatch(/^mode +"cpu" +\(default; SP_FLAMEGRAPH_MODE\)$/m)
})

test('--print-config --json is one line of JSON', async () => {
  const lines = linesOf(await sp(['--print-config', '--json', '-F', '999']))
  expect(lines).toMatchObject([{ settings: { hertz: 999 }, sources: { hertz: 'flag' } }])
})

test('the file may be named by the environment', async () => {
  const { stdout } = await sp(['--print-config'], {
    env: { SP_FLAMEGRAPH_CONFIG: configFile({ hertz: 7 }) },
  })
  expect(stdout.toString()).toMatch(/^hertz +7 +\(file/m)
})

test.for([
  ['no JSON', '{', 'SP_CONFIG_INVALID', 2],
  ['no object', [1], 'SP_CONFIG_INVALID', 2],
  ['an unknown setting', { herz: 99 }, 'SP_CONFIG_INVALID', 2],
] as const)('a file with %s is refused', async ([, content, code, exit]) => {
  const result = await sp(['--print-config', '--config', configFile(content)])
  expect(result.stderr).toContain(`(${code})`)
  expect(result.code).toBe(exit)
})

test('a file that is not there is refused', async () => {
  const result = await sp(['--print-config', '--config', '/nowhere/config.json'])
  expect(result.stderr).toContain('(SP_INPUT_UNREADABLE)')
  expect(result.code).toBe(1)
})

test('a misspelt variable is refused', async () => {
  const result = await sp(['--print-config'], { env: { SP_FLAMEGRAPH_HERZ: '99' } })
  expect(result.code).toBe(2)
  expect(result.stderr).toContain('SP_FLAMEGRAPH_HERZ: there is no such setting')
})
