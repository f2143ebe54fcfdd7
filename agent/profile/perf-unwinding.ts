// Samples of `--call-graph dwarf`: the user's part of the stack is not walked but
// copied, and walked here when the sample's time has come, by whoever can open
// the files that were mapped then.
//
// Behind its chain such an entry carries
//
//     registers (two words each), the copied stack,
//     bytes of the stack, words of registers, words of the chain

import type { Mapping } from './address-space.ts'
import type { PerfAttr, SampleFormat } from './perf-attr.ts'
import { context, int64, isContext } from './perf-records.ts'
import { registersPlace } from './perf-sample-registers.ts'
import type { Process } from './perf-tasks.ts'
import type { UnwindEnd, UserUnwinder } from './user-stack.ts'

const footerWords = 3
const abi64 = 2

/** What the walks of a recording came to. */
export type UnwindCounts = Readonly<Record<UnwindEnd, number>>

/** Words that a sample may need behind its chain, which ends at `chainEnd`. */
export function roomForUserStack(chainEnd: number, end: number): number {
  return end - chainEnd + footerWords
}

/**
 * Writes registers and stack behind the chain at `to`. Always writes the last three words.
 *
 * @returns how many words it wrote, or -1 if the sizes do not fit the sample
 */
export function writeUserStack(
  out: Int32Array,
  to: number,
  chainWords: number,
  format: SampleFormat,
  words: Int32Array,
  chainEnd: number,
  end: number,
): number {
  const place = registersPlace(format, words, chainEnd, end)
  if (place < 0 || place + 2 > end) return -1
  let registers = 0
  let bytes = 0
  let at = to
  const abi = words[place]!
  let next = place + 2
  if (abi !== 0) {
    next += format.userRegisters * 2
    if (next + 2 > end) return -1
    if (abi === abi64) {
      registers = format.userRegisters * 2
      for (let word = 0; word < registers; word++) out[at++] = words[place + 2 + word]!
    }
  }
  if (next + 2 > end || words[next + 1] !== 0) return -1
  const size = words[next]! >>> 0
  if (registers > 0 && size > 0) {
    const stack = next + 2
    const after = stack + (size >> 2)
    if (size % 8 !== 0 || after + 2 > end) return -1
    bytes = Math.min(words[after]! >>> 0, size)
    for (let word = 0; word < bytes >> 2; word++) out[at++] = words[stack + word]!
  }
  out[at] = bytes
  out[at + 1] = registers
  out[at + 2] = chainWords
  return at + footerWords - to
}

// perf's order of registers, and DWARF's number of each: asm/perf_regs.h of Linux beside the psABI.
const x86Registers = [
  0, 3, 2, 1, 4, 5, 6, 7, 16, -1, -1, -1, -1, -1, -1, -1, 8, 9, 10, 11, 12, 13, 14, 15,
]
const x86Instruction = 16
const arm64Instruction = 32
const dwarfRegisters = 33

export class Unwinding {
  readonly #unwinder: UserUnwinder
  readonly #counts = { whole: 0, cut: 0, lost: 0 }
  /** Stacks of which one frame was found. */
  oneFrame = 0
  /** The chain that was made last: it is good until the next one. */
  words = new Int32Array(1024)
  readonly #registers = new Float64Array(dwarfRegisters)
  readonly #addresses: number[] = []

  constructor(unwinder: UserUnwinder) {
    this.#unwinder = unwinder
  }

  get counts(): UnwindCounts {
    return this.#counts
  }

  get stacks(): number {
    return this.#counts.whole + this.#counts.cut + this.#counts.lost
  }

  /** Makes a whole chain, in `this.words`, of an entry's `length` words at `at`. Gives its length in words. */
  chain(attr: PerfAttr, process: Process, words: Int32Array, at: number, length: number): number {
    const footer = at + length - footerWords
    const [bytes, registers, chainWords] = words.subarray(footer, footer + footerWords)
    let used = 0
    this.#reserve(chainWords! + 2)
    let isUser = false
    for (let word = at; word < at + chainWords!; word += 2) {
      const isMarker = isContext(words[word]!, words[word + 1]!)
      isUser ||= isMarker && words[word] === context.user
      // Without registers this is all that is known of the user's part.
      if (isUser && registers! > 0) break
      this.words[used++] = words[word]!
      this.words[used++] = words[word + 1]!
    }
    if (registers === 0) return used
    const stackAt = at + chainWords! + registers!
    const isArm64 = (attr.userRegisterMask[1] & 1) !== 0
    this.#readRegisters(attr, words, at + chainWords!, isArm64)
    const find = (address: number): Mapping | undefined =>
      process.space.find(address) ?? process.before?.find(address)
    const addresses = this.#addresses
    addresses.length = 0
    const instruction = this.#registers[isArm64 ? arm64Instruction : x86Instruction]!
    const end = this.#unwinder.unwind(
      {
        machine: isArm64 ? 'aarch64' : 'x86-64',
        registers: this.#registers,
        instruction,
        words,
        at: stackAt,
        bytes: bytes!,
      },
      find,
      addresses,
    )
    this.#counts[end]++
    if (addresses.length === 1) this.oneFrame++
    this.#reserve(used + 2 + addresses.length * 2)
    this.words[used++] = context.user
    this.words[used++] = -1
    for (const address of addresses) {
      const high = Math.floor(address / 0x1_0000_0000)
      this.words[used++] = (address - high * 0x1_0000_0000) | 0
      this.words[used++] = high | 0
    }
    return used
  }

  #readRegisters(attr: PerfAttr, words: Int32Array, at: number, isArm64: boolean): void {
    this.#registers.fill(Number.NaN)
    let place = at
    for (let bit = 0; bit < 64; bit++) {
      if (((attr.userRegisterMask[bit >> 5]! >>> (bit & 31)) & 1) === 0) continue
      const number = isArm64 ? bit : (x86Registers[bit] ?? -1)
      if (number >= 0 && number < dwarfRegisters) {
        this.#registers[number] = int64(words[place]!, words[place + 1]!)
      }
      place += 2
    }
  }

  #reserve(words: number): void {
    if (words <= this.words.length) return
    const grown = new Int32Array(Math.max(words, this.words.length * 2))
    grown.set(this.words)
    this.words = grown
  }
}

/** What a person has to know of the walks, in sentences. */
export function unwindNotes({ whole, cut, lost }: UnwindCounts): string[] {
  const all = whole + cut + lost
  if (all === 0) return []
  const share = (count: number) => `${((count / all) * 100).toFixed(1)} %`
  return [
    `User stacks were unwound by the program's own tables (DWARF): ${share(whole)} to the thread's start` +
      `${cut > 0 ? `, ${share(cut)} to the end of what was copied of the stack` : ''}` +
      `${lost > 0 ? `, ${share(lost)} to where no table went on` : ''}.`,
  ]
}
