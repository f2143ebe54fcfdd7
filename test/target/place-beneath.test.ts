// Files that are put into a target's file system, which is a folder here.

import fs from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { newPlacedName, placeFolder } from '../../agent/target/place-beneath.ts'
import { temporaryFolder } from '../temporary.ts'

let root: string
beforeEach(() => {
  root = temporaryFolder()
  fs.mkdirSync(path.join(root, 'tmp'))
})

const codeOf = (act: () => unknown) => {
  try {
    act()
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

describe('a placed folder', () => {
  test('holds what is made in it, with the mode that was asked, and goes with it', () => {
    const before = process.umask(0o077)
    const placed = placeFolder(root, '/tmp', newPlacedName(71))
    const fd = placed.create('out', 0o666)
    process.umask(before)
    const file = path.join(root, placed.path, 'out')
    fs.writeFileSync(file, 'written by the target')
    expect(fs.readFileSync(fd, 'utf8')).toBe('written by the target')
    expect(fs.statSync(file).mode & 0o777).toBe(0o666)
    expect(fs.statSync(path.dirname(file)).mode & 0o777).toBe(0o711)
    fs.closeSync(fd)
    placed.remove()
    placed.remove()
    expect(fs.readdirSync(path.join(root, 'tmp'))).toEqual([])
  })

  test('has another name each time', () => {
    const paths = [
      placeFolder(root, '/tmp', newPlacedName(71)),
      placeFolder(root, '/tmp', newPlacedName(71)),
    ].map(each => each.path)
    expect(new Set(paths).size).toBe(2)
  })

  test('can lie in the root', () => {
    const placed = placeFolder(root, '/', newPlacedName(71))
    expect(placed.path).toMatch(/^\/sp-flamegraph-71-[0-9a-f]{16}$/)
    placed.remove()
    expect(fs.readdirSync(root)).toEqual(['tmp'])
  })

  test('is not made behind a link, wherever in the path it is', () => {
    const elsewhere = temporaryFolder()
    fs.mkdirSync(path.join(elsewhere, 'b'))
    fs.symlinkSync(elsewhere, path.join(root, 'a'))
    expect(codeOf(() => placeFolder(root, '/a', 'name'))).toBe('ENOTDIR')
    expect(codeOf(() => placeFolder(root, '/a/b', 'name'))).toBe('ENOTDIR')
    expect(codeOf(() => placeFolder(root, '/tmp/../..', 'name'))).toBe('EINVAL')
    expect(fs.readdirSync(path.join(elsewhere, 'b'))).toEqual([])
  })

  test('is not made where something has its name', () => {
    const victim = temporaryFolder()
    fs.symlinkSync(victim, path.join(root, 'tmp/name'))
    expect(codeOf(() => placeFolder(root, '/tmp', 'name'))).toBe('EEXIST')
    expect(fs.readdirSync(victim)).toEqual([])
    expect(fs.readdirSync(path.join(root, 'tmp'))).toEqual(['name'])
  })

  test('does not write through a link that was planted in it', () => {
    const placed = placeFolder(root, '/tmp', newPlacedName(71))
    const victim = path.join(temporaryFolder(), 'victim')
    fs.writeFileSync(victim, 'as it was')
    fs.symlinkSync(victim, path.join(root, placed.path, 'out'))
    expect(codeOf(() => placed.create('out', 0o666))).toBe('EEXIST')
    expect(fs.readFileSync(victim, 'utf8')).toBe('as it was')
  })

  test('whose files the target took away is removed all the same', () => {
    const placed = placeFolder(root, '/tmp', newPlacedName(71))
    fs.closeSync(placed.create('out', 0o666))
    fs.rmSync(path.join(root, placed.path), { recursive: true })
    expect(() => placed.remove()).not.toThrow()
  })
})
