// PLT: the stubs through which a file calls functions of other files.
//
// A stub has no symbol. Guides name it by counting: entry i of .plt belongs to
// relocation i of .rela.plt. That fails for .plt.sec (Intel's IBT), .plt.got,
// headers of several sizes and lld's own order. So we read what the stub does:
// it jumps through a slot of the GOT, and one relocation fills that slot with
// the function. That holds for every layout; a header jumps through a slot
// without a relocation and so stays without a name.
//
//     x86-64     ff 25 <rel32>            jmp *slot(%rip)
//     aarch64    adrp x16, page;  ldr x17, [x16, #offset];  add …;  br x17
//
// Spec: the psABI of each: https://gitlab.com/x86-psABIs/x86-64-ABI,
// https://github.com/ARM-software/abi-aa. A name is `foo@plt`, as objdump and perf have it.

import { demangle } from './demangle.ts'
import { type Elf, type Section, sectionNamed, sectionView } from './elf.ts'
import { dynamicSymbolName } from './elf-functions.ts'
import { fieldsOf } from './fields.ts'
import { SymbolRanges, type SymbolTable } from './symbol-table.ts'

const stubSections = ['.plt', '.plt.sec', '.plt.got', '.iplt']
const relocationSections = ['.rela.plt', '.rela.dyn', '.rela.iplt']
// Real files have up to 50,000 stubs (0.8 MB); a bound for what claims to be one.
const maxStubBytes = 2 << 20
// Offset, type with symbol, addend; read 1 MB at a time. A large .rela.dyn, from before packed
// relative relocations, has 20 MB, and nearly all of it is relative.
const relocationBytes = 24
const chunkBytes = 43_690 * relocationBytes
const maxRelocationBytes = 64 << 20
const relativeTypes = new Set([8, 1027])

/** A slot of the GOT that a stub jumps through, and where the stub is. */
interface Stub {
  readonly start: number
  readonly size: number
  readonly slot: number
}

/**
 * Names of the stubs; undefined if the file has none of a kind that we can read.
 * The stubs are read when an address hits one: their relocations may be many megabytes.
 *
 * @param nameOf the name of a function of this file, for the stubs of those that choose
 *   their code at load time (IFUNC): their relocations give an SVMA and no symbol
 */
export function readPlt(elf: Elf, nameOf: SymbolTable): SymbolTable | undefined {
  const readStubs =
    elf.machine === 'x86-64' ? stubsOfX86 : elf.machine === 'aarch64' ? stubsOfArm : undefined
  const sections = stubSections.flatMap(name => sectionNamed(elf, name) ?? [])
  if (readStubs === undefined || sections.length === 0) return undefined
  let table: SymbolTable | undefined
  return {
    find(svma) {
      const isStub = ({ address, size }: Section) => svma >= address && svma < address + size
      if (!sections.some(isStub)) return undefined
      table ??= nameStubs(
        elf,
        sections.flatMap(section => readStubs(codeOf(elf, section), section)),
        nameOf,
      )
      return table.find(svma)
    },
  }
}

function nameStubs(elf: Elf, stubs: readonly Stub[], nameOf: SymbolTable): SymbolTable {
  const targets = readTargets(elf, new Set(stubs.map(({ slot }) => slot)))
  const symbolName = dynamicSymbolName(elf)
  const ranges = new SymbolRanges()
  const named: Target[] = []
  const source = ranges.source(index => {
    const { symbol, addend } = named[index]!
    const name = symbol === 0 ? nameOf.find(addend)?.at(-1)?.name : demangle(symbolName(symbol))
    return name ? `${name}@plt` : ''
  })
  for (const { start, size, slot } of stubs) {
    const target = targets.get(slot)
    if (target !== undefined) ranges.add(start, size, start, named.push(target) - 1, source, 0)
  }
  return ranges.seal()
}

function codeOf(elf: Elf, section: Section): Buffer {
  return sectionView(elf, section)?.read(0, maxStubBytes) ?? Buffer.alloc(0)
}

function stubsOfX86(code: Buffer, { address, entrySize }: Section): Stub[] {
  // .plt.got has stubs of 8 bytes; with IBT, and everywhere else, they have 16. lld leaves the field 0.
  const size = entrySize === 8 ? 8 : 16
  const stubs: Stub[] = []
  for (let at = 0; at + size <= code.length; at += size) {
    let jump = at
    while (jump + 6 <= at + size && (code[jump] !== 0xff || code[jump + 1] !== 0x25)) jump++
    if (jump + 6 > at + size) continue
    const slot = address + jump + 6 + code.readInt32LE(jump + 2)
    stubs.push({ start: address + at, size, slot })
  }
  return stubs
}

const branchToX17 = 0xd61f0220

function stubsOfArm(code: Buffer, { address }: Section): Stub[] {
  const stubs: Stub[] = []
  for (let at = 0; at + 16 <= code.length; at += 4) {
    const page = code.readUInt32LE(at)
    const load = code.readUInt32LE(at + 4)
    // adrp x16, …  and  ldr x17, [x16, …]
    if ((page & 0x9f00001f) >>> 0 !== 0x90000010 || (load & 0xffc003ff) >>> 0 !== 0xf9400211)
      continue
    // The 21 bits of adrp, signed, count pages of 4 KB from that of the instruction.
    const pages = (((page >>> 5) & 0x7ffff) << 2) | ((page >>> 29) & 3)
    const base = Math.floor((address + at) / 4096) * 4096
    const slot = base + ((pages << 11) >> 11) * 4096 + ((load >>> 10) & 0xfff) * 8
    // With branch protection there is `bti c` before, with pointer authentication one more after.
    const isLandingPad = at >= 4 && code.readUInt32LE(at - 4) === 0xd503245f
    const hasExtra = at + 20 <= code.length && code.readUInt32LE(at + 16) === branchToX17
    const start = address + at - (isLandingPad ? 4 : 0)
    stubs.push({ start, size: address + at + (hasExtra ? 20 : 16) - start, slot })
  }
  return stubs
}

interface Target {
  /** Index in .dynsym, or 0 for a function of this file at `addend`. */
  readonly symbol: number
  readonly addend: number
}

/** What the dynamic loader writes into the slots. */
function readTargets(elf: Elf, slots: ReadonlySet<number>): Map<number, Target> {
  const targets = new Map<number, Target>()
  for (const name of relocationSections) {
    const section = sectionNamed(elf, name)
    const table = section && sectionView(elf, section)
    const size = Math.min(table?.size ?? 0, maxRelocationBytes)
    for (let done = 0; done < size; done += chunkBytes) {
      const chunk = table!.read(done, chunkBytes)
      const { u32, address } = fieldsOf(chunk, elf.is64, elf.isLittleEndian)
      for (let at = 0; at + relocationBytes <= chunk.length; at += relocationBytes) {
        if (relativeTypes.has(u32(at + 8))) continue
        const slot = address(at)
        if (slots.has(slot)) targets.set(slot, { symbol: u32(at + 12), addend: address(at + 16) })
      }
    }
  }
  return targets
}
