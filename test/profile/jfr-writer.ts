// Makes JFR chunks by hand, for what no JVM writes on demand.

export interface MadeField {
  readonly name: string
  readonly type: string
  readonly isConstant?: boolean
  readonly isArray?: boolean
  readonly unit?: string
}

export interface MadeType {
  readonly id: number
  readonly name: string
  readonly fields?: readonly MadeField[]
}

export interface MadeChunk {
  readonly types: readonly MadeType[]
  /** By the name of the type: ids and values. */
  readonly pools?: Readonly<Record<string, readonly (readonly [number, Buffer])[]>>
  /** By the name of the type: the fields of each event. */
  readonly events?: readonly (readonly [string, Buffer])[]
  /** What the header says of its size, where that is not true. */
  readonly size?: number
}

/** How numbers are written: LEB128, or plain and big-endian. */
export class JfrWriter {
  readonly #isCompressed: boolean

  constructor(isCompressed = true) {
    this.#isCompressed = isCompressed
  }

  int(value: number): Buffer {
    if (this.#isCompressed) return leb128(BigInt(value >>> 0))
    const bytes = Buffer.alloc(4)
    bytes.writeInt32BE(value)
    return bytes
  }

  long(value: number | bigint): Buffer {
    if (this.#isCompressed) return leb128(BigInt.asUintN(64, BigInt(value)))
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64BE(BigInt(value))
    return bytes
  }

  text(text: string): Buffer {
    const bytes = Buffer.from(text)
    return Buffer.concat([Buffer.of(3), this.int(bytes.length), bytes])
  }

  longs(...values: readonly number[]): Buffer {
    return Buffer.concat(values.map(value => this.long(value)))
  }

  /** A stack, leaf first: ids of methods, each compiled. */
  stack(methods: readonly number[], isCut = false): Buffer {
    const frames = methods.map(method =>
      Buffer.concat([this.long(method), this.int(7), this.long(1)]),
    )
    return Buffer.concat([Buffer.of(isCut ? 1 : 0), this.int(methods.length), ...frames])
  }

  chunk({ types, pools = {}, events = [], size }: MadeChunk): Buffer {
    const idOf = (name: string) => types.find(type => type.name === name)!.id
    const written = events.map(([type, fields]) =>
      this.#event(Buffer.concat([this.long(idOf(type)), fields])),
    )
    const constants = Object.entries(pools).map(([type, entries]) =>
      Buffer.concat([
        this.longs(idOf(type)),
        this.int(entries.length),
        ...entries.flatMap(([id, value]) => [this.long(id), value]),
      ]),
    )
    const checkpoint = this.#event(
      Buffer.concat([
        this.longs(1, 0, 0, 0),
        Buffer.of(1),
        this.int(constants.length),
        ...constants,
      ]),
    )
    const before = Buffer.concat([...written, checkpoint])
    const metadata = this.#event(this.#metadata(types))
    const header = Buffer.alloc(68)
    header.write('FLR\0', 'latin1')
    header.writeUInt16BE(2, 4)
    const whole = Buffer.concat([header, before, metadata])
    whole.writeBigInt64BE(BigInt(size ?? whole.length), 8)
    whole.writeBigInt64BE(BigInt(68 + written.reduce((sum, { length }) => sum + length, 0)), 16)
    whole.writeBigInt64BE(BigInt(68 + before.length), 24)
    whole.writeBigInt64BE(1_000_000n, 56)
    whole[67] = this.#isCompressed ? 1 : 0
    return whole
  }

  /** With its size, padded to four bytes as the JVM does. */
  #event(content: Buffer): Buffer {
    const size = content.length + 4
    if (!this.#isCompressed) return Buffer.concat([this.int(size), content])
    const padded = [0, 7, 14, 21].map(shift => ((size >> shift) & 0x7f) | (shift < 21 ? 0x80 : 0))
    return Buffer.concat([Buffer.from(padded), content])
  }

  #metadata(types: readonly MadeType[]): Buffer {
    const texts: string[] = []
    const index = (text: string) => {
      if (!texts.includes(text)) texts.push(text)
      return this.int(texts.indexOf(text))
    }
    const element = (
      name: string,
      attributes: Readonly<Record<string, string>>,
      elements: readonly Buffer[],
    ): Buffer =>
      Buffer.concat([
        index(name),
        this.int(Object.keys(attributes).length),
        ...Object.entries(attributes).flatMap(([key, value]) => [index(key), index(value)]),
        this.int(elements.length),
        ...elements,
      ])
    const classes = types.map(({ id, name, fields = [] }) =>
      element(
        'class',
        { id: `${id}`, name },
        fields.map(field =>
          element(
            'field',
            {
              name: field.name,
              class: `${types.find(type => type.name === field.type)?.id ?? 999}`,
              ...(field.isConstant && { constantPool: 'true' }),
              ...(field.isArray && { dimension: '1' }),
            },
            field.unit === undefined ? [] : [element('annotation', { value: field.unit }, [])],
          ),
        ),
      ),
    )
    const tree = element('root', {}, [element('metadata', {}, classes), element('region', {}, [])])
    return Buffer.concat([
      this.longs(0, 0, 0, 1),
      this.int(texts.length),
      ...texts.map(text => this.text(text)),
      tree,
    ])
  }
}

