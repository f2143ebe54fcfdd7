import { expect, test } from 'vitest'
import { bytesOf } from '../../agent/symbolize/bytes.ts'
import { debugFileCandidates } from '../../agent/symbolize/debug-files.ts'
import { buildIdOf, readElf } from '../../agent/symbolize/elf.ts'
import { fixture } from './fixture.ts'

test('the build-id goes first, then the places of GDB for a debuglink', () => {
  const elf = readElf(bytesOf(fixture('libmixed-linked.so')))
  const id = buildIdOf(elf)!
  const candidates = debugFileCandidates(elf, '/opt/a/libmixed.so')
  expect(candidates.map(({ path }) => path)).toEqual([
    `/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`,
    '/opt/a/libmixed.debug',
    '/opt/a/.debug/libmixed.debug',
    '/usr/lib/debug/opt/a/libmixed.debug',
  ])
  expect(candidates[0]!.check).toEqual({ buildId: id })
  expect(candidates[1]!.check).toEqual({ buildId: id, crc: expect.any(Number) })
})

test('a file without a build-id has only its link', () => {
  const candidates = debugFileCandidates(readElf(bytesOf(fixture('libmixed-crc.so'))), '/lib/x.so')
  expect(candidates.map(({ path }) => path)).toEqual([
    '/lib/libmixed-crc.debug',
    '/lib/.debug/libmixed-crc.debug',
    '/usr/lib/debug/lib/libmixed-crc.debug',
  ])
})

test('a file never is its own debug file', () => {
  const elf = readElf(bytesOf(fixture('libmixed-crc.so')))
  const paths = debugFileCandidates(elf, '/lib/libmixed-crc.debug').map(({ path }) => path)
  expect(paths).not.toContain('/lib/libmixed-crc.debug')
})

test.for(['../../etc/shadow', '/etc/shadow', '..', 'a/b'])('a link to %s is not followed', name => {
  const file = fixture('libmixed-crc.so')
  const { offset } = readElf(bytesOf(file)).sections.find(
    section => section.name === '.gnu_debuglink',
  )!
  file.write(`${name}\0`.padEnd(18, '\0'), offset)
  expect(debugFileCandidates(readElf(bytesOf(file)), '/lib/x.so')).toEqual([])
})
