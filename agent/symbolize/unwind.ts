// Walks a copied user stack by the unwind tables of the target's own files.
//
// perf can do this too, but from a sidecar it opens our file at the target's
// path and walks by another program's tables. So it is done here, with the files
// that are checked to be the mapped ones (module-files.ts).
//
// Step by step: the table of the file that the address lies in says where the
// caller's stack pointer was and which registers the function saved. Where no
// table says anything (JIT code, Go's assembly) the frame pointer is followed, if
// it points into the stack. The traps: the address of a call is the byte before
// the one that it returns to, which may be in the next function; and registers
// that are saved twice must be taken from the innermost frame.

import type { Mapping } from '../profile/address-space.ts'
import type { Module } from '../profile/profile.ts'
import type { UnwindEnd, UserStack, UserUnwinder } from '../profile/user-stack.ts'
import type { Row, Rule } from './dwarf-cfa.ts'
import { evaluate } from './dwarf-expression.ts'
import { type UnwindTable, unwindTable } from './eh-frame.ts'
import { type Elf, readElf, toSvma } from './elf.ts'
import type { ModuleFiles } from './module-files.ts'
import { readVdso } from './sources.ts'
import type { Bytes } from './symbols.ts'

// Deeper than any stack of 8 KB: a frame takes 16 bytes at least.
const mostFrames = 512

/** @param bytesOf the file or image that a module is, if it can be had */
export function userUnwinder(bytesOf: (module: Module) => Bytes | undefined): UserUnwinder {
  const programs = new Map<Module, Program | undefined>()
  const programOf = (module: Module) => {
    if (!programs.has(module)) programs.set(module, openProgram(bytesOf(module)))
    return programs.get(module)
  }
  return {
    unwind: (stack, find, into) => new Walk(stack, find, programOf).run(into),
  }
}

/** By the files that are mapped. `hasVdso` says that the kernel is this one, so that its code is too. */
export function fileUnwinder(files: ModuleFiles, hasVdso: boolean): UserUnwinder {
  return userUnwinder(module => {
    if (module.kind === 'vdso') return hasVdso ? readVdso() : undefined
    const bytes = module.kind === 'file' ? files.bytesOf(module) : undefined
    return typeof bytes === 'string' ? undefined : bytes
  })
}

interface Program {
  readonly elf: Elf
  readonly table: UnwindTable
}

function openProgram(bytes: Bytes | undefined): Program | undefined {
  if (bytes === undefined) return undefined
  try {
    const elf = readElf(bytes)
    const table = unwindTable(elf)
    return table && { elf, table }
  } catch {
    // No ELF file, or a damaged one: the frame pointer is all there is.
    return undefined
  }
}

interface Machine {
  readonly stackPointer: number
  readonly framePointer: number
  /** Where an expression or a rule finds the address itself. */
  readonly instruction: number
}

const machines: Readonly<Record<UserStack['machine'], Machine>> = {
  'x86-64': { stackPointer: 7, framePointer: 6, instruction: 16 },
  aarch64: { stackPointer: 31, framePointer: 29, instruction: 32 },
}

class Walk {
  readonly #stack: UserStack
  readonly #machine: Machine
  readonly #find: (address: number) => Mapping | undefined
  readonly #programOf: (module: Module) => Program | undefined
  #registers: Float64Array
  readonly #bottom: number
  /** A read went beyond what was copied. */
  #isCut = false

  constructor(
    stack: UserStack,
    find: (address: number) => Mapping | undefined,
    programOf: (module: Module) => Program | undefined,
  ) {
    this.#stack = stack
    this.#machine = machines[stack.machine]
    this.#find = find
    this.#programOf = programOf
    this.#registers = Float64Array.from(stack.registers)
    this.#bottom = stack.registers[this.#machine.stackPointer]!
  }

