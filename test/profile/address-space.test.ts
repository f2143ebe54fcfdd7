import { expect, test } from 'vitest'
import { AddressSpace, copyBudget, type Mapping } from '../../agent/profile/address-space.ts'
import type { Module } from '../../agent/profile/profile.ts'

function module(path: string): Module {
  return { kind: 'file', path, pid: 1, start: 0, end: 0, fileOffset: 0 }
}

function mapping(path: string, start: number, end: number, fileOffset = 0): Mapping {
  return { start, end, fileOffset, module: module(path) }
}

/** What an address resolves to: `path+offset`. */
function at(space: AddressSpace, address: number): string | undefined {
  const found = space.find(address)
  return found && `${found.module.path}+${address - found.start + found.fileOffset}`
}

function spaceOf(...mappings: Mapping[]): AddressSpace {
  const space = new AddressSpace(copyBudget())
  for (const each of mappings) space.map(each)
  return space
}

test('an address is in a mapping from its first byte to the one before its end', () => {
  const space = spaceOf(mapping('b', 200, 300), mapping('a', 100, 200, 7))
  expect([99, 100, 199, 200, 299, 300].map(address => at(space, address))).toEqual([
    undefined,
    'a+7',
    'a+106',
    'b+0',
    'b+99',
    undefined,
  ])
})

test('a newer mapping in the middle of an older one cuts it in two', () => {
  const space = spaceOf(mapping('old', 100, 400, 1000), mapping('new', 200, 300))
  expect([150, 250, 350].map(address => at(space, address))).toEqual([
    'old+1050',
    'new+50',
    'old+1250',
  ])
})

test('a newer mapping replaces what it covers and shortens what it touches', () => {
  const space = spaceOf(
    mapping('a', 100, 200),
    mapping('b', 200, 300),
    mapping('c', 300, 400),
    mapping('new', 150, 350),
  )
  expect([149, 150, 250, 349, 350].map(address => at(space, address))).toEqual([
    'a+49',
    'new+0',
    'new+100',
    'new+199',
    'c+50',
  ])
})

test('what is unmapped is gone, and its neighbours stay', () => {
  const space = spaceOf(mapping('a', 100, 200), mapping('b', 300, 400))
  space.unmap(150, 350)
  expect([149, 150, 349, 350].map(address => at(space, address))).toEqual([
    'a+49',
    undefined,
    undefined,
    'b+50',
  ])
})

test('the kernel is below zero, and mapped like anything else', () => {
  const space = spaceOf(mapping('kernel', -2_000_000, -1_000_000, -2_000_000))
  expect(at(space, -1_500_000)).toBe('kernel+-1500000')
  expect(at(space, 1_500_000)).toBeUndefined()
})

test('parent and child of a fork change on their own', () => {
  const parent = spaceOf(mapping('both', 100, 200))
  const child = parent.fork()
  parent.map(mapping('parent', 200, 300))
  child.map(mapping('child', 100, 200))
  expect([at(parent, 150), at(parent, 250)]).toEqual(['both+50', 'parent+50'])
  expect([at(child, 150), at(child, 250)]).toEqual(['child+50', undefined])
})

test('an empty or backward mapping is refused', () => {
  const space = spaceOf()
  expect(space.map(mapping('empty', 100, 100))).toBe(false)
  expect(space.map(mapping('backward', 200, 100))).toBe(false)
  expect(space.map(mapping('nowhere', Number.NaN, 100))).toBe(false)
})

test('copies for children come to an end, and the child keeps what it had', () => {
  const budget = { left: 1 }
  const parent = new AddressSpace(budget)
  parent.map(mapping('a', 100, 200))
  const first = parent.fork()
  expect(first.map(mapping('b', 200, 300))).toBe(true)
  const second = parent.fork()
  expect(second.map(mapping('b', 200, 300))).toBe(false)
  expect(at(second, 150)).toBe('a+50')
})
