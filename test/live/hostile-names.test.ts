// A target chooses the names of its threads, of its files and of itself. None of
// them may break a format, reach a terminal raw, or let out what is personal.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { compile, describeWith, start, untilBusy } from '../apps/apps.ts'
import { publish, sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'
import { asSidecar, compileLibrary } from './sidecar.ts'

// At most fifteen bytes each, as the kernel keeps them.
const names = {
  semicolon: 'a;b;c 7',
  quotes: `"it's"`,
  script: '</script>',
  comment: '--><!--]]>',
  newline: 'one\ntwo 9',
  rightToLeft: 'a\u202eb\u2066c',
  escape: '\x1b[2J\x07\x9b1m',
  entity: '&lt;&#0;&',
  proto: '__proto__',
  card: '411111111111111',
  mobile: '+919876543210',
  pan: 'ABCPK1234L',
}

// What could change what a terminal shows, but the newlines that we write ourselves.
const raw = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f]/

describeWith(['perf', 'cc', 'setpriv', 'python3'], 'threads with hostile names', () => {
  test('are published in every format, redacted where personal', async () => {
    const all = Object.values(names)
    const target = start(compile('names', ['-pthread']), ['60', ...all])
    await untilBusy(target.pid)
    const formats = 'svg,folded,json,pprof,speedscope'
    const published = await publish([
      ...['record', `${target.pid}`, '-d', '1500ms', '-F', '999', '-f', formats],
    ])
    const { folded, receipt, read } = published
    // One root for each thread: no name was cut in two or taken for another's.
    expect(new Set(folded.stacks.map(({ frames }) => frames[0])).size).toBe(all.length)
    expect(folded.share('spin')).toBeGreaterThan(0.9)
    // The card is cut by the kernel: what is left of it could be the beginning of several things.
    expect(receipt.tally).toMatchObject({ mobile: { values: 2 }, in_pan: { values: 1 } })

    for (const { name } of receipt.files) {
      const text = name.endsWith('.gz')
        ? execFileSync('python3', ['-c', unzip], { input: read(name) }).toString('latin1')
        : read(name).toString()
      for (const personal of [names.card, '9876543210', names.pan]) {
        expect(text, name).not.toContain(personal)
      }
    }
    const svg = read('flame.svg')
    expect(svg.toString()).not.toContain(names.script + '"')
    // expat knows no mercy: a control character, an entity or a cut tag ends it.
    const tags = execFileSync('python3', ['-c', parse], { input: svg }).toString()
    expect(Number(tags)).toBeGreaterThan(all.length)
    for (const name of ['summary.json', 'manifest.json', 'profile.speedscope.json']) {
      JSON.parse(read(name).toString())
    }
  })

  test.for(['as lines for people', '--json'] as const)('reach no terminal raw: %s', async how => {
    const target = start(compile('names', ['-pthread']), ['60', names.escape, names.rightToLeft])
    await untilBusy(target.pid)
    const args = ['record', `${target.pid}`, '-d', '500ms', ...(how === '--json' ? [how] : [])]
    const { stdout, stderr, code } = await sp([...args, `--to=file:${temporaryFolder()}`])
    expect(code).toBe(0)
    expect(`${stdout}${stderr}`).not.toMatch(raw)
  })
})

const unzip = 'import gzip, sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))'
const parse = [
  'import sys, xml.etree.ElementTree as tree',
  'print(sum(1 for _ in tree.fromstring(sys.stdin.buffer.read()).iter()))',
].join('\n')

describeWith(['perf', 'cc', 'setpriv', 'python3', 'root'], 'files at a hostile path', () => {
  test('are named, and published as they may be', async () => {
    const folder = path.join(temporaryFolder(), 'a; b\n\x1b[31m "c" </script>', '+91 98765 43210')
    fs.mkdirSync(folder, { recursive: true })
    // perf 6.1 tells nothing of a mapping whose path is not ASCII, and a newline as \012. A sidecar
    // has nothing but the path to open a library by.
    const program = path.join(folder, 'sh ops;$(id)\u202e&')
    const libraries = ['one\u00e9.so', 'two\n.so'].map(name => path.join(folder, name))
    fs.copyFileSync(compile('host'), program)
    fs.copyFileSync(compileLibrary('first_inner'), libraries[0]!)
    fs.copyFileSync(compileLibrary('second_inner'), libraries[1]!)
    const { pid } = start(program, ['60', ...libraries])
    await untilBusy(pid)
    const { folded, receipt, read, result } = await publish(
      ['record', `${pid}`, '-d', '1', '-F', '499'],
      { under: asSidecar },
    )
    expect(folded.share('first_inner')).toBeGreaterThan(0.3)
    expect(folded.share('second_inner')).toBeGreaterThan(0.3)
    expect(folded.share('main')).toBeGreaterThan(0.9)
    expect(receipt.record.target.evidence).toContain('[mobile:')
    execFileSync('python3', ['-c', parse], { input: read('flame.svg') })
    for (const { name } of receipt.files) expect(read(name).includes('98765')).toBe(false)
    expect(`${result.stdout}${result.stderr}`).not.toMatch(raw)
  })
})
