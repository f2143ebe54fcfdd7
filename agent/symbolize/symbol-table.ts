// Names by SVMA, out of any number of symbol tables of one file.
//
// A table is filled range by range and then sealed: sorted, and flattened into
// pieces (ranges.ts). Rules, the same as perf's where perf has one:
//
// - A symbol without a size reaches to the next symbol, but not out of its
//   section, and never hides one that has a size: hand-written assembly names
//   its loops, and a loop is not a function.
// - Among symbols inside each other the innermost answers.
// - Among aliases (equal start) the first of: one with a size, a function rather than a
//   label, strong rather than weak, global rather than local, fewest leading
//   underscores, longest name, first in the file.
//
// Most names are never asked for, so a name stays an offset until an address
// hits it; it is then read, demangled, and kept.

import { doubled, permuted } from './columns.ts'
import { demangle } from './demangle.ts'
import { flatten, inOrder, nobody, ownerAt } from './ranges.ts'
import type { SymbolFrame } from './symbols.ts'

export interface SymbolTable {
  /** The functions at an address, outermost first, inlined ones included; undefined if it has no name here. */
  find(svma: number): readonly SymbolFrame[] | undefined
}

/** Reads the name that a symbol table keeps at an offset: of a string table, or of a list. */
export type NameReader = (offset: number) => string

/** How good a symbol is among its aliases: the lower the better. Add up what applies. */
export const aliasRank = { local: 1, weak: 2, label: 4 } as const
const withoutSize = 8

// Aliases are compared by name only when an address hits them. Real groups have up to 20; a hostile
// one may have millions, of which it gets the best ranked.
const maxAliases = 64

/** What the symbols of one file are collected in. */
export class SymbolRanges {
  length = 0
  #start: Float64Array<ArrayBuffer>
  #end: Float64Array<ArrayBuffer>
  #name: Uint32Array<ArrayBuffer>
  #rank: Uint8Array<ArrayBuffer>
  #source: Uint16Array<ArrayBuffer>
  #readers: NameReader[] = []

  /** @param capacity how many symbols to make room for; more may come */
  constructor(capacity = 1024) {
    const room = Math.max(capacity, 1)
    this.#start = new Float64Array(room)
    this.#end = new Float64Array(room)
    this.#name = new Uint32Array(room)
    this.#rank = new Uint8Array(room)
    this.#source = new Uint16Array(room)
  }

  /** Names that are added with the number returned are read by `reader`. */
  source(reader: NameReader): number {
    return this.#readers.push(reader) - 1
  }

  /**
   * Adds the symbol at `start`. One without a size gives `size` 0 and, as
   * `limit`, the address that it cannot reach over.
   */
  add(start: number, size: number, limit: number, name: number, source: number, rank: number) {
    if (this.length === this.#start.length) this.#grow()
    const index = this.length++
    this.#start[index] = start
    this.#end[index] = size > 0 ? start + size : limit
    this.#name[index] = name
    this.#rank[index] = size > 0 ? rank : rank + withoutSize
    this.#source[index] = source
  }

  /** The table of everything added so far, which is not kept here. `frameOf` makes what a name of this source is shown as. */
  seal(frameOf: (name: string, source: number) => SymbolFrame = nativeFrame): SymbolTable {
    const readers = this.#readers
    const order = inOrder(this.#start, indexesByRank(this.#rank.subarray(0, this.length)))
    const start = permuted(this.#start, order)
    const end = permuted(this.#end, order)
    const name = permuted(this.#name, order)
    const rank = permuted(this.#rank, order)
    const source = permuted(this.#source, order)
    // Whoever filled it may hold on to it; nobody needs what it held.
    this.#clear()

    // Of equal starts the best ranked comes first, and stands for all of them.
    const first = firstOfEach(start)
    let sizedUntil = -Infinity
    for (let at = 0; at < first.length; at++) {
      const symbol = first[at]!
      if (rank[symbol]! < withoutSize) {
        sizedUntil = Math.max(sizedUntil, end[symbol]!)
        continue
      }
      // One that begins inside of a function is a part of it, and names nothing behind it either.
      const next = at + 1 < first.length ? start[first[at + 1]!]! : Infinity
      end[symbol] = start[symbol]! < sizedUntil ? start[symbol]! : Math.min(end[symbol]!, next)
    }
    // The innermost starts last. One without a size holds nothing that another holds.
    const pieces = flatten(start, end, first)

    const nameOf = (symbol: number) => {
      // .symtab and .dynsym both have what a library offers; demangling it once is enough.
      const spelt = new Set<string>()
      const last = Math.min(symbol + maxAliases, start.length)
      for (let alias = symbol; alias < last; alias++) {
        if (start[alias] !== start[symbol] || rank[alias] !== rank[symbol]) break
        spelt.add(readers[source[alias]!]!(name[alias]!))
      }
      let best = ''
      for (const candidate of spelt) {
        const readable = demangle(candidate)
        if (best === '' || isBetterName(readable, best)) best = readable
      }
      return best
    }
    const known = new Map<number, readonly SymbolFrame[] | undefined>()
    return {
      find(svma) {
        const symbol = ownerAt(pieces, svma)
        if (symbol === nobody) return undefined
        if (!known.has(symbol)) {
          const best = nameOf(symbol)
          known.set(symbol, best === '' ? undefined : [frameOf(best, source[symbol]!)])
        }
        return known.get(symbol)
      },
    }
  }

  #clear(): void {
    this.length = 0
    this.#start = new Float64Array(1)
    this.#end = new Float64Array(1)
    this.#name = new Uint32Array(1)
    this.#rank = new Uint8Array(1)
    this.#source = new Uint16Array(1)
  }

  #grow(): void {
    this.#start = doubled(this.#start)
    this.#end = doubled(this.#end)
    this.#name = doubled(this.#name)
    this.#rank = doubled(this.#rank)
    this.#source = doubled(this.#source)
  }
}

function nativeFrame(name: string): SymbolFrame {
  return { name, kind: 'native' }
}

function indexesByRank(rank: Uint8Array): Uint32Array<ArrayBuffer> {
  const position = new Uint32Array(2 * withoutSize + 1)
  for (const each of rank) position[each + 1]!++
  for (let each = 0; each < 2 * withoutSize; each++) position[each + 1]! += position[each]!
  const indexes = new Uint32Array(rank.length)
  for (let index = 0; index < rank.length; index++) indexes[position[rank[index]!]!++] = index
  return indexes
}

function firstOfEach(start: Float64Array): Uint32Array<ArrayBuffer> {
  const first = new Uint32Array(start.length)
  let length = 0
  for (let index = 0; index < start.length; index++) {
    if (index === 0 || start[index] !== start[index - 1]) first[length++] = index
  }
  return first.slice(0, length)
}

function isBetterName(name: string, than: string): boolean {
  const more = leadingUnderscores(name) - leadingUnderscores(than)
  return more === 0 ? name.length > than.length : more < 0
}

function leadingUnderscores(name: string): number {
  let count = 0
  while (name[count] === '_') count++
  return count
}
