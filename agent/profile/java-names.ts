// Names of Java's methods and classes, as people write them.
//
// What the JVM numbers at run time loses its number, `Cart$$Lambda`, `GeneratedMethodAccessor`:
// it differs from pod to pod and from start to start, and would keep equal stacks
// apart. `$Proxy12` keeps it, for another number there is another interface.

/**
 * A name with dots, without the numbers: `$$Lambda$14.0x00000008000c9440`, `$$Lambda$14+0x….681842940`,
 * `LambdaForm$MH.0x…`, `GeneratedMethodAccessor12`.
 */
export function javaName(name: string): string {
  if (!numbered.test(name)) return name
  return name
    .replace(/\$\$Lambda(?:\$\d+)?(?:[./+]\d[0-9a-fx]*(?=[./+]|$))*/, '$$$$Lambda')
    .replace(/[./+](?:0x)?[0-9a-f]{8,16}(?=\.|$)/, '')
    .replace(/(\bGenerated(?:Serialization)?(?:Method|Constructor)Accessor)\d+/, '$1')
}

const numbered = /\$\$Lambda|[./+](?:0x)?[0-9a-f]{8,16}(?:\.|$)|Accessor\d/

const elements: Readonly<Record<string, string>> = {
  B: 'byte',
  C: 'char',
  D: 'double',
  F: 'float',
  I: 'int',
  J: 'long',
  S: 'short',
  Z: 'boolean',
}

/** Of a class as the JVM calls it: `[B` is `byte[]`, `[[Ljava/lang/String;` is `java.lang.String[][]`. */
export function classOfDescriptor(name: string): string {
  const depth = /^\[*/.exec(name)![0].length
  const bare = name.slice(depth)
  const element = depth === 0 ? bare : (elements[bare] ?? /^L(.*);$/s.exec(bare)?.[1] ?? bare)
  return element.replaceAll('/', '.') + '[]'.repeat(depth)
}
