// Which method an address in a .NET process belongs to, by what its runtime tells.
//
// https://learn.microsoft.com/en-us/dotnet/fundamentals/diagnostics/runtime-method-events
//
//     u64 method, u64 module, u64 start, u32 size, u32 token, u32 flags,
//     type name, method name, signature (each UTF-16 up to a NUL), …
//
// What was compiled before the trace began is told at its end, in the rundown;
// what is compiled while it runs, at once. Code that is thrown away (a dynamic
// method, an unloaded assembly) is told too, and its memory is used again.
//
// Names are `Namespace.Type.Method(string,int)`: the type as the runtime writes
// it (`Outer+Inner`, ``List`1[System.__Canon]``), as perf maps and PerfView have
// it, and the types of the arguments as C# has them, without their namespaces.
// They are there because C# forwards one overload to the next, which without
// them would look like recursion.

import { readText } from './nettrace-events.ts'

export interface Method {
  /** AVMA of the first byte of its code, and its length. */
  readonly start: number
  readonly size: number
  /** The runtime's own numbers for it and for its module. */
  readonly id: number
  readonly module: number
  /** The event that told of it: names are read when they are asked for. */
  readonly payload: Buffer
}

// A rundown of the largest services that we know of has some 100,000 methods, of 300 bytes each.
const maxMethods = 1_000_000
const maxBytes = 256 << 20
// IL can make no longer code than some MB, and a 32-bit start with it stays exact.
const maxSize = 64 << 20
const maxAddress = 2 ** 48
const namesAt = 36

/** Reads a MethodLoadVerbose, MethodUnloadVerbose or MethodDCEndVerbose event; undefined if it cannot be one. */
export function readMethod(payload: Buffer): Method | undefined {
  if (payload.length < namesAt) return undefined
  const start = Number(payload.readBigUInt64LE(16))
  const size = payload.readUInt32LE(24)
  if (size === 0 || size > maxSize || start > maxAddress) return undefined
  return {
    start,
    size,
    id: Number(payload.readBigUInt64LE(0)),
    module: Number(payload.readBigUInt64LE(8)),
    payload,
  }
}

/** `Namespace.Type.Method(string,int)`; never empty. */
export function methodName({ payload }: Method): string {
  const type = readText(payload, namesAt)
  const name = type && readText(payload, type.end)
  if (type === undefined || name === undefined) return '[unnamed method]'
  const signature = readText(payload, name.end)?.text ?? ''
  const own = name.text || '[unnamed method]'
  return (type.text === '' ? own : `${type.text}.${own}`) + argumentsOf(signature)
}

/** Methods by address: of two at one place the later one. */
export class Methods {
  /** Methods that were one too many to keep. */
  refused = 0
  readonly #living = new Map<number, Method>()
  readonly #dead = new Map<number, Method>()
  #bytes = 0
  #sorted: [Sorted, Sorted] | undefined

  get size(): number {
    return this.#living.size + this.#dead.size
  }

  add(method: Method): void {
    if (this.size >= maxMethods || this.#bytes + method.payload.length > maxBytes) {
      this.refused++
      return
    }
    this.#bytes += method.payload.length
    this.#living.set(method.start, method)
    this.#sorted = undefined
  }

  /** Its code is gone: other code may be put there. */
  remove(method: Method): void {
    if (this.#living.get(method.start)?.id === method.id) this.#living.delete(method.start)
    if (this.size < maxMethods) this.#dead.set(method.start, method)
    this.#sorted = undefined
  }

  /** The method at an AVMA: one that is gone only if no other is there. */
  find(avma: number): Method | undefined {
    this.#sorted ??= [sorted(this.#living), sorted(this.#dead)]
    return at(this.#sorted[0], avma) ?? at(this.#sorted[1], avma)
  }

  /** Those whose code is there, by address. */
  *[Symbol.iterator](): Generator<Method> {
    yield* sorted(this.#living).methods
  }
}

interface Sorted {
  readonly starts: Float64Array
  readonly methods: readonly Method[]
}

function sorted(byStart: ReadonlyMap<number, Method>): Sorted {
  const methods = [...byStart.values()].sort((a, b) => a.start - b.start)
  return { starts: Float64Array.from(methods, ({ start }) => start), methods }
}

function at({ starts, methods }: Sorted, avma: number): Method | undefined {
  let low = 0
  let high = starts.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (starts[middle]! <= avma) low = middle + 1
    else high = middle
  }
  const method = methods[low - 1]
  return method !== undefined && avma < method.start + method.size ? method : undefined
}

/** Words of IL that C# says otherwise, or not at all. */
const plainTypes: ReadonlyMap<string, string> = new Map([
  ['int8', 'sbyte'],
  ['int16', 'short'],
  ['int32', 'int'],
  ['int64', 'long'],
  ['unsigned int8', 'byte'],
  ['unsigned int16', 'ushort'],
  ['unsigned int32', 'uint'],
  ['unsigned int64', 'ulong'],
  ['float32', 'float'],
  ['float64', 'double'],
  ['wchar', 'char'],
  ['String', 'string'],
  ['Object', 'object'],
])
/** Of C# methods the longest signatures have some hundred letters; generics can be nested without end. */
const maxSignature = 1000

/** `instance void  (class System.String,int32&)` as `(string,int&)`; '' when there is none. */
function argumentsOf(signature: string): string {
  const open = signature.indexOf('(')
  if (open < 0 || !signature.endsWith(')')) return ''
  const list = signature.slice(open, open + maxSignature)
  const short = list
    .replace(/\b(?:value class|class) /g, '')
    // The namespace, and types around the type: what stands before the last dot or plus.
    .replace(/(?<![\p{L}\p{N}_])[\p{L}_][\p{L}\p{N}_]*[.+](?=[\p{L}_<])/gu, '')
    .replace(/\b(?:unsigned )?[A-Za-z]\w*/g, word => plainTypes.get(word) ?? word)
    // `List`1<T>`: how many arguments a generic has is to be seen.
    .replace(/`\d+(?=[<[])/g, '')
  return list.length < signature.length - open ? `${short}…)` : short
}
