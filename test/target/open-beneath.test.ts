import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { openBeneath } from '../../agent/target/open-beneath.ts'
import { temporaryFolder } from '../temporary.ts'

const folder = temporaryFolder()
const root = path.join(folder, 'root')
fs.mkdirSync(path.join(root, 'usr/lib'), { recursive: true })
fs.writeFileSync(path.join(root, 'usr/lib/libc.so'), 'the target')
fs.writeFileSync(path.join(folder, 'secret'), 'ours')
fs.symlinkSync(path.join(folder, 'secret'), path.join(root, 'planted'))
fs.symlinkSync(folder, path.join(root, 'way-out'))
fs.symlinkSync('usr/lib/libc.so', path.join(root, 'harmless'))
execFileSync('mkfifo', [path.join(root, 'fifo')])

function read(relative: string): string {
  const fd = openBeneath(root, relative)
  try {
    return fs.readFileSync(fd, 'utf8')
  } finally {
    fs.closeSync(fd)
  }
}

function codeOf(relative: string): string | undefined {
  try {
    read(relative)
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

describe('openBeneath', () => {
  test('opens a regular file below the root', () => {
    expect(read('/usr/lib/libc.so')).toBe('the target')
    expect(read('usr//lib/./libc.so')).toBe('the target')
  })

  test.for(['planted', 'harmless'])('follows no symbolic link at the end: %s', name => {
    expect(codeOf(name)).toBe('ELOOP')
  })

  test('follows no symbolic link on the way', () => {
    expect(['ELOOP', 'ENOTDIR']).toContain(codeOf('way-out/secret'))
  })

  test.for(['../secret', 'usr/../../secret', '..', '/', '', 'usr/lib/libc.so\0'])(
    'refuses a path that is not beneath: %j',
    relative => {
      expect(codeOf(relative)).toBe('EINVAL')
    },
  )

  test('does not wait for the other end of a FIFO', () => {
    expect(codeOf('fifo')).toBe('EINVAL')
  })

  test('opens no folder and no device', () => {
    expect(codeOf('usr/lib')).toBe('EINVAL')
    expect(() => openBeneath('/dev', 'null')).toThrow(expect.objectContaining({ code: 'EINVAL' }))
  })

  test('leaves no descriptor open, whatever happens', () => {
    const before = fs.readdirSync('/proc/self/fd').length
    for (const name of ['planted', 'way-out/secret', 'fifo', 'none', 'usr/none/x']) codeOf(name)
    expect(fs.readdirSync('/proc/self/fd').length).toBe(before)
  })
})
