// The lines of folded text and of its dialects: frames between semicolons, root
// first, and a number after the last blank.
//
//     main;handle;parse 12
//     main;handle;[libc.so.6] 0.5
//
// A name may hold blanks, so only the last one counts. What a frame's text means
// is the dialect's business: it gives `frameOf`.

import { ProfilerError } from '../errors.ts'
import { ByteTable, hashOf } from './byte-table.ts'
import { type Chunks, newline, wholeLines } from './lines.ts'
import { type Frame, noCaller, type ProfileBuilder } from './profile.ts'

/** The frame that the text between two semicolons stands for. */
export type FrameOf = (text: string, isRoot: boolean) => Frame

const semicolon = 0x3b
const rootTag = 0
const calleeTag = 1

/**
 * Adds every stack to one column, `samples` if no other is named. Blank lines and lines that
 * begin with `# ` are skipped; any other line without a stack and a count is an
 * error, because to drop it would make every other share too large.
 *
 * @param emptyStack what a line is that has a count but no stack, where the dialect has such: it
 *   is counted as lost under this name
 * @throws {ProfilerError} `SP_FOLDED_MALFORMED`, with the line's number.
 */
export async function readFoldedLines(
  chunks: Chunks,
  builder: ProfileBuilder,
  frameOf: FrameOf,
  emptyStack?: string,
  column = builder.column('samples', 'samples'),
): Promise<void> {
  const table = new ByteTable()
  const frameIds: number[] = []
  let lineNumber = 0
  for await (const { bytes, view, end } of wholeLines(chunks)) {
    if (table.isFull) {
      table.clear()
      frameIds.length = 0
    }
    for (let start = 0; start < end; ) {
      const lineEnd = bytes.indexOf(newline, start)
      lineNumber++
      const line = splitLine(bytes, start, lineEnd, lineNumber)
      start = lineEnd + 1
      if (line === undefined) continue
      if (line.end === line.start) {
        if (emptyStack === undefined) throw malformed(lineNumber)
        builder.lose(emptyStack, line.weight)
        continue
      }
      let stack = noCaller
      for (let from = line.start; from <= line.end; ) {
        let at = from
        while (at < line.end && bytes[at] !== semicolon) at++
        const tag = stack === noCaller ? rootTag : calleeTag
        const hash = hashOf(view, from, at, tag)
        let id = table.find(view, from, at, tag, hash)
        if (id < 0) {
          id = table.add(bytes, from, at, tag, hash)
          frameIds[id] = builder.frame(frameOf(bytes.toString('utf8', from, at), tag === rootTag))
        }
        stack = builder.stack(stack, frameIds[id]!)
        from = at + 1
      }
      builder.add(stack, column, line.weight)
    }
  }
}

interface FoldedLine {
  readonly start: number
  readonly end: number
  readonly weight: number
}

/** The stack (which may be empty) and weight of a line, undefined when it says nothing. */
function splitLine(
  bytes: Buffer,
  start: number,
  end: number,
  lineNumber: number,
): FoldedLine | undefined {
  end = withoutBlanks(bytes, start, end)
  if (start === end || isComment(bytes, start)) return undefined
  let blank = end
  while (blank > start && !isBlank(bytes[blank - 1]!)) blank--
  const stackEnd = withoutBlanks(bytes, start, blank)
  const weight = weightAt(bytes, blank, end)
  if (weight === undefined) throw malformed(lineNumber)
  return { start, end: stackEnd, weight }
}

function malformed(lineNumber: number): ProfilerError {
  return new ProfilerError(
    'SP_FOLDED_MALFORMED',
    `line ${lineNumber} of the folded input is not a stack and a count`,
    { facts: { line: lineNumber } },
  )
}

/** True for a line like a folded one; false for any other; undefined for one that says nothing. */
export function isFoldedLine(bytes: Buffer, start: number, end: number): boolean | undefined {
  try {
    const line = splitLine(bytes, start, end, 0)
    return line === undefined ? undefined : line.end > line.start
  } catch {
    return false
  }
}

const weightPattern = /^\d+(?:\.\d+)?$/

function weightAt(bytes: Buffer, start: number, end: number): number | undefined {
  let weight = 0
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - 0x30
    if (digit < 0 || digit > 9) {
      const text = bytes.toString('latin1', start, Math.min(end, start + 400))
      return weightPattern.test(text) ? Number(text) : undefined
    }
    weight = weight * 10 + digit
  }
  // Past 2^53 the sum of digits has been rounded more than once; past 1e308 it is no number.
  if (weight > Number.MAX_SAFE_INTEGER) weight = Number(bytes.toString('latin1', start, end))
  return end > start && Number.isFinite(weight) ? weight : undefined
}

function isComment(bytes: Buffer, start: number): boolean {
  return bytes[start] === 0x23 && isBlank(bytes[start + 1]!)
}

function withoutBlanks(bytes: Buffer, start: number, end: number): number {
  while (end > start && isBlank(bytes[end - 1]!)) end--
  return end
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d
}
