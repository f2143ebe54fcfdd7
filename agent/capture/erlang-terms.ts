// Erlang's external term format: what the nodes of a cluster send to each other.
// https://www.erlang.org/doc/apps/erts/erl_ext_dist.html
//
// Read is what a node may answer; written is what we ask. The traps: what comes is
// as large as the other end likes, and lists of small numbers come as strings. So
// depth and count are bounded, and what is only handed back (pids) stays bytes.

import { ProfilerError } from '../errors.ts'

export type Term = number | bigint | Atom | Tuple | Opaque | Buffer | readonly Term[]

export class Atom {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

export class Tuple {
  readonly items: readonly Term[]
  constructor(...items: readonly Term[]) {
    this.items = items
  }
}

/** A term of no interest but to be sent back: a pid, a reference, a map, with its tag. */
export class Opaque {
  readonly bytes: Buffer
  constructor(bytes: Buffer) {
    this.bytes = bytes
  }
}

const versionMagic = 131

const tags = {
  smallInteger: 97,
  integer: 98,
  atomUtf8: 118,
  smallAtomUtf8: 119,
  atom: 100,
  smallAtom: 115,
  smallTuple: 104,
  largeTuple: 105,
  nil: 106,
  string: 107,
  list: 108,
  binary: 109,
  bitBinary: 77,
  smallBig: 110,
  largeBig: 111,
  map: 116,
  float: 70,
  pid: 103,
  newPid: 88,
  port: 102,
  newPort: 89,
  v4Port: 120,
  newReference: 114,
  newerReference: 90,
  export: 113,
  newFun: 112,
} as const

// A frame of a stack is four levels down from the answer that it is in.
const maxDepth = 32
// Of the largest answer that is asked for: a thousand stacks of some hundred terms each.
const maxTerms = 8 << 20
// 64 bits and the sign are more than a counter needs; beyond that it is of no interest.
const maxBigBytes = 16

/**
 * The term at an offset, with where it ends.
 *
 * @param at of the version byte, 131
 * @throws {ProfilerError} `SP_TOOL_FAILED` for what is no term, is cut, or goes beyond a bound
 */
export function decodeTerm(bytes: Buffer, at = 0): { readonly term: Term; readonly end: number } {
  let terms = 0
  const need = (from: number, length: number) => {
    if (from + length > bytes.length) throw malformed('it is cut')
  }
  const readByte = (from: number) => {
    need(from, 1)
    return bytes[from]!
  }
  const readShort = (from: number) => {
    need(from, 2)
    return bytes.readUInt16BE(from)
  }
  const readLong = (from: number) => {
    need(from, 4)
    return bytes.readUInt32BE(from)
  }
  const text = (from: number, length: number, encoding: 'utf8' | 'latin1') => {
    need(from, length)
    return bytes.toString(encoding, from, from + length)
  }
  const seen = (count: number) => {
    terms += count
    if (terms > maxTerms) throw malformed(`it has more than ${maxTerms} parts`)
  }

  type Found = { readonly term: Term; readonly end: number }
  const readMany = (count: number, from: number, depth: number) => {
    // Each has a byte at least, so that no number allocates more than was sent.
    need(from, count)
    seen(count)
    const items: Term[] = []
    let end = from
    for (let index = 0; index < count; index++) {
      const found = read(end, depth + 1)
      items.push(found.term)
      end = found.end
    }
    return { items, end }
  }
  /** Skips so many terms behind so many bytes, and keeps all of it as bytes. */
  const opaque = (start: number, before: number, count: number, after: number, depth: number) => {
    const end = readMany(count, start + before, depth).end + after
    need(start, end - start)
    return { term: new Opaque(Buffer.from(bytes.subarray(start, end))), end }
  }

  const read = (start: number, depth: number): Found => {
    if (depth > maxDepth) throw malformed(`it is deeper than ${maxDepth}`)
    const tag = readByte(start)
    const body = start + 1
    switch (tag) {
      case tags.smallInteger:
        return { term: readByte(body), end: body + 1 }
      case tags.integer:
        need(body, 4)
        return { term: bytes.readInt32BE(body), end: body + 4 }
      case tags.float:
        need(body, 8)
        return { term: bytes.readDoubleBE(body), end: body + 8 }
      case tags.smallAtomUtf8:
      case tags.smallAtom: {
        const length = readByte(body)
        const encoding = tag === tags.smallAtomUtf8 ? 'utf8' : 'latin1'
        return { term: new Atom(text(body + 1, length, encoding)), end: body + 1 + length }
      }
      case tags.atomUtf8:
      case tags.atom: {
        const length = readShort(body)
        const encoding = tag === tags.atomUtf8 ? 'utf8' : 'latin1'
        return { term: new Atom(text(body + 2, length, encoding)), end: body + 2 + length }
      }
      case tags.smallTuple:
      case tags.largeTuple: {
        const isSmall = tag === tags.smallTuple
        const count = isSmall ? readByte(body) : readLong(body)
        const { items, end } = readMany(count, body + (isSmall ? 1 : 4), depth)
        return { term: new Tuple(...items), end }
      }
      case tags.nil:
        return { term: [], end: body }
      case tags.string: {
        const length = readShort(body)
        need(body + 2, length)
        seen(length)
        return { term: [...bytes.subarray(body + 2, body + 2 + length)], end: body + 2 + length }
      }
      case tags.list: {
        const { items, end } = readMany(readLong(body), body + 4, depth)
        // What an improper list ends in is of no interest; the end of a proper one is nil.
        return { term: items, end: read(end, depth + 1).end }
      }
      case tags.binary:
      case tags.bitBinary: {
        const before = tag === tags.binary ? 4 : 5
        const end = body + before + readLong(body)
        need(body, end - body)
        return { term: Buffer.from(bytes.subarray(body + before, end)), end }
      }
      case tags.smallBig:
      case tags.largeBig: {
        const isSmall = tag === tags.smallBig
        const length = isSmall ? readByte(body) : readLong(body)
        const sign = body + (isSmall ? 1 : 4)
        need(sign, 1 + length)
        const end = sign + 1 + length
        if (length > maxBigBytes) return { term: new Opaque(Buffer.alloc(0)), end }
        let value = 0n
        for (let index = end - 1; index > sign; index--)
          value = value * 256n + BigInt(bytes[index]!)
        return { term: bytes[sign] === 0 ? value : -value, end }
      }
      case tags.map: {
        const count = readLong(body)
        return opaque(start, 5, 2 * Math.min(count, maxTerms), 0, depth)
      }
      case tags.pid:
        return opaque(start, 1, 1, 9, depth)
      case tags.newPid:
      case tags.v4Port:
        return opaque(start, 1, 1, 12, depth)
      case tags.port:
        return opaque(start, 1, 1, 5, depth)
      case tags.newPort:
        return opaque(start, 1, 1, 8, depth)
      case tags.newReference:
        return opaque(start, 3, 1, 1 + 4 * readShort(body), depth)
      case tags.newerReference:
        return opaque(start, 3, 1, 4 + 4 * readShort(body), depth)
      case tags.export:
        return opaque(start, 1, 3, 0, depth)
      case tags.newFun: {
        // Its size counts itself.
        const end = body + Math.max(4, readLong(body))
        need(start, end - start)
        return { term: new Opaque(Buffer.from(bytes.subarray(start, end))), end }
      }
      default:
        throw malformed(`there is no tag ${tag}`)
    }
  }
  if (readByte(at) !== versionMagic) throw malformed('it does not begin with 131')
  return read(at + 1, 0)
}

function malformed(why: string): ProfilerError {
  return new ProfilerError('SP_TOOL_FAILED', `what the node sent is no Erlang term: ${why}`)
}

/** With the version byte before it. */
export function encodeTerm(term: Term): Buffer {
  return Buffer.concat([Buffer.of(versionMagic), ...pieces(term)])
}

/** `lists:zipwith/3` as a fun: names a function that is there, and carries no code. */
export function externalFun(text: string): Opaque {
  const [module, name, arity] = text.split(/[:/]/) as [string, string, string]
  const parts = [new Atom(module), new Atom(name), Number(arity)].flatMap(each => [...pieces(each)])
  return new Opaque(Buffer.concat([Buffer.of(tags.export), ...parts]))
}

/** A process of a node; of ours there are none, so any number will do. */
export function pidOf(node: string, id: number, creation: number): Opaque {
  const numbers = Buffer.alloc(12)
  numbers.writeUInt32BE(id, 0)
  numbers.writeUInt32BE(creation, 8)
  return new Opaque(Buffer.concat([Buffer.of(tags.newPid), ...pieces(new Atom(node)), numbers]))
}

function* pieces(term: Term): Generator<Buffer> {
  if (term instanceof Opaque) yield term.bytes
  else if (term instanceof Atom) {
    const name = Buffer.from(term.name, 'utf8')
    yield Buffer.of(tags.smallAtomUtf8, name.length)
    yield name
  } else if (term instanceof Tuple) {
    yield Buffer.of(tags.smallTuple, term.items.length)
    for (const item of term.items) yield* pieces(item)
  } else if (typeof term === 'number') yield integerBytes(term)
  else if (Buffer.isBuffer(term)) {
    yield head(tags.binary, term.length)
    yield term
  } else if (typeof term === 'bigint') {
    throw new ProfilerError('SP_INTERNAL', 'nothing that we ask holds a large number')
  } else {
    if (term.length > 0) yield head(tags.list, term.length)
    for (const item of term) yield* pieces(item)
    yield Buffer.of(tags.nil)
  }
}

function integerBytes(value: number): Buffer {
  if (value >= 0 && value < 256) return Buffer.of(tags.smallInteger, value)
  const bytes = Buffer.of(tags.integer, 0, 0, 0, 0)
  bytes.writeInt32BE(value, 1)
  return bytes
}

function head(tag: number, count: number): Buffer {
  const bytes = Buffer.of(tag, 0, 0, 0, 0)
  bytes.writeUInt32BE(count, 1)
  return bytes
}
