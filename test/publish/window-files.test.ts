// Which windows are compared with which, and what is written of them.

import { describe, expect, test } from 'vitest'
import type { Format } from '../../agent/config.ts'
import { readFolded } from '../../agent/profile/folded.ts'
import { ProfileBuilder } from '../../agent/profile/profile.ts'
import { assessWindows, mergeWindows, type WindowFacts } from '../../agent/profile/windows.ts'
import { compareWindows, windowFiles } from '../../agent/publish/window-files.ts'
import { redactionPolicy } from '../../agent/redact/policy.ts'
import { redact } from '../../agent/redact/redact.ts'

const policy = redactionPolicy({ customerIds: [] })

/** The names and the texts of the files of windows with these stacks. */
async function filesOf(
  texts: readonly string[],
  formats: readonly Format[],
): Promise<Map<string, string>> {
  const profiles = await Promise.all(
    texts.map(async text => {
      const builder = new ProfileBuilder()
      if (text !== '') await readFolded([Buffer.from(text)], builder)
      return builder.build()
    }),
  )
  const merged = mergeWindows(profiles.map((profile, at) => ({ window: at + 1, profile })))
  const { profile } = redact(merged, {}, policy)
  const facts = texts.map((_, at): WindowFacts => {
    const record = { window: at + 1, durationMs: 1000, remarks: [] }
    return { record, facts: { tool: 'perf', event: 'cpu-clock' }, loss: new Map() }
  })
  const windows = assessWindows(profile, facts)
  const compared = compareWindows(profile, windows, policy, false)
  const files = [...windowFiles(profile, windows, compared, formats, false)]
  return new Map(files.map(({ name, bytes }) => [name, Buffer.from(bytes).toString()]))
}

const stacks = (count: number) => Array.from({ length: count }, (_, at) => `main;f${at} 1\n`)

describe('windows', () => {
  test('up to four are compared with each other', async () => {
    const names = [...(await filesOf(stacks(4), ['json'])).keys()]
    const pairs = ['1-2', '1-3', '1-4', '2-3', '2-4', '3-4']
    expect(names).toEqual(pairs.map(pair => `diff-${pair}.json`))
  })

  test('of more, each with the one before it, and the last with the first', async () => {
    const names = [...(await filesOf(stacks(5), ['json'])).keys()]
    const pairs = ['1-2', '1-5', '2-3', '3-4', '4-5']
    expect(names).toEqual(pairs.map(pair => `diff-${pair}.json`))
  })

  test('are written in the formats that were asked for', async () => {
    expect([...(await filesOf(stacks(2), ['folded'])).keys()]).toEqual([
      'window-1.folded',
      'window-2.folded',
      'diff-1-2.folded',
    ])
    expect((await filesOf(stacks(2), ['svg', 'pprof'])).size).toBe(0)
  })

  test('that gave nothing have no file, and are compared all the same', async () => {
    const files = await filesOf(['main;a 2\n', ''], ['folded', 'json'])
    expect([...files.keys()]).toEqual(['window-1.folded', 'diff-1-2.folded', 'diff-1-2.json'])
    expect(files.get('diff-1-2.folded')).toBe('main;a 2 0\n')
  })

  test('show nothing personal, under one placeholder in every file', async () => {
    const files = await filesOf(
      ['main;pay_9876543210 2\n', 'main;pay_9876543210 1\nmain;wait 3\n'],
      ['folded', 'json'],
    )
    const [placeholder] = /\[mobile:\w+\]/.exec(files.get('window-1.folded')!)!
    expect(files.size).toBe(4)
    for (const text of files.values()) {
      expect(text).toContain(placeholder)
      expect(text).not.toContain('9876543210')
    }
  })
})
