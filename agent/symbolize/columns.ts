// Typed arrays as the columns of a table: how they grow and how they are sorted.

export type Column =
  | Float64Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>

/** The same values with as much room again behind them. */
export function doubled<T extends Column>(column: T): T {
  const grown = likeWith(column, column.length * 2)
  grown.set(column)
  return grown
}

/** The values at these indexes, in this order. */
export function permuted<T extends Column>(column: T, order: Uint32Array): T {
  const sorted = likeWith(column, order.length)
  for (let at = 0; at < order.length; at++) sorted[at] = column[order[at]!]!
  return sorted
}

function likeWith<T extends Column>(column: T, length: number): T {
  return new (column.constructor as new (length: number) => T)(length)
}
