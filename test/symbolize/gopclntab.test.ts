import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { bytesOf } from '../../agent/symbolize/bytes.ts'
import { readElf, sectionNamed, segmentType } from '../../agent/symbolize/elf.ts'
import { readGopclntab } from '../../agent/symbolize/gopclntab.ts'
import type { SymbolTable } from '../../agent/symbolize/symbol-table.ts'
import { codeStart, type GoCode, goProgram } from './go-program.ts'

const fixtures = new URL('../fixtures/go/', import.meta.url).pathname

describe.for(['1.19', '1.21', '1.26'])('a program of Go %s', version => {
  const program = gunzipSync(fs.readFileSync(path.join(fixtures, version, 'frames.gz')))
  const printed = fs.readFileSync(path.join(fixtures, version, 'frames.txt'), 'utf8')

  test('every frame has the name and file that the Go runtime gives it, inlined ones too', () => {
    const { frames, inlined } = compare(program, printed)
    expect(frames).toBeGreaterThan(60)
    expect(inlined).toBeGreaterThan(25)
  })

  test('the headers of its sections are not needed', () => {
    const blind = Buffer.from(program)
    blind.writeBigUInt64LE(0n, 40)
    blind.writeUInt16LE(0, 60)
    expect(compare(blind, printed).inlined).toBeGreaterThan(25)
  })

  test('what is not Go code has no name', () => {
    const table = tableOf(program)!
    for (const svma of [0, -1, 0.5, Number.NaN, 2 ** 53, -(2 ** 47)]) {
      expect(table.find(svma)).toBeUndefined()
    }
  })
})

describe('Go 1.26 with cgo', () => {
  const program = gunzipSync(fs.readFileSync(path.join(fixtures, '1.26/frames.gz')))
  const printed = fs.readFileSync(path.join(fixtures, '1.26/frames.txt'), 'utf8')

  test('C start-up code before that of Go is not taken for Go', () => {
    const text = sectionNamed(readElf(bytesOf(program)), '.text')!
    expect(tableOf(program)!.find(text.address)).toBeUndefined()
  })

  test('addresses that only relocations have are found there', () => {
    const unwritten = Buffer.from(program)
    const module = sectionNamed(readElf(bytesOf(program)), '.go.module')!
    unwritten.fill(0, module.offset, module.offset + module.size)
    expect(compare(unwritten, printed).inlined).toBeGreaterThan(25)
  })

  test('without module data there are no names rather than wrong ones', () => {
    const lost = Buffer.from(program)
    const elf = readElf(bytesOf(program))
    for (const name of ['.go.module', '.rela.dyn']) {
      const { offset, size } = sectionNamed(elf, name)!
      lost.fill(0, offset, offset + size)
    }
    expect(tableOf(lost)).toBeUndefined()
  })
})

const code: GoCode[] = [
  { name: 'main.main', file: 'main.go', size: 300 },
  { name: 'main.(*T[...]).Run', file: 'run.go', size: 16 },
  { name: 'gopkg.in/yaml%2ev3.函数', file: 'yaml.go', size: 1 },
]

test.for([2, 16, 18, 20] as const)('the layout of Go 1.%i is read', layout => {
  const table = tableOf(goProgram(layout, code))!
  const at = (distance: number) => table.find(codeStart + distance)
  const main = [{ name: 'main.main', kind: 'native', file: 'main.go' }]
  expect(at(-1)).toBeUndefined()
  expect(at(0)).toEqual(main)
  expect(at(299)).toEqual(main)
  expect(at(300)).toEqual([{ name: 'main.(*T[...]).Run', kind: 'native', file: 'run.go' }])
  expect(at(316)?.[0]?.name).toBe('gopkg.in/yaml%2ev3.函数')
  expect(at(317)).toBeUndefined()
})

describe.for([18, 20] as const)('inlined calls of Go 1.%i', layout => {
  const tree = [
    { name: 'main.b', callerDistance: 1 },
    { name: 'main.c', callerDistance: 5 },
  ]
  const calls = [-1, -1, 0, 0, 1, 0, -1, -1]

  test('outermost first, and each byte has its own', () => {
    const table = tableOf(
      goProgram(layout, [{ name: 'main.a', file: 'a.go', size: 8, calls, tree }]),
    )!
    const folded = calls.map((_, at) =>
      table
        .find(codeStart + at)
        ?.map(({ name, kind }) => `${name} ${kind}`)
        .join(';'),
    )
    const b = 'main.a native;main.b inlined'
    const c = `${b};main.c inlined`
    expect(folded).toEqual([
      'main.a native',
      'main.a native',
      b,
      b,
      c,
      b,
      'main.a native',
      'main.a native',
    ])
  })

  test('a tree that goes in a circle has no name', () => {
    const circle = [{ name: 'main.b', callerDistance: 2 }]
    const table = tableOf(
      goProgram(layout, [{ name: 'main.a', file: 'a.go', size: 8, calls, tree: circle }]),
    )!
    expect(table.find(codeStart)?.length).toBe(1)
    expect(table.find(codeStart + 2)).toBeUndefined()
  })

  test('a call that is not in the tree has no name', () => {
    const table = tableOf(
      goProgram(layout, [{ name: 'main.a', file: 'a.go', size: 2, calls: [-1, 1_000_000], tree }]),
    )!
    expect(table.find(codeStart + 1)).toBeUndefined()
  })
})

