// The text that `perf script` prints: a line for each sample, a line for each of
// its frames, innermost first, and a blank line.
//
//     shop  1234/1240 [003]   921.637786:     200040 cpu-clock:
//                d4748 checkout(int, int) (/srv/shop/shop)
//                87a41 main (/srv/shop/shop)
//
// There is no specification but builtin-script.c:
// https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/tools/perf/builtin-script.c
//
// Nothing is quoted and everything can hold blanks; what makes a line a frame or
// an event is where it stands. The traps that other folders fell into are the
// tests of this file, each by name.
//
// It is the hot path of every capture that somebody else recorded, a hundred
// bytes a frame and a hundred megabytes a capture. So one pass finds the line's
// end and hashes `symbol (module)`, and only text not seen before becomes a string.

import { ProfilerError } from '../errors.ts'
import { ByteTable, endHash, hashOf, keepBytes, mixHash, startHash } from './byte-table.ts'
import { type Chunks, type LineBlock, newline, wholeLines } from './lines.ts'
import { emptyEventLine, readEventLine } from './perf-script-event.ts'
import { readPerfScriptFrame } from './perf-script-frame.ts'
import { PrintedSample } from './perf-script-sample.ts'
import { noCaller, type ProfileBuilder } from './profile.ts'

/**
 * Reads `perf script` text. Each event is a column of samples and, when
 * printed, one of its period.
 *
 * @throws {ProfilerError} `SP_PERF_SCRIPT_MALFORMED` when no line begins a sample.
 */
export async function readPerfScript(chunks: Chunks, builder: ProfileBuilder): Promise<void> {
  const reader = new PerfScriptReader(builder)
  for await (const block of wholeLines(chunks)) reader.read(block)
  reader.finish()
}

/** True when the first line that says anything begins a sample. */
export function detectPerfScript(head: Uint8Array): boolean | undefined {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  const event = emptyEventLine()
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(newline, start)
    const end = found < 0 ? bytes.length : found
    if (!isBlankLine(bytes, start, end) && !isComment(bytes, start)) {
      if (!readEventLine(bytes, start, end, event)) return false
      // Without a time the line proves little; the frame that must follow proves the rest.
      return event.hasTime || /^\s+[0-9a-f]+\s/.test(bytes.toString('latin1', end + 1, end + 64))
    }
    start = end + 1
  }
  return undefined
}

// What the tags of the one table stand for.
const userFrame = 0
const kernelFrame = 1
const comm = 2
const event = 3

/** What a line means that is no single frame: nothing, or `expansions[-2 - value]`. */
const noFrame = -1

const isHexDigit = new Uint8Array(256)
for (const digit of Buffer.from('0123456789abcdefABCDEF')) isHexDigit[digit] = 1

/** A tracepoint's payload is not a frame, whatever it says: only an address and a module are. */
const oneFrame = /^[0-9a-f]+ .*\)\s*$/s

/** perf's own marks between kernel and user frames: the last 4095 addresses. */
const contextMark = /^f{13}(?!000)[0-9a-f]{3}$/

class PerfScriptReader {
  readonly #builder: ProfileBuilder
  readonly #table = new ByteTable()
  /** What an id of the table means: a frame, the root stack of a comm, or an event of the sample. */
  #meaning = new Int32Array(1 << 13)
  #expansions: number[][] = []
  readonly #line = emptyEventLine()
  readonly #sample: PrintedSample

  /** The whole sample stood on one line, so what is indented next is not its frame. */
  #isWhole = false
  /** Set by perf's marks: everything until the next mark is of the kernel, or of the user. */
  #context: boolean | undefined
  /** Lines that are neither sample nor frame. */
  #strange = 0
  #sawBlank = false
  #isCut = false

  constructor(builder: ProfileBuilder) {
    this.#builder = builder
    this.#sample = new PrintedSample(builder)
  }

  read({ bytes, view, end, unfinished }: LineBlock): void {
    // It is a cache; the frames that it led to stay in the builder.
    if (this.#table.isFull) {
      this.#table.clear()
      this.#expansions = []
    }
    for (let start = 0; start < end; ) {
      if (this.#sample.isOpen && !this.#isWhole && isBlank(bytes[start]!)) {
        const next = this.#frameLine(bytes, view, start, unfinished ? end : 0)
        if (next > 0) {
          start = next
          continue
        }
      }
      const next = bytes.indexOf(newline, start) + 1
      this.#otherLine(bytes, view, start, next - 1, unfinished && next === end)
      start = next
    }
  }

