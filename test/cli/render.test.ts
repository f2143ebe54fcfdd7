// `render`: every format that we write can be read again, from a file, from a
// pipe, and together with others.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { describeWith } from '../apps/apps.ts'
import { linesOf, publish, readStacks, sp } from '../command.ts'
import { temporaryFolder } from '../temporary.ts'

const stacks = 'main;decode;read_header 30\nmain;decode;read_body 50\nmain;idle 20\n'

// The checksum at its end is wrong.
const damaged = Buffer.concat([gzipSync(stacks).subarray(0, -8), Buffer.alloc(8)])

function fileWith(content: string | Uint8Array, name = 'input'): string {
  const file = path.join(temporaryFolder(), name)
  fs.writeFileSync(file, content)
  return file
}

async function fold(...inputs: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await sp(['render', ...inputs, '-f', 'folded', '-o', '-'])
  expect(code, stderr).toBe(0)
  return stdout.toString()
}

test('makes every format, and reads those for machines again', async () => {
  const { read, receipt } = await publish([
    ...['render', fileWith(stacks), '-f', 'svg,folded,json,pprof,speedscope'],
  ])
  expect(receipt.files.map(({ name }: { name: string }) => name)).toEqual([
    'flame.svg',
    'profile.folded',
    'summary.json',
    'profile.pb.gz',
    'profile.speedscope.json',
    'manifest.json',
  ])
  for (const name of ['profile.folded', 'profile.pb.gz', 'profile.speedscope.json']) {
    // The name says nothing: it is told by its content.
    const again = readStacks(await fold(fileWith(read(name))))
    expect(again.total, name).toBe(100)
    expect(again.stacks, name).toEqual(expect.arrayContaining([...readStacks(stacks).stacks]))
  }
})

test.for([
  ['.svg', /^<(?:\?xml|svg)/],
  ['.folded', /^main;/],
  ['.json', /^\{/],
  ['.pb.gz', /^\x1f\ufffd/],
  ['.speedscope.json', /speedscope\.app/],
] as const)('writes one file in the format of its ending: %s', async ([ending, head]) => {
  const output = path.join(temporaryFolder(), `out${ending}`)
  const { code } = await sp(['render', fileWith(stacks), '-o', output])
  expect(code).toBe(0)
  expect(fs.readFileSync(output, 'utf8')).toMatch(head)
})

describeWith(['go'], 'the pprof', () => {
  test('is what `go tool pprof` reads', async () => {
    const { read } = await publish(['render', fileWith(stacks), '-f', 'pprof'])
    const file = fileWith(read('profile.pb.gz'), 'profile.pb.gz')
    const text = execFileSync('go', ['tool', 'pprof', '-top', file], {
      env: { ...process.env, PPROF_TMPDIR: temporaryFolder() },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).toString()
    expect(text).toMatch(/^ +50 50\.00% .* read_body$/m)
    expect(text).toMatch(/^ +0 +0% .* 80 80\.00% +decode$/m)
  })
})

test('reads from a pipe', async () => {
  const result = await sp(['render', '-', '-f', 'folded', '-o', '-'], { input: stacks })
  expect(readStacks(result.stdout.toString())).toMatchObject({ total: 100 })
})

test('reads what is gzipped', async () => {
  expect(await fold(fileWith(gzipSync(stacks)))).toBe(await fold(fileWith(stacks)))
})

test('puts several files into one picture', async () => {
  const folded = readStacks(await fold(fileWith(stacks), fileWith('main;idle 5\nother 1\n')))
  expect(folded.total).toBe(106)
  expect(folded.stacks).toContainEqual({ frames: ['main', 'idle'], weight: 25 })
})

test('a file that begins with a dash is a file after `--`', async () => {
  const folder = temporaryFolder()
  fs.writeFileSync(path.join(folder, '-x'), stacks)
  const result = await sp(['render', '-f', 'folded', '-o', '-', '--', '-x'], { cwd: folder })
  expect(readStacks(result.stdout.toString()).total).toBe(100)
})

test.for<[string, () => string, string]>([
  ['is not there', () => '/nowhere/perf.data', 'SP_INPUT_UNREADABLE'],
  ['is a folder', () => temporaryFolder(), 'SP_INPUT_UNREADABLE'],
  ['is empty', () => fileWith(''), 'SP_FORMAT_UNKNOWN'],
  ['has no samples', () => fileWith('# nothing but a remark\n'), 'SP_FORMAT_UNKNOWN'],
  ['is nothing that we know', () => fileWith(Buffer.alloc(4096, 0x9c)), 'SP_FORMAT_UNKNOWN'],
  ['is gzip that is damaged', () => fileWith(damaged), 'SP_INPUT_DAMAGED'],
])('a file that %s is refused', async ([, make, code]) => {
  const output = temporaryFolder()
  const result = await sp(['render', make(), '--json', `--to=file:${output}`])
  expect(linesOf(result).at(-1)).toMatchObject({ error: { code } })
  expect(result.code).toBe(1)
  expect(fs.readdirSync(output)).toEqual([])
})

test('a reader that has seen enough is no error', async () => {
  const shell = ['sh', '-c', '"$@" | head -c 10; exit 0', 'sh']
  const result = await sp(['render', fileWith(stacks), '-o', '-'], { under: shell })
  expect(result.stdout.length).toBe(10)
  expect(result.stderr).not.toContain('SP_')
})

test('weights that no format can hold are told, and are nothing for the gate', async () => {
  const { code, stderr } = await sp(['render', fileWith('a;b 99999999999999999999\n')])
  expect(stderr).toContain('add up to more than 2^63')
  expect(code).toBe(7)
})
