// DWARF expressions, as call frame information has them: a little stack machine.
//
// DWARF 5, 2.5: https://dwarfstd.org/doc/DWARF5.pdf. Compilers write them where a
// frame has no fixed shape: the stubs of the PLT, signal frames, functions that
// align their stack. What needs more than registers and the stack is refused.
//
// Values are 64 bits and wrap, so they are bigints here; there are few.

import { Cursor } from './dwarf-cursor.ts'

export interface ExpressionContext {
  /** NaN for a register that is not known. */
  register(number: number): number
  /** Eight bytes, or fewer, at an address; undefined where nothing is known. */
  read(address: number, bytes: number): bigint | undefined
}

// PLT stubs take nine, alignment two; a loop would go on for ever.
const mostOperations = 1000
const mostValues = 64

/** What the expression comes to; undefined where it needs what is not known, or is none. */
export function evaluate(
  expression: Buffer,
  context: ExpressionContext,
  initial?: number,
): number | undefined {
  try {
    const result = run(new Cursor(expression), context, initial)
    return result === undefined ? undefined : Number(result)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

const wrap = (value: bigint) => BigInt.asUintN(64, value)
const signed = (value: bigint) => BigInt.asIntN(64, value)

function run(
  cursor: Cursor,
  { register, read }: ExpressionContext,
  initial: number | undefined,
): bigint | undefined {
  const stack: bigint[] = initial === undefined ? [] : [BigInt(Math.trunc(initial))]
  const push = (value: bigint | number) => {
    if (stack.length >= mostValues) throw new RangeError('too many values')
    // `BigInt` of what is no whole number is a RangeError: an unknown register.
    stack.push(wrap(BigInt(value)))
  }
  const pop = () => {
    const value = stack.pop()
    if (value === undefined) throw new RangeError('no value')
    return value
  }
  const pick = (back: number) => {
    const value = stack.at(-1 - back)
    if (value === undefined) throw new RangeError('no value')
    return value
  }
  for (let left = mostOperations; !cursor.isAtEnd; left--) {
    if (left === 0) throw new RangeError('it does not end')
    const code = cursor.u8()
    if (code >= 0x30 && code <= 0x4f) push(code - 0x30)
    else if (code >= 0x70 && code <= 0x8f) push(register(code - 0x70) + cursor.sleb())
    else if (code === 0x92) push(register(cursor.uleb()) + cursor.sleb())
    else if (constants[code] !== undefined) push(constants[code]!(cursor))
    else if (binary[code] !== undefined) {
      const second = pop()
      push(binary[code]!(pop(), second))
    } else if (code === 0x06 || code === 0x94) {
      const bytes = code === 0x06 ? 8 : cursor.u8()
      const value = read(Number(pop()), bytes)
      if (value === undefined) return undefined
      push(value)
    } else if (code === 0x12) push(pick(0))
    else if (code === 0x13) pop()
    else if (code === 0x14) push(pick(1))
    else if (code === 0x15) push(pick(cursor.u8()))
    else if (code === 0x16) stack.push(pop(), pop())
    else if (code === 0x17) {
      const [first, second, third] = [pop(), pop(), pop()]
      stack.push(first, third, second)
    } else if (code === 0x19) push(absolute(signed(pop())))
    else if (code === 0x1f) push(-pop())
    else if (code === 0x20) push(~pop())
    else if (code === 0x23) push(pop() + BigInt(cursor.uleb()))
    else if (code === 0x2f || code === 0x28) {
      const distance = cursor.s16()
      if (code === 0x2f || pop() !== 0n) cursor.at += distance
      if (cursor.at < 0) throw new RangeError('a jump before the start')
    } else if (code !== 0x96) throw new RangeError(`an operation 0x${code.toString(16)}`)
  }
  return pop()
}

function absolute(value: bigint): bigint {
  return value < 0n ? -value : value
}

const constants: Readonly<Record<number, (cursor: Cursor) => number>> = {
  // Of a file that is not moved; no address of ours is.
  8: cursor => cursor.u8(),
  9: cursor => (cursor.u8() << 24) >> 24,
  10: cursor => cursor.u16(),
  11: cursor => cursor.s16(),
  12: cursor => cursor.u32(),
  13: cursor => cursor.s32(),
  14: cursor => cursor.u64(),
  15: cursor => cursor.s64(),
  16: cursor => cursor.uleb(),
  17: cursor => cursor.sleb(),
}

const flag = (isTrue: boolean) => (isTrue ? 1n : 0n)
const shift = (by: bigint) => (by > 64n ? 64n : by)

const binary: Readonly<Record<number, (a: bigint, b: bigint) => bigint>> = {
  26: (a, b) => a & b,
  27: (a, b) => signed(a) / nonzero(signed(b)),
  28: (a, b) => a - b,
  29: (a, b) => a % nonzero(b),
  30: (a, b) => a * b,
  33: (a, b) => a | b,
  34: (a, b) => a + b,
  36: (a, b) => a << shift(b),
  37: (a, b) => a >> shift(b),
  38: (a, b) => signed(a) >> shift(b),
  39: (a, b) => a ^ b,
  41: (a, b) => flag(a === b),
  42: (a, b) => flag(signed(a) >= signed(b)),
  43: (a, b) => flag(signed(a) > signed(b)),
  44: (a, b) => flag(signed(a) <= signed(b)),
  45: (a, b) => flag(signed(a) < signed(b)),
  46: (a, b) => flag(a !== b),
}

function nonzero(value: bigint): bigint {
  if (value === 0n) throw new RangeError('a division by zero')
  return value
}
