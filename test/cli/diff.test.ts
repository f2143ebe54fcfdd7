// `sp-flamegraph diff`: two profiles, and what changed.

import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { publish, sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

function filesOf(files: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), text)
  return folder
}

const before = 'main;parse 900\nmain;wait 100\n'
const after = 'main;parse 300\nmain;retry 700\n'

describe('diff', () => {
  test('publishes both forms, and says what changed', async () => {
    const folder = filesOf({ 'before.folded': before, 'after.folded': after })
    const inputs = ['before.folded', 'after.folded'].map(name => path.join(folder, name))
    const { receipt, read } = await publish(['diff', ...inputs])
    expect(receipt.files.map(({ name }: { name: string }) => name)).toEqual([
      'diff.folded',
      'diff.json',
      'manifest.json',
    ])
    expect(read('diff.folded').toString()).toBe(
      'main;parse 900 300\nmain;retry 0 700\nmain;wait 100 0\n',
    )
    const diff = JSON.parse(read('diff.json').toString())
    expect(diff.headline).toBe(
      'By themselves: retry 0 % → 70 %, parse 90 % → 30 %, wait 10 % → 0 %.',
    )
    expect([diff.gone.functions[0].name, diff.appeared.functions[0].name]).toEqual([
      'wait',
      'retry',
    ])
    const { code, stdout } = await sp(['diff', ...inputs])
    expect(code).toBe(0)
    expect(stdout.toString()).toMatch(/\+70\.0 % +0 % → +70 % +retry/)
  })

  test('compares across formats, and reads one of them from standard input', async () => {
    const folder = filesOf({ 'before.folded': before })
    await sp(['render', `${folder}/before.folded`, '-o', `${folder}/before.pb.gz`])
    const args = ['diff', `${folder}/before.pb.gz`, '-', '-o', '-']
    const { code, stdout } = await sp(args, { input: after })
    expect(code).toBe(0)
    expect(stdout.toString()).toBe('main;parse 900 300\nmain;retry 0 700\nmain;wait 100 0\n')
  })

  test('takes out what is personal, and what names the files', async () => {
    const folder = filesOf({
      'anna.schmidt@example.com.folded': 'main;send_anna.schmidt@example.com 10\n',
      'after.folded': 'main;send 10\n',
    })
    const inputs = fs.readdirSync(folder).map(name => path.join(folder, name))
    const { read } = await publish(['diff', ...inputs])
    for (const name of ['diff.folded', 'diff.json', 'manifest.json']) {
      expect(read(name).toString()).not.toContain('anna')
      expect(read(name).toString()).toContain('[email:')
    }
  })

  test.for([
    [[], 'diff takes two profiles'],
    [['a'], 'diff takes two profiles'],
    [['a', 'b', 'c'], 'diff takes two profiles'],
    [['-', '-'], 'only one of the two'],
    [['a', 'b', '-f', 'svg'], 'folded or json, not svg'],
    [['a', 'b', '-o', 'diff.svg'], 'folded or json, not svg'],
  ] as const)('%j is wrong usage', async ([args, words]) => {
    const { code, stderr } = await sp(['diff', ...args])
    expect(stderr).toContain(words)
    expect(code).toBe(2)
  })

  test('of what counts different things is none', async () => {
    const nodes = [
      { id: 1, callFrame: frame('(root)'), children: [2] },
      { id: 2, callFrame: frame('work') },
    ]
    const profile = { nodes, samples: [2, 2], timeDeltas: [0, 9] }
    const folder = filesOf({
      'time.cpuprofile': JSON.stringify({ ...profile, startTime: 0, endTime: 9 }),
      'after.folded': after,
    })
    const { code, stderr } = await sp([
      'diff',
      `${folder}/time.cpuprofile`,
      `${folder}/after.folded`,
    ])
    expect(stderr).toContain('they cannot be compared')
    expect(code).toBe(2)
  })

  test('of a file that is not there says which', async () => {
    const { code, stderr } = await sp(['diff', 'no.folded', 'none.folded'])
    expect(stderr).toContain('no.folded cannot be read')
    expect(code).toBe(1)
  })
})

function frame(functionName: string) {
  return { functionName, scriptId: '0', url: '', lineNumber: -1, columnNumber: -1 }
}
