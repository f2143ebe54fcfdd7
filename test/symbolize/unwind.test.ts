// Unwind tables held against readelf, and walks held against perf's own.

import fs from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Mapping } from '../../agent/profile/address-space.ts'
import type { UserStack } from '../../agent/profile/user-stack.ts'
import { bytesOf } from '../../agent/symbolize/bytes.ts'
import type { Row, Rule } from '../../agent/symbolize/dwarf-cfa.ts'
import { evaluate } from '../../agent/symbolize/dwarf-expression.ts'
import { unwindTable } from '../../agent/symbolize/eh-frame.ts'
import { readElf } from '../../agent/symbolize/elf.ts'
import { userUnwinder } from '../../agent/symbolize/unwind.ts'
import { folded, reading } from '../profile/perf-reading.ts'
import { moduleOf, randomOf } from './fixture.ts'

const folder = new URL('../fixtures/unwind/gcc-12/', import.meta.url)
const fixture = (name: string) => fs.readFileSync(new URL(name, folder))
const elfOf = (file: Buffer) => readElf(bytesOf(file))

const x86Names = ['rax', 'rdx', 'rcx', 'rbx', 'rsi', 'rdi', 'rbp', 'rsp']
for (let number = 8; number < 16; number++) x86Names.push(`r${number}`)
const arm64Names = Array.from({ length: 31 }, (_, number) => `x${number}`).concat('sp')

function printRule(rule: Rule | undefined): string {
  if (rule === undefined) return 'u'
  switch (rule.kind) {
    case 'undefined':
      return 'u'
    case 'same':
      return 's'
    case 'offset':
      return `c${rule.offset < 0 ? '' : '+'}${rule.offset}`
    case 'expression':
      return 'exp'
    default:
      return rule.kind
  }
}

function printCfa({ cfa }: Row, names: readonly string[]): string {
  return 'expression' in cfa ? 'exp' : `${names[cfa.register]!}+${cfa.offset}`
}

/** Every row that `readelf -wF` prints: address, CFA, and a rule for each register of the head line. */
function* rowsOf(
  text: string,
): Generator<{ address: number; cfa: string; rules: Map<string, string> }> {
  let heads: string[] = []
  let isFunction = false
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/)
    if (/ (?:CIE|FDE) /.test(line)) isFunction = line.includes(' FDE ')
    else if (words[0] === 'LOC') heads = words.slice(2)
    else if (isFunction && /^[0-9a-f]{16} /.test(line)) {
      const [address, cfa, ...rules] = words as [string, string, ...string[]]
      yield {
        address: Number.parseInt(address, 16),
        cfa,
        rules: new Map(heads.map((head, index) => [head, rules[index]!])),
      }
    }
  }
}

test.for([
  ['walk', 'walk.frames', x86Names],
  ['walk-no-header', 'walk.frames', x86Names],
  ['walk-aarch64.so', 'walk-aarch64.so.frames', arm64Names],
  ['../../elf/gcc-12/libmixed.so', 'libmixed.so.frames', x86Names],
] as const)('the rows of %s are those of readelf', ([file, frames, names]) => {
  const table = unwindTable(elfOf(fixture(file)))!
  let count = 0
  for (const { address, cfa, rules } of rowsOf(fixture(frames).toString())) {
    const row = table.row(address)!
    expect([address, printCfa(row, names)]).toEqual([address, cfa])
    for (const [name, rule] of rules) {
      const number = name === 'ra' ? row.returnRegister : names.indexOf(name)
      expect([address, name, printRule(row.rules.get(number))]).toEqual([address, name, rule])
    }
    count++
  }
  expect(count).toBeGreaterThan(5)
})

describe('a table', () => {
  test('has no row between functions, nor outside', () => {
    const table = unwindTable(elfOf(fixture('walk')))!
    for (const address of [0, 0x401038, 0x4012c6, 0x7fff_0000_0000]) {
      expect([address, table.row(address)]).toEqual([address, undefined])
    }
  })

  test('of a damaged file answers, or does not, and never throws or hangs', () => {
    const file = fixture('walk')
    const random = randomOf(7)
    const frames = elfOf(file).sections.find(({ name }) => name === '.eh_frame')!
    for (let round = 0; round < 400; round++) {
      const damaged = Buffer.from(file)
      for (let count = 0; count < 6; count++) {
        damaged[frames.offset - 0x50 + random(frames.size + 0x50)] = random(256)
      }
      const table = unwindTable(elfOf(damaged))
      for (let address = 0x401000; address < 0x4012d0; address += 9) table?.row(address)
    }
  })
})

