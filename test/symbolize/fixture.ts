// The ELF files of test/fixtures/elf, and damage done to them.

import fs from 'node:fs'
import type { Module } from '../../agent/profile/profile.ts'
import { bytesOf } from '../../agent/symbolize/bytes.ts'
import { readElf, toFileOffset } from '../../agent/symbolize/elf.ts'
import type { ModuleSymbols } from '../../agent/symbolize/symbols.ts'

const folder = new URL('../fixtures/elf/gcc-12/', import.meta.url)

export function fixture(name: string): Buffer {
  return fs.readFileSync(new URL(name, folder))
}

/** The functions that `nm -S` prints, by address. */
export function functionsOf(name: string): Map<number, { size: number; names: Set<string> }> {
  const functions = new Map<number, { size: number; names: Set<string> }>()
  for (const line of fixture(`${name}.nm`).toString().trim().split('\n')) {
    const [address, size, letter, spelt] = line.split(' ')
    if (letter === 'u') continue
    const at = Number.parseInt(address!, 16)
    const entry = functions.get(at) ?? { size: Number.parseInt(size!, 16), names: new Set() }
    entry.names.add(spelt!)
    functions.set(at, entry)
  }
  return functions
}

/** The PLT stubs that `objdump -d` labels, by address. */
export function stubsOf(name: string): Map<number, string> {
  const lines = fixture(`${name}.plt`).toString().trim().split('\n')
  return new Map(
    lines.map(line => {
      const [, address, label] = /^([0-9a-f]+) <(.*)>:$/.exec(line)!
      return [Number.parseInt(address!, 16), label!]
    }),
  )
}

export function moduleOf(path: string, rest: Partial<Module> = {}): Module {
  return { kind: 'file', path, pid: 1, start: 0, end: 0, fileOffset: 0, ...rest }
}

/** The innermost name at an SVMA, asked for by file offset as a profile does; or the reason in brackets. */
export function nameAt(file: Buffer, symbols: ModuleSymbols, svma: number): string {
  const found = symbols.find(toFileOffset(readElf(bytesOf(file)), svma)!)
  return typeof found === 'string' ? `[${found}]` : found.at(-1)!.name
}

/** Numbers that are the same in every run: xorshift32. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** A copy with some bytes changed, some of them in the headers, and sometimes an end cut off. */
export function damaged(file: Buffer, random: (below: number) => number): Buffer {
  const copy = Buffer.from(file)
  for (let count = random(12) + 1; count > 0; count--) {
    const at = random(3) === 0 ? random(64) : random(copy.length)
    copy[at] = random(2) === 0 ? 0xff : random(256)
  }
  return random(4) === 0 ? copy.subarray(0, random(copy.length)) : copy
}