function leb128(value: bigint): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest > 0x7fn && bytes.length < 8) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}

/** The types that a JVM's recording of samples has. */
export const madeTypes: readonly MadeType[] = [
  { id: 4, name: 'boolean' },
  { id: 9, name: 'int' },
  { id: 10, name: 'long' },
  { id: 20, name: 'java.lang.String' },
  {
    id: 21,
    name: 'java.lang.Class',
    fields: [{ name: 'name', type: 'jdk.types.Symbol', isConstant: true }],
  },
  { id: 30, name: 'jdk.types.Symbol', fields: [{ name: 'string', type: 'java.lang.String' }] },
  {
    id: 31,
    name: 'jdk.types.Method',
    fields: [
      { name: 'type', type: 'java.lang.Class', isConstant: true },
      { name: 'name', type: 'jdk.types.Symbol', isConstant: true },
    ],
  },
  {
    id: 32,
    name: 'jdk.types.FrameType',
    fields: [{ name: 'description', type: 'java.lang.String' }],
  },
  {
    id: 33,
    name: 'jdk.types.StackFrame',
    fields: [
      { name: 'method', type: 'jdk.types.Method', isConstant: true },
      { name: 'lineNumber', type: 'int' },
      { name: 'type', type: 'jdk.types.FrameType', isConstant: true },
    ],
  },
  {
    id: 34,
    name: 'jdk.types.StackTrace',
    fields: [
      { name: 'truncated', type: 'boolean' },
      { name: 'frames', type: 'jdk.types.StackFrame', isArray: true },
    ],
  },
  {
    id: 100,
    name: 'jdk.ExecutionSample',
    fields: [
      { name: 'startTime', type: 'long' },
      { name: 'stackTrace', type: 'jdk.types.StackTrace', isConstant: true },
    ],
  },
  {
    id: 103,
    name: 'jdk.NativeMethodSample',
    fields: [
      { name: 'startTime', type: 'long' },
      { name: 'stackTrace', type: 'jdk.types.StackTrace', isConstant: true },
    ],
  },
  {
    id: 101,
    name: 'jdk.CPUTimeSample',
    fields: [
      { name: 'stackTrace', type: 'jdk.types.StackTrace', isConstant: true },
      { name: 'failed', type: 'boolean' },
      { name: 'samplingPeriod', type: 'long', unit: 'TICKS' },
    ],
  },
  {
    id: 102,
    name: 'jdk.CPUTimeSamplesLost',
    fields: [{ name: 'lostSamples', type: 'int' }],
  },
]

/** Methods `com.shop.Cart.m1`, `m2` and `m3`, and stacks 1 (m1 calls m2) and 2 (m1 alone, cut). */
export function madePools(write: JfrWriter): NonNullable<MadeChunk['pools']> {
  const names = ['com/shop/Cart', 'm1', 'm2', 'm3']
  return {
    'jdk.types.Symbol': names.map((name, index) => [index + 1, write.text(name)]),
    'java.lang.Class': [[1, write.long(1)]],
    'jdk.types.Method': [1, 2, 3].map(method => [method, write.longs(1, method + 1)]),
    'jdk.types.FrameType': [[1, write.text('JIT compiled')]],
    'jdk.types.StackTrace': [
      [1, write.stack([2, 1])],
      [2, write.stack([1], true)],
    ],
  }
}