describe('an expression', () => {
  const context = {
    register: (number: number) =>
      number === 7 ? 0x7ffc_0000 : number === 16 ? 0x401036 : Number.NaN,
    read: (address: number) => (address === 0x7ffc_0008 ? 0xabcdn : undefined),
  }

  test('of a PLT stub depends on where in the stub it is', () => {
    // breg7 8; breg16 0; lit15; and; lit11; ge; lit3; shl; plus: what ld writes for .plt.
    const plt = Buffer.from([0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22])
    expect(evaluate(plt, context)).toBe(0x7ffc_0008)
    const later = {
      ...context,
      register: (number: number) => (number === 16 ? 0x40103b : 0x7ffc_0000),
    }
    expect(evaluate(plt, later)).toBe(0x7ffc_0010)
  })

  test.for([
    ['reads the stack', [0x77, 8, 0x06], 0xabcd],
    ['counts with signs', [0x11, 0x7f, 0x33, 0x1e, 0x1f], 3],
    ['jumps', [0x31, 0x28, 1, 0, 0x38, 0x35], 5],
    ['refuses what it cannot read', [0x77, 0, 0x06], undefined],
    ['refuses a register that is not known', [0x70, 0], undefined],
    ['refuses to loop for ever', [0x2f, 0xfd, 0xff], undefined],
    ['refuses to divide by zero', [0x31, 0x30, 0x1b], undefined],
    ['refuses an empty stack', [0x22], undefined],
    ['refuses what is no operation', [0xff], undefined],
    ['refuses to grow for ever', [0x31, 0x12, 0x2f, 0xfc, 0xff], undefined],
    ['refuses an end in the middle', [0x77], undefined],
  ] as const)('%s', ([, bytes, value]) => {
    expect(evaluate(Buffer.from(bytes), context)).toBe(value)
  })
})

const walkModule = (name: string) => {
  const bytes = bytesOf(fixture(name))
  return userUnwinder(module => (module.path === '/opt/app/walk' ? bytes : undefined))
}

const functions = [
  ['leaf', 0x401000, 0x401032],
  ['plain', 0x401040, 0x40106d],
  ['variable', 0x401070, 0x4010b5],
  ['aligned', 0x4010c0, 0x40117b],
  ['deep', 0x401180, 0x4011cb],
  ['early', 0x4011d0, 0x40121e],
  ['all', 0x401220, 0x401295],
  ['_start', 0x4012a0, 0x4012c6],
] as const

/** The stacks of the recording with names, as `perf script` has them: leaf last. */
async function walked(file: string): Promise<Map<string, number>> {
  const { profile } = await reading(fixture('walk.data'), { unwinder: walkModule(file) })
  const lines = folded(profile, 0, frame => {
    const { name, address } = profile.frames[frame]!
    if (address === undefined) return name
    const svma = address.value - (address.isReturn ? 1 : 0) + 0x400000
    return functions.find(([, start, end]) => svma >= start && svma < end)?.[0] ?? name
  })
  return new Map(lines.map(line => [line.split(' ')[0]!, Number(line.split(' ')[1])]))
}

/** What perf made of it, the same way; stacks of the kernel and of the exec before it left out. */
function byPerf(): Map<string, number> {
  const stacks = new Map<string, number>()
  for (const block of fixture('walk.txt').toString().split('\n\n')) {
    const names = [...block.matchAll(/^\s+[0-9a-f]+ (\S+)/gm)].map(([, name]) => name!)
    const isCut = names.at(-1) === '[unknown]'
    // perf ends a stack that is cut with an address that is none.
    const path = ['walk', ...(isCut ? names.slice(0, -1) : names).reverse()].join(';')
    if (names.length > 0) stacks.set(path, (stacks.get(path) ?? 0) + 1)
  }
  return stacks
}

test.for(['walk', 'walk-no-header'])('stacks are walked by %s as perf walks them', async file => {
  const ours = await walked(file)
  const theirs = byPerf()
  const isProgram = (path: string) => path.endsWith(';leaf')
  const pick = (stacks: Map<string, number>) =>
    [...stacks].filter(([path]) => isProgram(path)).sort()
  expect(pick(theirs).length).toBeGreaterThan(6)
  expect(pick(ours)).toEqual(pick(theirs))
})

