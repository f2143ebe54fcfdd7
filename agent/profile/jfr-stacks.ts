// The stacks of a JFR chunk, put into the builder when they are first asked for.
//
// A stack is an array of frames, leaf first; a frame has a method and how it ran;
// a method has a class and a name; both are symbols. Java names are written as
// people write them, without what the JVM numbers at run time: see `java-names.ts`.
//
// A frame's line is where it was, not where its function begins: it would keep
// equal functions apart, and is left out.

import { classOfDescriptor, javaName } from './java-names.ts'
import { type JfrChunk, jfrPools } from './jfr-chunk.ts'
import type { JfrType } from './jfr-metadata.ts'
import { countOf, numbersOf, skipField, textIn } from './jfr-values.ts'
import { type Frame, type FrameKind, noCaller, type ProfileBuilder } from './profile.ts'

interface Method {
  /** Never empty. */
  readonly name: string
  /** Its class, as the JVM writes it: `java/lang/Thread`. */
  readonly declaring: string
}

// As the JVM and async-profiler call them.
const frameKinds: ReadonlyMap<string, FrameKind> = new Map([
  ['Interpreted', 'interpreted'],
  ['JIT compiled', 'jit'],
  ['C1 compiled', 'jit'],
  ['Inlined', 'inlined'],
  ['Native', 'native'],
  ['C++', 'native'],
  ['Kernel', 'kernel'],
])

/** Under it stand the stacks whose outermost frames are missing. */
const cutOff: Frame = { name: '[callers cut off]', kind: 'unknown', reason: 'unnamed by the tool' }
const unnamed: Frame = { name: '[unknown]', kind: 'unknown', reason: 'unnamed by the tool' }

export class JfrStacks {
  readonly #chunk: JfrChunk
  readonly #builder: ProfileBuilder
  readonly #stacks = new Map<number, number | undefined>()
  readonly #methods = new Map<number, Method | undefined>()
  readonly #kinds = new Map<number, FrameKind>()
  readonly #names = new Map<string, string | undefined>()
  readonly #numbers = new Float64Array(2)
  readonly #stackType: JfrType | undefined
  readonly #methodNumbers: ReturnType<typeof numbersOf> | undefined
  readonly #classNumbers: ReturnType<typeof numbersOf> | undefined

  constructor(chunk: JfrChunk, builder: ProfileBuilder) {
    this.#chunk = chunk
    this.#builder = builder
    this.#stackType = chunk.typeNamed(jfrPools.stack)
    const method = chunk.typeNamed(jfrPools.method)
    const declaring = chunk.typeNamed(jfrPools.class)
    this.#methodNumbers = method && numbersOf(method, ['type', 'name'])
    this.#classNumbers = declaring && numbersOf(declaring, ['name'])
  }

  /** The stack of this id; undefined where the chunk lacks it, or it has no frame. */
  stack(id: number): number | undefined {
    if (this.#stacks.has(id)) return this.#stacks.get(id)
    const read = this.#read(id)
    this.#stacks.set(id, read)
    return read
  }

  /** Of a class by its id, for what is allocated or waited for; undefined where the chunk lacks it. */
  className(id: number): string | undefined {
    const name = this.#nameIn(jfrPools.class, id)
    return name === undefined ? undefined : javaName(classOfDescriptor(name))
  }

  /** What a thread was doing, by its id: `STATE_RUNNABLE`. */
  threadState(id: number): string | undefined {
    return this.#textOf(jfrPools.threadState, id)
  }

  #read(id: number): number | undefined {
    const cursor = this.#chunk.constant(jfrPools.stack, id)
    if (cursor === undefined || this.#stackType === undefined) return undefined
    let isCut = false
    const frames: number[] = []
    for (const field of this.#stackType.fields) {
      if (field.name === 'truncated' && field.type.primitive === 'boolean' && !field.isArray) {
        isCut = cursor.byte() !== 0
      } else if (field.name === 'frames' && field.isArray && !field.isConstant) {
        const take = numbersOf(field.type, ['method', 'type'])
        for (let left = countOf(cursor, field); left > 0; left--) {
          take(cursor, this.#numbers)
          frames.push(this.#frame(this.#numbers[0]!, this.#numbers[1]!))
        }
      } else {
        skipField(cursor, field)
      }
    }
    if (frames.length === 0) return undefined
    if (isCut) {
      frames.push(this.#builder.frame(cutOff))
      this.#builder.note(
        'Stacks deeper than the recorder keeps (64 frames, unless `stackdepth` says otherwise) have lost ' +
          'their callers: they stand under `[callers cut off]`.',
      )
    }
    return frames.reduceRight((caller, frame) => this.#builder.stack(caller, frame), noCaller)
  }

  #frame(method: number, type: number): number {
    const found = this.#method(method)
    if (found === undefined) return this.#builder.frame(unnamed)
    let kind = this.#kinds.get(type)
    if (kind === undefined) {
      kind = frameKinds.get(this.#textOf(jfrPools.frameType, type) ?? '') ?? 'jit'
      this.#kinds.set(type, kind)
    }
    const { name, declaring } = found
    // Of native code async-profiler says the library for the class: no class has a dot in its name.
    if (kind === 'native' && /[.[]/.test(declaring)) {
      return this.#builder.frame({ name, kind, module: declaring })
    }
    const whole = declaring === '' ? name : `${declaring.replaceAll('/', '.')}.${name}`
    return this.#builder.frame({ name: kind === 'kernel' ? name : javaName(whole), kind })
  }

  #method(id: number): Method | undefined {
    if (this.#methods.has(id)) return this.#methods.get(id)
    const method = this.#readMethod(id)
    this.#methods.set(id, method)
    return method
  }

  #readMethod(id: number): Method | undefined {
    const cursor = this.#chunk.constant(jfrPools.method, id)
    if (cursor === undefined || this.#methodNumbers === undefined) return undefined
    const numbers = new Float64Array(2)
    this.#methodNumbers(cursor, numbers)
    const name = this.#textOf(jfrPools.symbol, numbers[1]!)
    if (!name) return undefined
    return { name, declaring: this.#nameIn(jfrPools.class, numbers[0]!) ?? '' }
  }

  /** Of a class: the symbol that is its name. */
  #nameIn(pool: typeof jfrPools.class, id: number): string | undefined {
    const cursor = this.#chunk.constant(pool, id)
    if (cursor === undefined || this.#classNumbers === undefined) return undefined
    const numbers = new Float64Array(1)
    this.#classNumbers(cursor, numbers)
    return this.#textOf(jfrPools.symbol, numbers[0]!)
  }

  /** The text of a constant that is little else. */
  #textOf(pool: string, id: number): string | undefined {
    const key = `${pool} ${id}`
    if (this.#names.has(key)) return this.#names.get(key)
    const type = this.#chunk.typeNamed(pool)
    const cursor = this.#chunk.constant(pool, id)
    let text = cursor && type && textIn(cursor, type)
    // Once: a text that is the id of a text that is an id is nobody's.
    if (typeof text === 'number') text = this.#chunk.constant(jfrPools.text, text)?.text()
    const found = typeof text === 'string' ? text : undefined
    this.#names.set(key, found)
    return found
  }
}
