// Call frame instructions: how the caller's registers are found at one address of a function.
//
// DWARF 5, 6.4.2: https://dwarfstd.org/doc/DWARF5.pdf. The instructions build a
// table, one row for each address where something changes; we run them up to the
// address that is asked for and keep that row only.
//
// CFA is the value of the stack pointer before the call. Everything that a
// function has saved stands at an offset from it.

import { Cursor } from './dwarf-cursor.ts'

/** Where the caller's value of a register is. */
export type Rule =
  | { readonly kind: 'undefined' }
  | { readonly kind: 'same' }
  /** In memory at CFA + offset. */
  | { readonly kind: 'offset'; readonly offset: number }
  /** CFA + offset itself. */
  | { readonly kind: 'value'; readonly offset: number }
  | { readonly kind: 'register'; readonly register: number }
  /** In memory where the expression says; or what it says itself. */
  | { readonly kind: 'expression' | 'value expression'; readonly expression: Buffer }

export interface Row {
  /** A register and an offset, or an expression. */
  readonly cfa:
    | { readonly register: number; readonly offset: number }
    | { readonly expression: Buffer }
  /** Registers without a rule keep their value. */
  readonly rules: ReadonlyMap<number, Rule>
  /** The column that stands for the return address. */
  readonly returnRegister: number
  /** A signal handler's frame: its address is where the thread was, not where a call returns to. */
  readonly isSignal: boolean
}

/** What all functions of a CIE share. */
export interface CommonInformation {
  readonly codeAlignment: number
  readonly dataAlignment: number
  readonly returnRegister: number
  readonly isSignal: boolean
  readonly instructions: Buffer
  readonly pointerEncoding: number
  readonly hasAugmentationData: boolean
}

// The longest that compilers make are some hundred; each row is kept for its address only.
const mostInstructions = 20_000
const mostRemembered = 64

/**
 * The row of an address.
 *
 * @param instructions of the function itself, and where they stand as linked
 * @throws {RangeError} for instructions that are none
 */
export function rowAt(
  common: CommonInformation,
  instructions: Buffer,
  instructionsAddress: number,
  start: number,
  address: number,
): Row {
  const table = new Table(common, start, address)
  table.run(new Cursor(common.instructions))
  table.keepInitial()
  table.run(new Cursor(instructions, 0, instructionsAddress))
  return table.row()
}

interface State {
  register: number
  offset: number
  expression: Buffer | undefined
  rules: Map<number, Rule>
}

class Table {
  readonly #common: CommonInformation
  readonly #address: number
  #location: number
  #state: State = { register: -1, offset: 0, expression: undefined, rules: new Map() }
  #initial = new Map<number, Rule>()
  readonly #remembered: State[] = []
  #left = mostInstructions

  constructor(common: CommonInformation, start: number, address: number) {
    this.#common = common
    this.#location = start
    this.#address = address
  }

  row(): Row {
    const { register, offset, expression, rules } = this.#state
    if (expression === undefined && register < 0) throw new RangeError('there is no CFA')
    const { returnRegister, isSignal } = this.#common
    return {
      cfa: expression === undefined ? { register, offset } : { expression },
      rules,
      returnRegister,
      isSignal,
    }
  }

  /** What `restore` goes back to. */
  keepInitial(): void {
    this.#initial = new Map(this.#state.rules)
  }

  run(cursor: Cursor): void {
    while (!cursor.isAtEnd && this.#location <= this.#address) {
      if (this.#left-- === 0) throw new RangeError('too many instructions')
      const byte = cursor.u8()
      const low = byte & 0x3f
      switch (byte >> 6) {
        case 1:
          this.#advance(low)
          break
        case 2:
          this.#save(low, cursor.uleb())
          break
        case 3:
          this.#restore(low)
          break
        default:
          this.#extended(low, cursor)
      }
    }
  }

  #extended(code: number, cursor: Cursor): void {
    const { codeAlignment: _, dataAlignment } = this.#common
    const state = this.#state
    const { rules } = state
    switch (code) {
      case 0x00: // nop
        return
      case 0x01: // set_loc
        this.#location = cursor.pointer(this.#common.pointerEncoding)
        return
      case 0x02:
        this.#advance(cursor.u8())
        return
      case 0x03:
        this.#advance(cursor.u16())
        return
      case 0x04:
        this.#advance(cursor.u32())
        return
      case 0x05: // offset_extended
        this.#save(cursor.uleb(), cursor.uleb())
        return
      case 0x06: // restore_extended
        this.#restore(cursor.uleb())
        return
      case 0x07:
        rules.set(cursor.uleb(), { kind: 'undefined' })
        return
      case 0x08:
        rules.set(cursor.uleb(), { kind: 'same' })
        return
      case 0x09: {
        const register = cursor.uleb()
        rules.set(register, { kind: 'register', register: cursor.uleb() })
        return
      }
      case 0x0a: // remember_state
        if (this.#remembered.length >= mostRemembered) throw new RangeError('too much to remember')
        this.#remembered.push({ ...state, rules: new Map(rules) })
        return
      case 0x0b: {
        const before = this.#remembered.pop()
        if (before === undefined) throw new RangeError('nothing was remembered')
        this.#state = before
        return
      }
      case 0x0c: // def_cfa
        this.#define(cursor.uleb(), cursor.uleb())
        return
      case 0x0d: // def_cfa_register
        this.#define(cursor.uleb(), state.offset)
        return
      case 0x0e: // def_cfa_offset
        this.#define(state.register, cursor.uleb())
        return
      case 0x0f:
        state.expression = cursor.block(cursor.uleb())
        return
      case 0x10:
      case 0x16: {
        const register = cursor.uleb()
        const expression = cursor.block(cursor.uleb())
        rules.set(register, {
          kind: code === 0x10 ? 'expression' : 'value expression',
          expression,
        })
        return
      }
      case 0x11: // offset_extended_sf
        this.#save(cursor.uleb(), cursor.sleb())
        return
      case 0x12: // def_cfa_sf
        this.#define(cursor.uleb(), cursor.sleb() * dataAlignment)
        return
      case 0x13: // def_cfa_offset_sf
        this.#define(state.register, cursor.sleb() * dataAlignment)
        return
      case 0x14:
      case 0x15: {
        const register = cursor.uleb()
        const factor = code === 0x14 ? cursor.uleb() : cursor.sleb()
        rules.set(register, { kind: 'value', offset: factor * dataAlignment })
        return
      }
      case 0x2d: // aarch64: whether the return address is signed. The signature is cut off anyway.
        return
      case 0x2e: // GNU_args_size: for exceptions only
        cursor.uleb()
        return
      case 0x2f: // GNU_negative_offset_extended
        this.#save(cursor.uleb(), -cursor.uleb())
        return
      default:
        throw new RangeError(`a call frame instruction 0x${code.toString(16)}`)
    }
  }

  #advance(delta: number): void {
    this.#location += delta * this.#common.codeAlignment
  }

  #define(register: number, offset: number): void {
    const state = this.#state
    state.register = register
    state.offset = offset
    state.expression = undefined
  }

  #save(register: number, factor: number): void {
    this.#state.rules.set(register, {
      kind: 'offset',
      offset: factor * this.#common.dataAlignment,
    })
  }

  #restore(register: number): void {
    const initial = this.#initial.get(register)
    if (initial === undefined) this.#state.rules.delete(register)
    else this.#state.rules.set(register, initial)
  }
}