test('how the walks ended is counted: what is deeper than the copy is cut', async () => {
  const { summary, profile } = await reading(fixture('walk.data'), { unwinder: walkModule('walk') })
  const { whole, cut, lost } = summary.unwound!
  expect(whole + cut + lost).toBeGreaterThan(30)
  expect(cut).toBeGreaterThan(0)
  expect(profile.notes.join()).toMatch(/unwound by the program's own tables/)
  expect(summary.hasStacks).toBe(true)
})

test('copied stacks that are cut or damaged anywhere are walked to some end', async () => {
  const good = fixture('walk.data')
  const random = randomOf(11)
  for (let round = 0; round < 60; round++) {
    const bytes = Buffer.from(good.subarray(0, round % 3 === 0 ? random(good.length) : good.length))
    for (let count = random(40); count > 0 && bytes.length > 400; count--) {
      bytes[400 + random(bytes.length - 400)] = random(256)
    }
    try {
      await reading(bytes, { unwinder: walkModule('walk') })
    } catch (error) {
      expect(error).toMatchObject({ code: 'SP_PERF_DATA_MALFORMED' })
    }
  }
})

test('without the program’s file the stack is where it was, and no more', async () => {
  const unwinder = userUnwinder(() => undefined)
  const { summary } = await reading(fixture('walk.data'), { unwinder })
  expect(summary.unwound!.whole).toBe(0)
  expect(summary.oneFrameUserStacks).toBeGreaterThan(30)
})

describe('a walk', () => {
  const bytes = bytesOf(fixture('walk-aarch64.so'))
  const module = moduleOf('/lib.so')
  const find = (address: number): Mapping | undefined =>
    address >= 0x5000_0000 && address < 0x5000_1000
      ? { start: 0x5000_0000, end: 0x5000_1000, fileOffset: 0, module }
      : undefined

  /** 64-bit words from the stack pointer on. */
  function stackOf(machine: UserStack['machine'], words: number[], registers: [number, number][]) {
    const memory = new Int32Array(words.flatMap(word => [word | 0, Math.floor(word / 2 ** 32) | 0]))
    const all = new Float64Array(33).fill(Number.NaN)
    for (const [register, value] of registers) all[register] = value
    return { machine, registers: all, words: memory, at: 0, bytes: words.length * 8 }
  }

  test('on aarch64 goes by the link register first, and cuts signatures off', () => {
    const into: number[] = []
    const sp = 0xffff_0000
    // In `leaf`, called by `signed` (its return address is signed), called by `plain`.
    const signature = 0x0042 * 2 ** 48
    const stack = stackOf(
      'aarch64',
      [sp + 16, signature + 0x5000_0280, 0, 0, 0, 0, 0, 0],
      [
        [31, sp],
        [30, 0x5000_029c],
        [29, sp],
      ],
    )
    const end = userUnwinder(() => bytes).unwind({ ...stack, instruction: 0x5000_02a4 }, find, into)
    expect(into).toEqual([0x5000_02a4, 0x5000_029c, 0x5000_0280])
    // Nobody called `plain`: what it returns to is 0.
    expect(end).toBe('whole')
  })

  test('follows the frame pointer where there is no table, and stops at what is no stack', () => {
    const into: number[] = []
    const sp = 0x7ffc_0000
    const stack = stackOf(
      'x86-64',
      [0, sp + 32, 0x5000_0100, 0, sp, 0x5000_0200],
      [
        [7, sp],
        [6, sp + 8],
      ],
    )
    const end = userUnwinder(() => undefined).unwind(
      { ...stack, instruction: 0x5000_0010 },
      find,
      into,
    )
    expect(into).toEqual([0x5000_0010, 0x5000_0100, 0x5000_0200])
    expect(end).toBe('lost')
  })

  test('of noise ends', () => {
    const random = randomOf(3)
    const unwinder = userUnwinder(() => bytes)
    for (let round = 0; round < 2000; round++) {
      const sp = 0x7ffc_0000
      const words = Array.from({ length: 64 }, () =>
        random(3) === 0 ? 0x5000_0270 + random(64) : sp + random(600),
      )
      const machine = random(2) === 0 ? 'x86-64' : 'aarch64'
      const registers = Array.from({ length: 33 }, (_, index): [number, number] => {
        return [index, sp + random(64) * 8]
      })
      registers[machine === 'aarch64' ? 31 : 7]![1] = sp
      const into: number[] = []
      const stack = stackOf(machine, words, registers)
      unwinder.unwind({ ...stack, instruction: 0x5000_0270 + random(60) }, find, into)
      expect(into.length).toBeLessThanOrEqual(512)
    }
  })
})
