import { expect, test } from 'vitest'
import { ProfilerError } from '../../agent/errors.ts'
import { bytesOf } from '../../agent/symbolize/bytes.ts'
import {
  buildIdOf,
  interpreterOf,
  readElf,
  sectionBytes,
  toFileOffset,
  toSvma,
} from '../../agent/symbolize/elf.ts'
import type { Bytes } from '../../agent/symbolize/symbols.ts'
import { damaged, fixture, randomOf } from './fixture.ts'
import { codeStart, makeElf } from './make-elf.ts'

const read = (file: Buffer) => readElf(bytesOf(file))

test('a program says its machine, type, interpreter and build-id', () => {
  const elf = read(fixture('pie'))
  expect(elf.machine).toBe('x86-64')
  expect(elf.type).toBe('shared')
  expect(interpreterOf(elf)).toBe('/lib64/ld-linux-x86-64.so.2')
  expect(buildIdOf(elf)).toMatch(/^[0-9a-f]{40}$/)
  expect(read(fixture('no-pie')).type).toBe('executable')
  expect(read(fixture('libplt-aarch64.so')).machine).toBe('aarch64')
})

test('a debug file has the build-id of its program', () => {
  const id = buildIdOf(read(fixture('libmixed-linked.so')))
  expect(id).toBeDefined()
  expect(buildIdOf(read(fixture('libmixed.debug')))).toBe(id)
  expect(buildIdOf(read(fixture('libmixed-crc.so')))).toBeUndefined()
})

test('an offset becomes an SVMA by the segment that holds it, not by base + offset', () => {
  const elf = read(fixture('shifted'))
  expect(toSvma(elf, 0x1000)).toBe(0x5432000)
  expect(toSvma(elf, 0x10)).toBe(0x400010)
  expect(toFileOffset(elf, 0x5432010)).toBe(0x1010)
  expect(toSvma(elf, 0xfff_ffff)).toBeUndefined()
  expect(toFileOffset(elf, 0)).toBeUndefined()
})

test.for([
  { is64: true, isLittleEndian: true },
  { is64: true, isLittleEndian: false },
  { is64: false, isLittleEndian: true },
  { is64: false, isLittleEndian: false },
])('is64 $is64, little-endian $isLittleEndian: the same sections and segments', form => {
  const elf = read(makeElf({ ...form, symbols: [] }))
  expect(elf.sections.map(({ name }) => name)).toEqual([
    '',
    '.text',
    '.data',
    '.symtab',
    '.strtab',
    '.shstrtab',
  ])
  expect(elf.sections[1]).toMatchObject({ address: 0x1000, offset: 0x1000, size: 0x8000, flags: 6 })
  expect(toSvma(elf, codeStart + 5)).toBe(0x1005)
})

test('counts above 16 bits stand in the null section', () => {
  const elf = read(makeElf({ symbols: [], extended: true }))
  expect(elf.sections).toHaveLength(6)
  expect(elf.sections[3]!.name).toBe('.symtab')
})

test.for(['compressed-zlib', 'compressed-zstd'])('%s: a compressed section is inflated', name => {
  expect(sectionBytes(read(fixture(name)), '.debug_str')?.toString()).toBe('a'.repeat(20_000))
})

test('a compressed section that gives other than it says is not believed', () => {
  for (const size of [100, 30_000, 2 ** 40]) {
    const file = fixture('compressed-zlib')
    const { offset } = read(file).sections.find(({ name }) => name === '.debug_str')!
    file.writeBigUInt64LE(BigInt(size), offset + 8)
    expect(sectionBytes(read(file), '.debug_str')).toBeUndefined()
  }
})

test('a file without section headers still gives its build-id and segments', () => {
  const file = fixture('pie')
  const id = buildIdOf(read(file))
  file.writeBigUInt64LE(0n, 40)
  file.writeUInt16LE(0, 60)
  const elf = read(file)
  expect(elf.sections).toEqual([])
  expect(elf.damage).toBeUndefined()
  expect(buildIdOf(elf)).toBe(id)
  expect(toSvma(elf, 0x1000)).toBe(0x1000)
})

test('section headers outside of the file are a damage, not an error', () => {
  const file = fixture('pie')
  const elf = read(file.subarray(0, file.length - 1))
  expect(elf.damage).toMatch(/section headers lie outside/)
  expect(elf.sections).toEqual([])
  expect(elf.segments.length).toBeGreaterThan(0)
})

test.for([
  ['nothing', Buffer.alloc(0)],
  [
    'text',
    Buffer.from('#!/bin/sh\necho an executable that is no ELF file at all, but is long enough\n'),
  ],
  ['a header alone', Buffer.from('7f454c46020101', 'hex')],
] as const)('%s is not an ELF file', ([, file]) => {
  expect(() => read(Buffer.from(file))).toThrow(
    expect.objectContaining({ code: 'SP_ELF_MALFORMED' }),
  )
})

test('a hostile count never makes a large read', () => {
  const file = fixture('pie')
  file.writeUInt16LE(0xffff, 56)
  file.writeUInt16LE(0, 60)
  // The null section says how many there are: 2^32 - 1 segments, 2^62 sections.
  const sections = Number(file.readBigUInt64LE(40))
  file.writeUInt32LE(0xffff_ffff, sections + 44)
  file.writeBigUInt64LE(2n ** 62n, sections + 32)
  let largest = 0
  const bytes: Bytes = {
    size: 2 ** 50,
    read(offset, length) {
      largest = Math.max(largest, length)
      return file.subarray(offset, offset + length)
    },
  }
  expect(() => readElf(bytes)).toThrow(/4294967295 program headers, more than 4096/)
  expect(largest).toBeLessThan(1 << 20)
})

test('a damaged file is read, or refused with a code; never anything else', () => {
  const random = randomOf(20_260_101)
  const files = ['pie', 'compressed-zlib', 'libmixed-linked.so'].map(fixture)
  let refused = 0
  for (let round = 0; round < 2000; round++) {
    const file = damaged(files[round % files.length]!, random)
    try {
      const elf = read(file)
      buildIdOf(elf)
      interpreterOf(elf)
      for (const { name } of elf.sections) sectionBytes(elf, name)
      toSvma(elf, random(20_000))
    } catch (error) {
      expect(error).toBeInstanceOf(ProfilerError)
      refused++
    }
  }
  expect(refused).toBeGreaterThan(50)
})