test('a table whose functions are out of order is not believed', () => {
  const program = goProgram(20, code)
  const elf = readElf(bytesOf(program))
  const { offset } = sectionNamed(elf, '.gopclntab')!
  const functions = Number(program.readBigUInt64LE(offset + 64))
  program.writeUInt32LE(0x7fffffff, offset + functions + 8)
  expect(tableOf(program)).toBeUndefined()
})

test('what is no Go program has no table', () => {
  expect(tableOf(fs.readFileSync(process.execPath).subarray(0, 1 << 20))).toBeUndefined()
  const arm = goProgram(20, code)
  arm.writeUInt16LE(40, 18)
  expect(tableOf(arm)).toBeUndefined()
})

test('damage gives no name or another one, never an error, and frames are bounded', () => {
  const tree = [{ name: 'main.b', callerDistance: 1 }]
  const calls = Array.from({ length: 32 }, (_, at) => (at % 3 === 2 ? 0 : -1))
  const next = seeded(20_261_123)
  let answered = 0
  for (const layout of [2, 16, 18, 20] as const) {
    const whole = goProgram(layout, [
      ...code,
      { name: 'main.a', file: 'a.go', size: 32, calls, tree },
    ])
    for (let round = 0; round < 900; round++) {
      const damaged = Buffer.from(
        whole.subarray(0, round % 3 ? whole.length : next() % whole.length),
      )
      // The ELF header is not what is tested here.
      for (let count = 1 + (next() % 4); count > 0 && damaged.length > 0x101; count--) {
        damaged[0x100 + (next() % (damaged.length - 0x100))] = next()
      }
      if (damaged.length < 200) continue
      const table = tableOf(damaged)
      for (let distance = 0; distance < 349; distance += 7) {
        const frames = table?.find(codeStart + distance)
        if (frames === undefined) continue
        answered++
        expect(frames.length).toBeLessThanOrEqual(65)
        expect(frames.every(({ name }) => name.length > 0 && name.length <= 8192)).toBe(true)
      }
    }
  }
  expect(answered).toBeGreaterThan(10_000)
})

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'gopclntab-'))
afterAll(() => fs.rmSync(scratch, { recursive: true }))
const missing =
  spawnSync('go', ['version']).status !== 0
    ? 'no `go` on the PATH'
    : os.arch() !== 'x64'
      ? 'the programs are built for x86-64'
      : ''

describe.skipIf(missing !== '')(`programs built here${missing && ` (skipped: ${missing})`}`, () => {
  const hasC = spawnSync('gcc', ['--version']).status === 0
  const variants = ['stripped', 'pie-stripped', ...(hasC ? ['cgo', 'cgo-pie-stripped'] : [])]
  test.for(variants)('%s', { timeout: 180_000 }, variant => {
    const program = build(variant)
    const { stderr } = spawnSync(program, { encoding: 'utf8' })
    expect(compare(fs.readFileSync(program), stderr).inlined).toBeGreaterThan(25)
  })

  test('arm64: nearly every instruction has a name', { timeout: 180_000 }, () => {
    const program = fs.readFileSync(build('arm64'))
    const { address, size } = sectionNamed(readElf(bytesOf(program)), '.text')!
    const table = tableOf(program)!
    const names = new Set<string>()
    let named = 0
    for (let svma = address; svma < address + size; svma += 64) {
      const frames = table.find(svma)
      if (frames !== undefined) named++
      for (const { name } of frames ?? []) names.add(name)
    }
    // The rest is padding between functions.
    expect(named / (size / 64)).toBeGreaterThan(0.9)
    expect(names).toContain('runtime.mallocgc')
  })
})

function build(variant: string): string {
  const program = path.join(scratch, variant)
  execFileSync(path.join(fixtures, 'build.sh'), [program, variant], { stdio: 'pipe' })
  return program
}

function tableOf(program: Buffer): SymbolTable | undefined {
  return readGopclntab(readElf(bytesOf(program)))
}

/**
 * Holds the table against what the program printed of itself. The runtime prints a stack leaf
 * first, a line for each inlined call too, so the frames of one address are the next few lines.
 * It hides the wrappers that the compiler makes for methods, and what a generic function was
 * instantiated for; we do not.
 */
function compare(program: Buffer, printed: string): { frames: number; inlined: number } {
  const elf = readElf(bytesOf(program))
  const header = elf.segments.find(({ type, offset }) => type === segmentType.load && offset === 0)!
  const table = readGopclntab(elf)!
  let frames = 0
  let inlined = 0
  for (const stack of printed.trim().split('\n\n')) {
    const lines = stack.split('\n').map(line => line.split(' ') as [string, string, string])
    for (let at = 0; at < lines.length; ) {
      const svma = Number.parseInt(lines[at]![0], 16) + header.address
      const found = table.find(svma)!.filter(({ file }) => file !== '<autogenerated>')
      const truth = lines.slice(at, at + found.length).reverse()
      expect(found.map(({ name, file }) => [name.replace(/\[.*\]/, '[...]'), file])).toEqual(
        truth.map(([, name, file]) => [name, file]),
      )
      frames += found.length
      inlined += found.filter(({ kind }) => kind === 'inlined').length
      at += found.length
    }
  }
  return { frames, inlined }
}

/** Bytes without end, the same for the same seed: a linear congruential generator, its high bits. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state >>> 8
  }
}
