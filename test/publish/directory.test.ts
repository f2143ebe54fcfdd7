import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { publishToDirectory, writeOutput } from '../../agent/publish/directory.ts'
import type { Passed } from '../../agent/redact/gate.ts'
import { temporaryFolder } from '../temporary.ts'

const folder = temporaryFolder()

// What publishing takes is made by the gate alone; these tests are about files, not about names.
function passed(name: string, content: string | Uint8Array): Passed {
  return { name, bytes: Buffer.from(content), sha256: '' } as unknown as Passed
}

describe('a capture', () => {
  test('is published whole, under its place', async () => {
    const place = await publishToDirectory(folder, 'incidents/INC-1/one', [
      passed('flame.svg', '<svg/>'),
      passed('manifest.json', '{}'),
    ])
    expect(place).toBe(path.join(folder, 'incidents/INC-1/one'))
    expect(fs.readdirSync(place).sort()).toEqual(['flame.svg', 'manifest.json'])
    expect(fs.readFileSync(path.join(place, 'flame.svg'), 'utf8')).toBe('<svg/>')
  })

  test('does not replace one that is there', async () => {
    await publishToDirectory(folder, 'incidents/INC-1/two', [passed('a', 'first')])
    await expect(
      publishToDirectory(folder, 'incidents/INC-1/two', [passed('a', 'second')]),
    ).rejects.toMatchObject({ code: 'SP_OUTPUT_EXISTS' })
    expect(fs.readFileSync(path.join(folder, 'incidents/INC-1/two/a'), 'utf8')).toBe('first')
  })

  test('leaves nothing when a file cannot be written', async () => {
    await expect(
      publishToDirectory(folder, 'incidents/INC-1/three', [
        passed('good', 'x'),
        passed('no-such-folder/bad', 'x'),
      ]),
    ).rejects.toMatchObject({ code: 'SP_OUTPUT_FAILED' })
    expect(fs.readdirSync(path.join(folder, 'incidents/INC-1'))).not.toContain('three')
    expect(fs.readdirSync(path.join(folder, 'incidents/INC-1')).join()).not.toContain('partial')
  })

  test('takes back the folders that it made, and no other', async () => {
    const held = path.join(folder, 'held')
    fs.mkdirSync(held)
    const bad = [passed('no-such-folder/bad', 'x')]
    await expect(publishToDirectory(held, 'incidents/INC-1/a', bad)).rejects.toThrow()
    expect(fs.readdirSync(held)).toEqual([])
    await publishToDirectory(held, 'incidents/INC-1/a', [passed('good', 'x')])
    await expect(publishToDirectory(held, 'incidents/INC-1/b', bad)).rejects.toThrow()
    expect(fs.readdirSync(path.join(held, 'incidents/INC-1'))).toEqual(['a'])
  })

  test('is not there when it was discarded in the meantime', async () => {
    const held = temporaryFolder()
    const discard = new AbortController()
    const writing = publishToDirectory(held, 'a', [passed('f', 'x')], discard.signal)
    discard.abort()
    await expect(writing).rejects.toMatchObject({ code: 'SP_CANCELLED' })
    const one = writeOutput(path.join(held, 'f'), Buffer.from('x'), true, discard.signal)
    await expect(one).rejects.toMatchObject({ code: 'SP_CANCELLED' })
    expect(fs.readdirSync(held)).toEqual([])
  })

  test('that goes where a file is, is an error that says so', async () => {
    fs.writeFileSync(path.join(folder, 'file'), '')
    await expect(
      publishToDirectory(path.join(folder, 'file'), 'incidents/a/b', [passed('a', 'x')]),
    ).rejects.toThrow('a part of its path is not a folder')
  })
})

describe('a full disk', () => {
  const small = path.join(folder, 'small')
  const canMount = process.getuid!() === 0 && mount()
  afterAll(() => {
    if (canMount) execFileSync('umount', [small])
  })

  function mount(): boolean {
    fs.mkdirSync(small)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'sp-flamegraph-test', small], {
        stdio: 'ignore',
      })
      return true
    } catch {
      return false
    }
  }

  test.skipIf(!canMount)(
    'is an error in words, and what was begun is removed (needs root to mount a tmpfs)',
    async () => {
      await expect(
        publishToDirectory(small, 'incidents/a/b', [passed('big', Buffer.alloc(1 << 20))]),
      ).rejects.toMatchObject({
        code: 'SP_OUTPUT_FAILED',
        exit: 6,
        message: expect.stringContaining('the disk is full'),
      })
      await expect(
        writeOutput(path.join(small, 'f'), Buffer.alloc(1 << 20), false),
      ).rejects.toThrow('the disk is full')
      expect(fs.readdirSync(small)).toEqual([])
    },
  )
})

describe('one output file', () => {
  test('is not replaced unless that was said', async () => {
    const file = path.join(folder, 'out.svg')
    await writeOutput(file, Buffer.from('one'), false)
    await expect(writeOutput(file, Buffer.from('two'), false)).rejects.toMatchObject({
      code: 'SP_OUTPUT_EXISTS',
      exit: 2,
    })
    expect(fs.readFileSync(file, 'utf8')).toBe('one')
    await writeOutput(file, Buffer.from('three'), true)
    expect(fs.readFileSync(file, 'utf8')).toBe('three')
    expect(fs.readdirSync(folder).join()).not.toContain('partial')
  })
})
