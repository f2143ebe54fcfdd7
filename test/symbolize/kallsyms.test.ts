import { expect, test } from 'vitest'
import { kernelSymbols } from '../../agent/symbolize/kallsyms.ts'
import { randomOf } from './fixture.ts'

const kernel = `
0000000000000000 A fixed_percpu_data
ffffffff81000000 T startup_64
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 t do_one_initcall
ffffffff81000200 T __x64_sys_read
ffffffff81000300 W arch_weak
ffffffff81000400 D some_data_in_the_code
ffffffff81000500 T last_function
ffffffff81000700 T _etext
ffffffff82000000 R __start_rodata
ffffffff83000000 T _sinittext
ffffffff83000010 t init_function
ffffffffc0a00000 t nft_do_chain	[nf_tables]
ffffffffc0a00300 t nft_last	[nf_tables]
ffffffffc0b00010 t ext4_first	[ext4]
ffffffffc0b80000 d ext4_data	[ext4]
ffffffffc0c00000 t bpf_prog_6deef7357e7b4530_sd_devices	[bpf]
`.trimStart()

/** The address as a profile has it: negative. */
const at = (hex: string) => Number(BigInt.asIntN(64, BigInt(`0x${hex}`)))

function nameAt(hex: string, text = kernel): string {
  const found = kernelSymbols(Buffer.from(text)).find(at(hex))
  return typeof found === 'string' ? `[${found}]` : found.map(({ name }) => name).join()
}

test('a symbol reaches to the next one', () => {
  expect(nameAt('ffffffff810001ff')).toBe('do_one_initcall')
  expect(nameAt('ffffffff81000200')).toBe('__x64_sys_read')
  expect(nameAt('ffffffff810003ff')).toBe('arch_weak')
})

test('of marks and a function at one address, the function goes first', () => {
  expect(nameAt('ffffffff81000010')).toBe('startup_64')
})

test('data ends a function and names nothing', () => {
  expect(nameAt('ffffffff81000400')).toBe('[not in the symbol table]')
})

test('nothing outside of the code is named after a neighbour', () => {
  expect(nameAt('ffffffff810006ff')).toBe('last_function')
  for (const outside of [
    'ffffffff81000700',
    'ffffffff80ffffff',
    'ffffffff81ffffff',
    'ffffffff83000020',
    'ffffffffffffffff',
    'ffff888000000000',
  ]) {
    expect(nameAt(outside)).toBe('[not in the symbol table]')
  }
})

test('a function of a module says of which, and the last one ends with the page after it', () => {
  const symbols = kernelSymbols(Buffer.from(kernel))
  expect(symbols.find(at('ffffffffc0a00123'))).toEqual([
    { name: 'nft_do_chain', kind: 'kernel', module: '[nf_tables]' },
  ])
  expect(nameAt('ffffffffc0a01fff')).toBe('nft_last')
  expect(nameAt('ffffffffc0a02000')).toBe('[not in the symbol table]')
  expect(nameAt('ffffffffc0b7ffff')).toBe('[not in the symbol table]')
  expect(nameAt('ffffffffc0c00040')).toBe('bpf_prog_6deef7357e7b4530_sd_devices')
  expect(nameAt('ffffffffc0c10000')).toBe('[not in the symbol table]')
})

test('the kernel of the core is no module', () => {
  expect(kernelSymbols(Buffer.from(kernel)).find(at('ffffffff81000200'))).toEqual([
    { name: '__x64_sys_read', kind: 'kernel' },
  ])
})

test('addresses that are all zero: kallsyms is hidden, and every look-up says so', () => {
  const hidden = kernel.replaceAll(/^[0-9a-f]{16}/gm, '0000000000000000')
  expect(nameAt('ffffffff81000200', hidden)).toBe('[kallsyms hidden]')
})

test('an empty file, or one of another form, has no symbols', () => {
  for (const text of ['', 'what is this?\n', 'zzzzzzzzzzzzzzzz T f\n', 'ffffffff81000000 T\n']) {
    expect(nameAt('ffffffff81000000', text)).toBe('[no symbols]')
  }
})

test('the order of lines does not matter, nor does a missing last newline', () => {
  const shuffled = kernel.trim().split('\n').reverse().join('\n')
  for (const address of [
    'ffffffff81000010',
    'ffffffff810001ff',
    'ffffffff81000400',
    'ffffffffc0a01fff',
  ]) {
    expect(nameAt(address, shuffled)).toBe(nameAt(address))
  }
})

test('lines of any kind give names or reasons', () => {
  const random = randomOf(17)
  const pieces = [
    'ffffffff81',
    '0000000000000000',
    '00001000',
    ' T ',
    ' t',
    'f',
    '\n',
    '\t[m]',
    ']',
    ' ',
    '\xff',
  ]
  for (let round = 0; round < 300; round++) {
    const text = Array.from({ length: random(120) }, () => pieces[random(pieces.length)]).join('')
    const symbols = kernelSymbols(Buffer.from(text))
    const found = symbols.find(at('ffffffff81000f00'))
    if (typeof found !== 'string') expect(found[0]!.name).not.toBe('')
  }
})

test('the code that started the kernel is named: every idle CPU was called from it', () => {
  const text = kernel.replace('ffffffffc0a00000', 'ffffffff83000100 T _einittext\nffffffffc0a00000')
  expect(nameAt('ffffffff83000020', text)).toBe('init_function')
  expect(nameAt('ffffffff83000100', text)).toBe('[not in the symbol table]')
})