  finish(): void {
    const builder = this.#builder
    const sample = this.#sample
    // A sample without frames is real, unless what was cut off are its frames.
    if (sample.isOpen && sample.depth === 0 && this.#sawBlank) this.#isCut = true
    if (this.#isCut) {
      builder.lose('cut off at the end of the input', 1)
      builder.note(`The perf script text is cut: truncated input, ${sample.kept} samples kept.`)
    } else {
      sample.end()
    }
    const strange = `${this.#strange} lines of the perf script text`
    if (sample.kept === 0 && this.#strange > 0) {
      const message = `none of the ${strange} begins a sample`
      throw new ProfilerError('SP_PERF_SCRIPT_MALFORMED', message)
    }
    if (this.#strange > 0) builder.note(`${strange} are neither sample nor frame.`)
    sample.putInto(builder)
  }

  /** Reads a frame and returns where the next line starts; 0 when the line is no frame. */
  #frameLine(bytes: Buffer, view: DataView, start: number, cutAt: number): number {
    let at = start
    while (isBlank(bytes[at]!)) at++
    const address = at
    while (isHexDigit[bytes[at]!] === 1) at++
    const digits = at - address
    if (digits === 0 || bytes[at]! > 0x20) return 0
    if (digits === 16 && this.#isContextMark(bytes, address)) return bytes.indexOf(newline, at) + 1
    const isKernel = this.#context ?? (digits === 16 && bytes[address]! >= 0x38)
    const tag = isKernel ? kernelFrame : userFrame

    // Hash word by word until one holds a newline; the trick for that is the zero-byte test of
    // https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord
    const text = at
    let hash = startHash(tag)
    let word = view.getInt32(at, true)
    let zeros = newlinesIn(word)
    while (zeros === 0) {
      hash = mixHash(hash, word)
      at += 4
      word = view.getInt32(at, true)
      zeros = newlinesIn(word)
    }
    const tail = (31 - Math.clz32(zeros & -zeros)) >> 3
    if (tail > 0) hash = mixHash(hash, word & keepBytes(tail))
    hash = endHash(hash)
    const end = at + tail

    let id = this.#table.find(view, text, end, tag, hash)
    if (id < 0) {
      const line = bytes.toString('utf8', text, end)
      if (end + 1 === cutAt && !line.trimEnd().endsWith(')')) {
        this.#isCut = true
        return end + 1
      }
      id = this.#table.add(bytes, text, end, tag, hash)
      this.#setMeaning(id, this.#frames(line, isKernel))
    }
    this.#push(this.#meaning[id]!)
    return end + 1
  }

  #push(meaning: number): void {
    if (meaning >= 0) this.#sample.push(meaning)
    else if (meaning !== noFrame) {
      for (const frame of this.#expansions[-2 - meaning]!) this.#sample.push(frame)
    }
  }

  #frames(line: string, isKernel: boolean): number {
    const frames = readPerfScriptFrame(line, isKernel).map(frame => this.#builder.frame(frame))
    if (frames.length === 0) return noFrame
    if (frames.length === 1) return frames[0]!
    return -2 - (this.#expansions.push(frames.reverse()) - 1)
  }

  #isContextMark(bytes: Buffer, address: number): boolean {
    if (bytes[address + 12] !== 0x66) return false
    const text = bytes.toString('latin1', address, address + 16)
    if (!contextMark.test(text)) return false
    // PERF_CONTEXT_HV, _KERNEL and their guest twins against _USER: linux/perf_event.h.
    this.#context = !(text.endsWith('e00') || text.endsWith('600'))
    return true
  }

  /** A line that is no frame of the open sample. */
  #otherLine(bytes: Buffer, view: DataView, start: number, end: number, isCut: boolean): void {
    if (isBlankLine(bytes, start, end)) {
      // Blanks that the input ends in were to be a frame.
      if (isCut) this.#isCut = this.#sample.isOpen && !this.#isWhole
      else this.#endSample()
      return
    }
    if (isComment(bytes, start)) return
    if (!readEventLine(bytes, start, end, this.#line)) {
      this.#strangeLine(bytes, view, start, end, isCut)
      return
    }
    const { eventStart, restStart } = this.#line
    const text = bytes.toString('latin1', eventStart, Math.min(end, eventStart + 64))
    if (text.startsWith('PERF_RECORD_')) this.#record(text)
    else this.#beginSample(bytes, view, bytes.toString('latin1', restStart, end), isCut)
  }

  #strangeLine(bytes: Buffer, view: DataView, start: number, end: number, isCut: boolean): void {
    if (this.#isWhole && isBlank(bytes[start]!)) {
      // Frames follow, so what looked like a frame behind the event was a payload.
      this.#sample.depth = 0
      this.#isWhole = false
      if (this.#frameLine(bytes, view, start, isCut ? end + 1 : 0) > 0) return
    }
    if (isCut) this.#isCut = true
    else this.#strange++
  }

  #endSample(): void {
    this.#sample.end()
    this.#sawBlank = true
    this.#isWhole = false
    this.#context = undefined
  }

  /** Begins the sample of `#line`; `rest` is what follows the event. */
  #beginSample(bytes: Buffer, view: DataView, rest: string, isCut: boolean): void {
    const { eventStart, eventEnd, restStart, period } = this.#line
    this.#sample.end()
    this.#isWhole = false
    this.#context = undefined
    // Where samples have frames below them, an event that the input ends in has lost its own.
    const mayBeAll = eventEnd > eventStart && !this.#sawBlank
    const isFrame = oneFrame.test(rest)
    if (isCut && !mayBeAll && !isFrame) {
      this.#isCut = true
      return
    }
    this.#sample.begin(this.#rootOf(bytes, view), this.#eventOf(bytes, view), period)
    if (!isFrame) return
    const cutAt = isCut ? restStart + rest.length + 1 : 0
    this.#isWhole = this.#frameLine(bytes, view, restStart - 1, cutAt) > 0
  }

