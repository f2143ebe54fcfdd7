// Hexadecimal out of bytes, for the text formats whose lines are too many to become strings.

/** The value of a hexadecimal digit in either case, or -1. */
export function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1
}
