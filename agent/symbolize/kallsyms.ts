// /proc/kallsyms: the symbols of the running kernel and its modules.
//
//     ffffffff81000000 T _stext
//     ffffffffc0a3f000 t nf_tables_newrule	[nf_tables]
//
// The letters are those of nm(1). There are no sizes: a symbol reaches to the
// next one of any kind. So that nothing is named after a far neighbour, the
// kernel's own code ends at _etext, and a module's at the end of the page after
// its last function: the same guess that perf makes. The code that starts the
// kernel lies apart (_sinittext to _einittext); its memory is given back, but it
// stays the caller of every idle CPU's loop.
//
// The trap: without CAP_SYSLOG the file is there and every address in it is 0.

import { hexDigit } from './hex.ts'
import { aliasRank, SymbolRanges } from './symbol-table.ts'
import type { ModuleSymbols } from './symbols.ts'

// 250,000 lines in the kernels of distributions; eight times that.
const maxSymbols = 2_000_000
// 100 to 200 modules are loaded on a usual host.
const maxModules = 10_000
// The kernel refuses names of 512 bytes and longer (KSYM_NAME_LEN).
const maxNameBytes = 512
const shortestLine = 'ffffffff81000000 T x\n'.length
const pageBytes = 4096
// BPF programs lie apart from each other. 64 KB of code is what the largest have.
const maxBpfBytes = 64 << 10

/** Names of kernel addresses, out of the whole text of /proc/kallsyms. */
export function kernelSymbols(text: Buffer): ModuleSymbols {
  const { length, start, name, letter, owner, owners, isHidden } = readLines(text)
  if (length === 0) return { find: () => (isHidden ? 'kallsyms hidden' : 'no symbols') }
  const codeStart = addressOf(text, ' _stext\n') ?? -Infinity
  const codeEnd = addressOf(text, ' _etext\n')
  const initStart = addressOf(text, ' _sinittext\n') ?? Infinity
  const initEnd = addressOf(text, ' _einittext\n') ?? -Infinity
  const lastCode = new Float64Array(owners.length).fill(-Infinity)
  for (let index = 0; index < length; index++) {
    const from = owner[index]!
    if (isCode[letter[index]!] === 1) lastCode[from] = Math.max(lastCode[from]!, start[index]!)
  }
  const limits = owners.map((_, from) =>
    from === 0 && codeEnd !== undefined ? codeEnd : pageAfter(lastCode[from]!),
  )

  const ranges = new SymbolRanges(length)
  for (const _ of owners) ranges.source(offset => nameAt(text, offset))
  const bpf = owners.indexOf('[bpf]')
  for (let index = 0; index < length; index++) {
    const at = start[index]!
    const from = owner[index]!
    // What is no code ends the code before it and names nothing: it reaches to its own start.
    const hasName = isCode[letter[index]!] === 1 && (from > 0 || at >= codeStart)
    const isInit = from === 0 && at >= initStart && at < initEnd
    const reach = from === bpf ? at + maxBpfBytes : isInit ? initEnd : limits[from]!
    ranges.add(at, 0, hasName ? reach : at, name[index]!, from, ranks[letter[index]!]!)
  }
  const table = ranges.seal((spelt, from) => ({
    name: spelt,
    kind: 'kernel',
    ...(from > 0 && { module: owners[from]! }),
  }))
  return { find: value => table.find(value) ?? 'not in the symbol table' }
}

interface Lines {
  readonly length: number
  /** Negative: see `Address`. */
  readonly start: Float64Array
  /** Offset in the text. */
  readonly name: Uint32Array
  readonly letter: Uint8Array
  /** Index in `owners`, of which the first is the kernel itself. */
  readonly owner: Uint16Array
  readonly owners: readonly string[]
  readonly isHidden: boolean
}

const blank = 0x20
const tab = 0x09
const newline = 0x0a

// By letter. Upper case is global, `w` is weak in either case; what is no code loses against code
// at the same address.
const isCode = new Uint8Array(256)
const ranks = new Uint8Array(256).fill(aliasRank.label)
for (const [letter, rank] of [
  ['T', 0],
  ['t', aliasRank.local],
  ['W', aliasRank.weak],
  ['w', aliasRank.weak],
] as const) {
  isCode[letter.charCodeAt(0)] = 1
  ranks[letter.charCodeAt(0)] = rank
}

function readLines(text: Buffer): Lines {
  const most = Math.min(Math.ceil(text.length / shortestLine), maxSymbols)
  const start = new Float64Array(most)
  const name = new Uint32Array(most)
  const letter = new Uint8Array(most)
  const owner = new Uint16Array(most)
  let length = 0
  let zeros = 0
  const owners = ['']
  const ownerIndex = new Map<string, number>()
  let last = 0
  let lastAt = -1
  for (let at = 0; at < text.length && length < most; ) {
    const found = text.indexOf(newline, at)
    const end = found < 0 ? text.length : found
    const digitsEnd = at + 16
    const nameAt = digitsEnd + 3
    const address = nameAt < end && text[digitsEnd] === blank ? kernelAddress(text, at) : undefined
    if (address === 0) zeros++
    // Below 0 are the kernel's addresses; above are per-CPU offsets and other absolute numbers.
    if (address !== undefined && address < 0) {
      start[length] = address
      name[length] = nameAt
      letter[length] = text[digitsEnd + 1]!
      owner[length++] = text[end - 1] === closingBracket ? ownerOf(nameAt, end) : 0
    }
    at = end + 1
  }
  return { length, start, name, letter, owner, owners, isHidden: zeros > 0 }

  function ownerOf(from: number, to: number): number {
    const mark = text.lastIndexOf(tab, to)
    if (mark < from) return 0
    // Lines of one module follow each other.
    if (lastAt >= 0 && text.compare(text, lastAt, lastAt + to - mark, mark, to) === 0) return last
    const module = text.toString('latin1', mark + 1, to)
    last = ownerIndex.get(module) ?? 0
    if (last === 0 && owners.length < maxModules) {
      last = owners.push(module) - 1
      ownerIndex.set(module, last)
    }
    lastAt = mark
    return last
  }
}

const closingBracket = 0x5d

/** 16 hexadecimal digits as a signed number; undefined if they are not, or lie below the upper half's 2^47. */
function kernelAddress(text: Buffer, at: number): number | undefined {
  let high = 0
  let low = 0
  for (let index = 0; index < 8; index++) {
    const a = hexDigit(text[at + index]!)
    const b = hexDigit(text[at + 8 + index]!)
    if (a < 0 || b < 0) return undefined
    high = (high << 4) | a
    low = (low << 4) | b
  }
  const address = high * 0x1_0000_0000 + (low >>> 0)
  return address >= -(2 ** 47) ? address : undefined
}

/** The address on the line that ends in this; undefined if there is no such line. */
function addressOf(text: Buffer, lineEnd: string): number | undefined {
  // Sixteen digits, a blank and the letter stand before.
  const at = text.indexOf(lineEnd) - 18
  return at < 0 ? undefined : kernelAddress(text, at)
}

function pageAfter(address: number): number {
  return Math.ceil((address + pageBytes) / pageBytes) * pageBytes
}

/** A name ends at the tab before its module, or with the line. */
function nameAt(text: Buffer, offset: number): string {
  const room = text.toString('utf8', offset, offset + maxNameBytes)
  return /^[^\t\n]*/.exec(room)![0]
}
