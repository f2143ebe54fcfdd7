import { expect, test } from 'vitest'
import { bytesOf } from '../../agent/symbolize/bytes.ts'
import { demangle } from '../../agent/symbolize/demangle.ts'
import { readElf } from '../../agent/symbolize/elf.ts'
import { addElfFunctions } from '../../agent/symbolize/elf-functions.ts'
import { readPlt } from '../../agent/symbolize/plt.ts'
import { SymbolRanges, type SymbolTable } from '../../agent/symbolize/symbol-table.ts'
import { fixture, stubsOf } from './fixture.ts'

const noNames: SymbolTable = { find: () => undefined }

test.for([
  'pie',
  'no-pie',
  'ibt',
  'now',
  'libmixed.so',
  'libplt-aarch64.so',
  'libplt-aarch64-pac.so',
])('%s: the stubs are those of objdump', name => {
  const plt = readPlt(readElf(bytesOf(fixture(name))), noNames)!
  let compared = 0
  for (const [address, label] of stubsOf(name)) {
    // objdump shows a function that is chosen at load time by its address.
    if (label.startsWith('*ABS*')) continue
    const expected = `${demangle(label.replace('@plt', ''))}@plt`
    for (const inside of [0, 4, 7]) expect(plt.find(address + inside)?.[0]?.name).toBe(expected)
    compared++
  }
  expect(compared).toBeGreaterThan(1)
})

test('the header, which jumps to the loader, has no name', () => {
  const elf = readElf(bytesOf(fixture('pie')))
  const { address } = elf.sections.find(({ name }) => name === '.plt')!
  expect(readPlt(elf, noNames)!.find(address)).toBeUndefined()
})

test('a stub of a function that is chosen at load time is named by this file', () => {
  const elf = readElf(bytesOf(fixture('pie')))
  const ranges = new SymbolRanges()
  addElfFunctions(elf, '.symtab', ranges)
  const [address] = [...stubsOf('pie')].find(([, label]) => label.startsWith('*ABS*'))!
  expect(readPlt(elf, ranges.seal())!.find(address)?.[0]?.name).toBe('indirect_function@plt')
})
