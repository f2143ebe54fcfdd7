// Go, sampled by perf and named from .gopclntab, which `-s -w` does not strip.
//
// A binary is Go if it has the section .go.buildinfo, which holds the version
// of the toolchain: https://pkg.go.dev/debug/buildinfo

import { sectionBytes } from '../symbolize/elf.ts'
import type { ProcessFacts } from '../target/facts.ts'
import { perfStrategy } from './perf-strategy.ts'
import type { Runtime } from './runtime.ts'

const magic = Buffer.from('\xff Go buildinf:', 'latin1')
// Byte 15 of the header; the strings follow it inline, each after its length as a varint (Go 1.18).
const inlineStrings = 2
const headerSize = 32

export const goRuntime: Runtime = {
  name: 'go',
  title: 'Go',

  detect({ elf }: ProcessFacts) {
    const info = elf && sectionBytes(elf, '.go.buildinfo')
    if (info === undefined || !info.subarray(0, magic.length).equals(magic)) return undefined
    return { version: readVersion(info), evidence: 'has the section .go.buildinfo' }
  },

  strategies: [perfStrategy],
}

function readVersion(info: Buffer): string {
  if ((info[15]! & inlineStrings) === 0) return 'unknown'
  // `go1.26.8` and its like are shorter than 128, so the varint is one byte.
  const length = info[headerSize] ?? 0
  const text = info.toString('utf8', headerSize + 1, headerSize + 1 + (length & 0x7f))
  return /^(?:go|devel )([\w.+ -]+)/.exec(text)?.[1] ?? 'unknown'
}
