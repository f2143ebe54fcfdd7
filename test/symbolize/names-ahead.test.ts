import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { type Module, noCaller, type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { bytesOf } from '../../agent/symbolize/bytes.ts'
import { buildIdOf, readElf, toFileOffset } from '../../agent/symbolize/elf.ts'
import { elfSymbols } from '../../agent/symbolize/elf-symbols.ts'
import { NamesAhead } from '../../agent/symbolize/names-ahead.ts'
import { fixture, functionsOf, moduleOf } from './fixture.ts'

const file = fileURLToPath(new URL('../fixtures/elf/gcc-12/libmixed.so', import.meta.url))
const elf = readElf(bytesOf(fixture('libmixed.so')))
const buildId = buildIdOf(elf)!
const offsets = [...functionsOf('libmixed.so').keys()].flatMap(at => toFileOffset(elf, at) ?? [])

/** As perf's record of the mapping has it. */
function mapped(facts: Partial<Module> = {}): Module {
  const { dev, ino: inode } = fs.statSync(file)
  return moduleOf(file, { inode, device: { major: dev >> 8, minor: dev & 0xff }, ...facts })
}

function profileOf(module: Module, values: readonly number[]): Profile {
  const builder = new ProfileBuilder()
  for (const value of values) {
    const address = { module, value, isReturn: false }
    const frame = builder.frame({ name: 'not yet', kind: 'unknown', address })
    builder.add(builder.stack(noCaller, frame), builder.column('cycles', 'count'), 1)
  }
  return builder.build()
}

function ahead(): NamesAhead {
  const names = new NamesAhead()
  onTestFinished(() => names.close())
  return names
}

/** As many as let it start a thread. */
function see(names: NamesAhead, module: Module, values: readonly number[]): void {
  for (let count = 0; count < 3000; count++) {
    names.see({ module, value: values[count % values.length]!, isReturn: false })
  }
}

test.each([
  ['few', 1],
  ['many', 500],
])('every address of %s has its name, seen before or not', async (_, times) => {
  const module = mapped({ buildId })
  const values = [...offsets, ...offsets.map(at => at + 1), 0].reverse()
  const names = ahead()
  for (let time = 0; time < times; time++) {
    for (const value of values.slice(2)) names.see({ module, value, isReturn: false })
  }
  const { of, sources } = await names.of(profileOf(module, values), true)
  const direct = elfSymbols(bytesOf(fixture('libmixed.so')), { module })
  expect(offsets.length).toBeGreaterThan(3)
  expect(values.map(value => of(module).find(value))).toEqual(values.map(direct.find))
  expect(sources).toEqual([{ module: file, sources: direct.sources, buildId }])
})

test('a build-id that is told after its addresses were seen decides all the same', async () => {
  const module: { -readonly [Key in keyof Module]: Module[Key] } = mapped()
  const names = ahead()
  see(names, module, offsets)
  module.buildId = 'ff'.repeat(20)
  const { of, sources } = await names.of(profileOf(module, offsets), true)
  expect(offsets.map(value => of(module).find(value))).toEqual(
    offsets.map(() => 'build-id differs'),
  )
  expect(sources).toEqual([{ module: file, sources: [], buildId: module.buildId }])
})

test('the names of another kernel are not given, though they were read', async () => {
  const kernel = moduleOf('[kernel]', { kind: 'kernel', pid: -1 })
  const names = ahead()
  see(names, kernel, [-0x7f000000])
  const { of, sources } = await names.of(profileOf(kernel, [-0x7f000000]), false)
  expect(of(kernel).find(-0x7f000000)).toBe('no symbols')
  expect(sources).toEqual([])
})

test('a profile that has its names asks nobody', async () => {
  const builder = new ProfileBuilder()
  const stack = builder.stack(noCaller, builder.frame({ name: 'main', kind: 'native' }))
  builder.add(stack, builder.column('samples', 'samples'), 1)
  const { sources, problems } = await ahead().of(builder.build(), true)
  expect({ sources, problems }).toEqual({ sources: [], problems: [] })
})
