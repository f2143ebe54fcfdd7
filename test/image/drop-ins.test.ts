// The classic commands by their names, over our own code: as people and their
// scripts call them.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { temporaryFolder } from '../temporary.ts'

const root = path.resolve(import.meta.dirname, '../..')
const fixtures = path.join(root, 'test/fixtures')
let folder: string

beforeAll(() => {
  folder = temporaryFolder()
  fs.symlinkSync(path.join(root, 'scripts/sp-flamegraph'), path.join(folder, 'sp-flamegraph'))
  fs.writeFileSync(path.join(folder, 'before.folded'), 'main;parse 0x1f 90\nmain;wait 10\n')
  fs.writeFileSync(path.join(folder, 'after.folded'), 'main;parse 0x2e 150\nmain;retry 50\n')
})

function run(name: string, args: readonly string[], input?: string | Uint8Array) {
  const { status, stdout, stderr } = spawnSync(path.join(root, 'image/bin', name), args, {
    cwd: folder,
    env: { ...process.env, PATH: `${folder}:${process.env['PATH']}`, TMPDIR: temporaryFolder() },
    input: input ?? '',
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  return { code: status, stdout, stderr }
}

/** `name weight` of each frame of a picture. */
function framesOf(svg: string): string[] {
  const titles = svg.matchAll(/<g><title>(\S+)(?: [^<(]*)? \((\d+) samples?,/g)
  return [...titles].map(([, name, weight]) => `${name} ${weight}`)
}

describe('flamegraph.pl', () => {
  test('draws folded stacks, from a file and from standard input', () => {
    const text = fs.readFileSync(path.join(folder, 'after.folded'))
    const drawn = [run('flamegraph.pl', ['after.folded']), run('flamegraph.pl', [], text)]
    for (const { code, stdout } of drawn) {
      expect(code).toBe(0)
      expect(stdout).toMatch(/^<svg /)
      expect(framesOf(stdout)).toContain('retry 50')
    }
  })

  test('draws the second of two counts, and says so', () => {
    const { code, stdout, stderr } = run(
      'flamegraph.pl',
      [],
      'main;a 10 30\nmain;b 5 10\nmain;c 7 0\n',
    )
    expect(code).toBe(0)
    expect(framesOf(stdout)).toEqual(['all 40', 'main 40', 'a 30', 'b 10'])
    expect(stderr).toContain('sp-flamegraph diff')
  })

  test('draws what difffolded.pl prints, with the colours turned around too', () => {
    const counts = run('difffolded.pl', ['before.folded', 'after.folded']).stdout
    const { code, stdout, stderr } = run('flamegraph.pl', ['--negate'], counts)
    expect(code).toBe(0)
    expect(framesOf(stdout)).toContain('retry 50')
    expect(stderr).toContain('--negate changed nothing')
  })

  test('turns stacks around with --reverse', () => {
    const { stdout } = run('flamegraph.pl', ['--reverse'], 'main;a;leaf 1\nmain;b;leaf 1\n')
    expect(framesOf(stdout)).toEqual(['all 2', 'leaf 2', 'a 1', 'b 1', 'main 1', 'main 1'])
  })

  test('says which looks it cannot change, and refuses what it does not know', () => {
    const { code, stderr } = run('flamegraph.pl', [
      '--title=Shop',
      '--colors',
      'hot',
      'after.folded',
    ])
    expect(code).toBe(0)
    expect(stderr).toContain('--title --colors changed nothing')
    const unknown = run('flamegraph.pl', ['--flamechart', 'after.folded'])
    expect([unknown.code, unknown.stdout]).toEqual([2, ''])
    expect(unknown.stderr).toContain('--flamechart has no counterpart here')
  })

  test('fails with our word for a line that is no stack', () => {
    const { code, stderr } = run('flamegraph.pl', [], 'main;a 1\nno count\n')
    expect(code).toBe(1)
    expect(stderr).toContain('SP_FOLDED_MALFORMED')
  })
})

describe('stackcollapse-perf.pl', () => {
  const file = path.join(fixtures, 'perf-script/6.1/default.txt')

  test('folds the text of perf script, every sample of it', () => {
    const text = fs.readFileSync(file, 'utf8')
    const { code, stdout } = run('stackcollapse-perf.pl', ['--all'], text)
    expect(code).toBe(0)
    const roots = new Set(stdout.split('\n').map(line => line.split(/[; ]/)[0]))
    expect(roots).toContain('python3')
    expect(run('stackcollapse-perf.pl', [file]).stdout).toBe(stdout)
  })

  test('refuses what it does not know', () => {
    const { code, stderr } = run('stackcollapse-perf.pl', ['--pid', file])
    expect(code).toBe(2)
    expect(stderr).toContain('--pid has no counterpart here')
  })
})

describe('difffolded.pl', () => {
  test('prints each stack with both counts', () => {
    const { code, stdout } = run('difffolded.pl', ['before.folded', 'after.folded'])
    expect(code).toBe(0)
    expect(stdout).toBe(
      'main;parse 0x1f 90 0\nmain;parse 0x2e 0 150\nmain;retry 0 50\nmain;wait 10 0\n',
    )
  })

  test('scales the first with -n, and makes addresses equal with -s', () => {
    const { stdout } = run('difffolded.pl', ['-n', '-s', 'before.folded', 'after.folded'])
    expect(stdout).toBe('main;parse 0x… 180 150\nmain;retry 0 50\nmain;wait 20 0\n')
    expect(run('difffolded.pl', ['-ns', 'before.folded', 'after.folded']).stdout).toBe(stdout)
  })

  test('wants two files', () => {
    expect(run('difffolded.pl', ['before.folded']).code).toBe(2)
  })
})

describe('jfrconv', () => {
  beforeAll(() => {
    const recording = fs.readFileSync(path.join(fixtures, 'jfr/jdk-21/cpu.jfr.gz'))
    fs.writeFileSync(path.join(folder, 'cpu.jfr'), gunzipSync(recording))
  })

  test('makes folded stacks, pprof and a picture of a recording, without Java', () => {
    const folded = run('jfrconv', ['-o', 'collapsed', 'cpu.jfr', '-'])
    expect(folded.code).toBe(0)
    expect(folded.stdout).toMatch(/^[^\n]*;[^\n]* \d+$/m)
    expect(run('jfrconv', ['cpu.jfr', 'cpu.collapsed']).code).toBe(0)
    expect(fs.readFileSync(path.join(folder, 'cpu.collapsed'), 'utf8')).toBe(folded.stdout)
    expect(run('jfrconv', ['cpu.jfr']).code).toBe(0)
    expect(fs.readFileSync(path.join(folder, 'cpu.svg'), 'utf8')).toMatch(/^<svg /)
    expect(run('jfrconv', ['cpu.jfr', 'cpu.pb.gz']).code).toBe(0)
    expect(gunzipSync(fs.readFileSync(path.join(folder, 'cpu.pb.gz'))).length).toBeGreaterThan(100)
  })

  test('refuses what it cannot make', () => {
    const html = run('jfrconv', ['cpu.jfr', 'cpu.html'])
    expect([html.code, fs.existsSync(path.join(folder, 'cpu.html'))]).toEqual([2, false])
    expect(run('jfrconv', ['--alloc', 'cpu.jfr']).stderr).toContain(
      '--alloc has no counterpart here',
    )
  })
})

describe('what the image starts', () => {
  test('is the command that was given, or ours with these words', () => {
    expect(run('sp-profiler', ['printf', '%s', 'a b']).stdout).toBe('a b')
    expect(run('sp-profiler', ['--version']).stdout).toMatch(/^sp-flamegraph \d/)
    expect(run('sp-profiler', ['render', '--help']).stdout).toContain('Usage: sp-flamegraph render')
  })
})
