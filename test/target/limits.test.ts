// What a cgroup says of its memory, in the words of both versions; and whom the kernel ends first.

import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { readMemory } from '../../agent/target/limits.ts'

const said = (files: Readonly<Record<string, string>>) => readMemory(name => files[name])

describe('memory', () => {
  test('of version 2 is its own, without the cache of files', () => {
    const memory = said({
      'memory.max': '536870912\n',
      'memory.current': '400000000\n',
      'memory.stat': 'anon 1000\ninactive_file 100000000\nactive_file 50000000\n',
    })
    expect(memory).toEqual({
      limitBytes: 536870912,
      smallestLimitBytes: 536870912,
      usedBytes: 250000000,
    })
  })

  test('of version 1 has the smallest limit of all above it', () => {
    const memory = said({
      'memory/memory.limit_in_bytes': '9223372036854771712\n',
      'memory/memory.usage_in_bytes': '50000000\n',
      'memory/memory.stat':
        'inactive_file 1\nhierarchical_memory_limit 209715200\ntotal_inactive_file 20000000\n',
    })
    expect(memory).toEqual({
      limitBytes: Number.POSITIVE_INFINITY,
      smallestLimitBytes: 209715200,
      usedBytes: 30000000,
    })
  })

  test('without a limit, or of what is no number, is without end', () => {
    const unlimited = { limitBytes: Number.POSITIVE_INFINITY }
    expect(said({ 'memory.max': 'max\n', 'memory.current': '1\n' })).toMatchObject(unlimited)
    expect(said({ 'memory.max': '-5\n', 'memory.current': '1\n' })).toMatchObject(unlimited)
    expect(said({ 'memory.current': `${'9'.repeat(40)}\n` })).toBe(undefined)
    expect(said({})).toBe(undefined)
  })
})

test('a capture and what it starts are ended first', () => {
  const procfs = path.resolve(import.meta.dirname, '../../agent/target/procfs.ts')
  const words = `const { beEndedFirst } = await import('${procfs}')
    beEndedFirst()
    const { execFileSync } = await import('node:child_process')
    process.stdout.write(execFileSync('cat', ['/proc/self/oom_score_adj']))`
  expect(execFileSync(process.execPath, ['-e', words], { encoding: 'utf8' })).toBe('1000\n')
})