  run(into: number[]): UnwindEnd {
    let address = this.#stack.instruction
    let isReturn = false
    for (let frames = 0; frames < mostFrames; frames++) {
      into.push(address)
      const before = this.#registers[this.#machine.stackPointer]!
      this.#registers[this.#machine.instruction] = address
      const row = this.#rowOf(isReturn ? address - 1 : address)
      const next = row === undefined ? this.#byFramePointer() : this.#byRow(row)
      if (next === undefined) return this.#isCut ? 'cut' : 'lost'
      if (next === 0) return 'whole'
      // What is mapped nowhere is no code: a register that was not saved, or a stack that is none.
      if (this.#find(next - 1) === undefined) return 'lost'
      const after = this.#registers[this.#machine.stackPointer]!
      // A caller's frame lies above; only a leaf on aarch64 has none of its own.
      if (!(after > before) && frames > 0) return 'lost'
      address = next
      isReturn = row?.isSignal !== true
    }
    return 'cut'
  }

  #rowOf(address: number): Row | undefined {
    const mapping = this.#find(address)
    const program = mapping && this.#programOf(mapping.module)
    if (mapping === undefined || program === undefined) return undefined
    const svma = toSvma(program.elf, address - mapping.start + mapping.fileOffset)
    return svma === undefined ? undefined : program.table.row(svma)
  }

  /** The caller's address: 0 at the thread's first function, undefined where it is not known. */
  #byRow({ cfa: found, rules, returnRegister }: Row): number | undefined {
    const cfa =
      'expression' in found
        ? evaluate(found.expression, this.#context())
        : this.#registers[found.register]! + found.offset
    if (cfa === undefined || !Number.isFinite(cfa)) return undefined
    const { stackPointer } = this.#machine
    const before = this.#registers
    const after = Float64Array.from(before)
    after[stackPointer] = cfa
    for (const [register, rule] of rules) {
      if (register < after.length) after[register] = this.#apply(rule, register, cfa)
    }
    if (rules.get(returnRegister)?.kind === 'undefined') return 0
    const back = after[returnRegister]!
    this.#registers = after
    return Number.isFinite(back) ? this.#cleaned(back) : undefined
  }

  #apply(rule: Rule, register: number, cfa: number): number {
    switch (rule.kind) {
      case 'undefined':
        return Number.NaN
      case 'same':
        return this.#registers[register]!
      case 'offset':
        return this.#word(cfa + rule.offset) ?? Number.NaN
      case 'value':
        return cfa + rule.offset
      case 'register':
        return this.#registers[rule.register] ?? Number.NaN
      case 'expression': {
        const place = evaluate(rule.expression, this.#context(), cfa)
        return (place === undefined ? undefined : this.#word(place)) ?? Number.NaN
      }
      case 'value expression':
        return evaluate(rule.expression, this.#context(), cfa) ?? Number.NaN
    }
  }

  /** Where nothing says more: the saved frame pointer, and above it where the call returns to. */
  #byFramePointer(): number | undefined {
    const { stackPointer, framePointer } = this.#machine
    const frame = this.#registers[framePointer]!
    if (!(frame >= this.#registers[stackPointer]!) || frame % 8 !== 0) return undefined
    const saved = this.#word(frame)
    const back = this.#word(frame + 8)
    if (saved === undefined || back === undefined) return undefined
    const after = new Float64Array(this.#registers.length).fill(Number.NaN)
    after[framePointer] = saved
    after[stackPointer] = frame + 16
    this.#registers = after
    return this.#cleaned(back)
  }

  /** Without the signature that pointer authentication puts into the upper bits. */
  #cleaned(address: number): number {
    return this.#stack.machine === 'aarch64' ? address % 2 ** 48 : address
  }

  #context() {
    return {
      register: (number: number) => this.#registers[number] ?? Number.NaN,
      read: (address: number, bytes: number) => {
        const word = this.#word(address)
        return word === undefined ? undefined : BigInt.asUintN(Math.min(bytes, 8) * 8, BigInt(word))
      },
    }
  }

  /** Eight bytes of the copied stack, as a number that is exact for every address. */
  #word(address: number): number | undefined {
    const { words, at, bytes } = this.#stack
    const offset = address - this.#bottom
    if (!(offset >= 0) || offset % 4 !== 0) return undefined
    if (offset + 8 > bytes) {
      this.#isCut = true
      return undefined
    }
    const place = at + offset / 4
    return (words[place + 1]! >>> 0) * 0x1_0000_0000 + (words[place]! >>> 0)
  }
}
