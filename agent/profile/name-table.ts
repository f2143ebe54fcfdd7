// Tables of function names: what a name says, by the whole of it or by how it begins.

/** One thing that names say. A name that ends in `*` is a prefix. */
export interface NameRow<Meaning> {
  readonly means: Meaning
  /** Whose names these are, and why they mean this. */
  readonly why: string
  readonly names: readonly string[]
}

/** Undefined for a name that no row has. Rows that come first win. */
export function nameTable<Meaning>(
  rows: readonly NameRow<Meaning>[],
): (name: string) => Meaning | undefined {
  const exact = new Map<string, Meaning>()
  const prefixes: { readonly prefix: string; readonly means: Meaning }[] = []
  for (const { means, names } of rows) {
    for (const name of names) {
      if (name.endsWith('*')) prefixes.push({ prefix: name.slice(0, -1), means })
      else if (!exact.has(name)) exact.set(name, means)
    }
  }
  return name => {
    const bare = bareName(name)
    return exact.get(bare) ?? prefixes.find(({ prefix }) => bare.startsWith(prefix))?.means
  }
}

/** A function's name without what compilers and linkers append. */
function bareName(name: string): string {
  // No name in a table is half as long, and the suffixes stand at the end of short names only.
  return name.slice(0, 200).replace(/(?:\.(?:isra|constprop|part|cold)\b|@).*$/s, '')
}