  /** Lost samples are the only side-band record that a picture must know of. */
  #record(text: string): void {
    const lost = /^PERF_RECORD_LOST(?:_SAMPLES)?\s+lost\s+(\d+)/.exec(text)
    if (lost) this.#builder.lose('lost by the kernel', Number(lost[1]))
  }

  #rootOf(bytes: Buffer, view: DataView): number {
    const { commStart: start, commEnd: end, tid } = this.#line
    const hash = hashOf(view, start, end, comm)
    let id = this.#table.find(view, start, end, comm, hash)
    if (id < 0) {
      id = this.#table.add(bytes, start, end, comm, hash)
      // An empty comm is what perf itself prints as the tid.
      const name = bytes.toString('utf8', start, end).replaceAll(' ', '_') || `:${tid}`
      this.#setMeaning(
        id,
        this.#builder.stack(noCaller, this.#builder.frame({ name, kind: 'thread' })),
      )
    }
    return this.#meaning[id]!
  }

  #eventOf(bytes: Buffer, view: DataView): number {
    const { eventStart: start, eventEnd: end } = this.#line
    const hash = hashOf(view, start, end, event)
    let id = this.#table.find(view, start, end, event, hash)
    if (id < 0) {
      id = this.#table.add(bytes, start, end, event, hash)
      this.#setMeaning(id, this.#sample.event(bytes.toString('utf8', start, end) || 'samples'))
    }
    return this.#meaning[id]!
  }

  #setMeaning(id: number, meaning: number): void {
    if (id >= this.#meaning.length) {
      const grown = new Int32Array(this.#meaning.length * 2)
      grown.set(this.#meaning)
      this.#meaning = grown
    }
    this.#meaning[id] = meaning
  }
}

function newlinesIn(word: number): number {
  const x = word ^ 0x0a0a0a0a
  return (x - 0x01010101) & ~x & 0x80808080
}

/** perf writes `# ` and a fact, or `#` alone; a comm may begin with `#` too. */
function isComment(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0x23 && bytes[at + 1]! <= 0x20
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09
}

function isBlankLine(bytes: Buffer, start: number, end: number): boolean {
  while (start < end && (isBlank(bytes[start]!) || bytes[start] === 0x0d)) start++
  return start === end
}
