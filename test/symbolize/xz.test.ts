import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { ProfilerError } from '../../agent/errors.ts'
import { bytesOf } from '../../agent/symbolize/bytes.ts'
import { readDebugData } from '../../agent/symbolize/debugdata.ts'
import { readElf, sectionBytes, sectionNamed } from '../../agent/symbolize/elf.ts'
import { unpackXz } from '../../agent/symbolize/xz.ts'
import { fixture, randomOf } from './fixture.ts'

const limit = 4 << 20
const text = fixture('libmixed.so')
const packed = sectionBytes(readElf(bytesOf(fixture('libmixed-mini.so'))), '.gnu_debugdata')!

function xz(input: Buffer, ...args: string[]): Buffer {
  return execFileSync('xz', ['--stdout', ...args], { input, maxBuffer: limit })
}

const hasXz = (() => {
  try {
    xz(Buffer.alloc(0))
    return true
  } catch {
    return false
  }
})()

test('what rpm packs into .gnu_debugdata is an ELF file with a symbol table', () => {
  const elf = readDebugData(readElf(bytesOf(fixture('libmixed-mini.so'))))!
  expect(elf.machine).toBe('x86-64')
  expect(sectionNamed(elf, '.symtab')).toBeDefined()
})

// Needs the command `xz` (Debian: xz-utils), which makes the peers' side of the comparison.
test.skipIf(!hasXz).for([
  ['the default', []],
  ['the fastest', ['-0']],
  ['the smallest', ['-9e']],
  ['CRC-32', ['--check=crc32']],
  ['SHA-256', ['--check=sha256']],
  ['no check', ['--check=none']],
  ['other properties', ['--lzma2=lc=1,lp=3,pb=4']],
  ['a small dictionary', ['--lzma2=dict=4KiB']],
  ['many blocks', ['--block-size=3000']],
] as [string, string[]][])('xz with %s unpacks to what was packed', ([, args]) => {
  for (const input of [
    Buffer.alloc(0),
    Buffer.from('x'),
    text,
    Buffer.alloc(200_000),
    noise(90_000),
  ]) {
    expect(unpackXz(xz(input, ...args), limit).equals(input)).toBe(true)
  }
})

test.skipIf(!hasXz)('stored chunks between packed ones keep the history', () => {
  const mixed = Buffer.concat([text, noise(200_000), text, noise(70_000), text])
  expect(unpackXz(xz(mixed), limit).equals(mixed)).toBe(true)
})

test.skipIf(!hasXz)('a filter that we do not have is named', () => {
  expect(() => unpackXz(xz(text, '--x86', '--lzma2'), limit)).toThrow(/another filter than LZMA2/)
})

test('the limit of the output holds, to the byte', () => {
  const size = unpackXz(packed, limit).length
  expect(unpackXz(packed, size)).toHaveLength(size)
  expect(() => unpackXz(packed, size - 1)).toThrow(/gives more than/)
})

test('data that is cut anywhere is refused', () => {
  for (let size = 0; size < packed.length; size++) {
    // The section may end in padding, so that only zeros may be missing.
    if (packed.subarray(size).every(byte => byte === 0)) continue
    expect(() => unpackXz(packed.subarray(0, size), limit)).toThrow(ProfilerError)
  }
})

test('a changed byte is refused, wherever it is', () => {
  const random = randomOf(99)
  for (let at = 0; at < packed.length; at++) {
    const changed = Buffer.from(packed)
    changed[at]! ^= 1 << random(8)
    expect(() => unpackXz(changed, limit)).toThrow(ProfilerError)
  }
})

test('what follows the end is refused, unless it is padding', () => {
  expect(unpackXz(Buffer.concat([packed, Buffer.alloc(8)]), limit).length).toBeGreaterThan(0)
  expect(() => unpackXz(Buffer.concat([packed, packed]), limit)).toThrow(/more follows/)
})

function noise(size: number): Buffer {
  const random = randomOf(size)
  return Buffer.from(Array.from({ length: size }, () => random(256)))
}
