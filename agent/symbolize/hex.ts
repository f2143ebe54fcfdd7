// Hexadecimal out of bytes, for the text formats whose lines are too many to become strings.

/** The value of a hexadecimal digit in either case, or -1. */
export function hexDigit(byte: number): number {
  return digits[byte] ?? -1
}

const digits = new Int8Array(256).fill(-1)
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  digits[digit.charCodeAt(0)] = value
  digits[digit.toUpperCase().charCodeAt(0)] = value
}
