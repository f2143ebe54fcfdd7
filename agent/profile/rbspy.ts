// What `rbspy record --format collapsed` writes: folded text in which a frame
// says its file and the line that it was at.
//
//     <main> - /app/shop.rb:40;Cart#total - /app/shop.rb:12;sum [c function] - (unknown) 30
//
// The code that writes it is https://github.com/rbspy/rbspy/blob/main/src/core/types.rs
//
// Its traps: nothing is escaped, so the name of a method may hold semicolons,
// newlines and ` - `, and so may a file's path. A line is where the frame was at
// that moment, so one method has as many frames as it has lines: they are put
// together again, by leaving the line out. `(unknown)` is where the file of a C
// function would be: those are known to be C, and no frames without a name. Where
// libruby has no local symbols, rbspy cannot tell which: they are called by the
// method that called them, because a picture whose widest leaf is `(unknown)` says nothing.

import { readFoldedLines } from './folded-lines.ts'
import { type Chunks, wholeLines } from './lines.ts'
import type { Frame, ProfileBuilder } from './profile.ts'

/**
 * Reads rbspy's collapsed format.
 *
 * @throws {ProfilerError} `SP_FOLDED_MALFORMED`, with the line's number.
 */
export function readRbspy(chunks: Chunks, builder: ProfileBuilder): Promise<void> {
  return readFoldedLines(withoutSemicolons(chunks), builder, readRbspyFrame)
}

/** True when the first line is a stack of which every frame has its place, and so do most of the others. */
export function detectRbspy(head: Uint8Array): boolean | undefined {
  const text = new TextDecoder().decode(head)
  // The last line may be cut by where the head ends.
  const lines = text.split('\n').slice(0, text.endsWith('\n') ? undefined : -1)
  const stacks = lines.filter(line => line.trim() !== '')
  if (stacks.length === 0) return undefined
  // A path may hold newlines, so some lines are only a part of one.
  const most = stacks.filter(isStack).length >= stacks.length / 2
  return (
    most &&
    stacks[0]!
      .replace(/ \d+\r?$/, '')
      .split(';')
      .every(isFrame)
  )
}

function isStack(line: string): boolean {
  return /(?::\d+|- \(unknown\)) \d+\r?$/.test(line) && line.includes(separator)
}

function isFrame(text: string): boolean {
  return frameEnd.test(text) && text.includes(separator)
}

const frameEnd = /(?::\d+|- \(unknown\))$/

function readRbspyFrame(text: string): Frame {
  if (text.endsWith(endInC)) {
    const name = text.slice(0, -endInC.length).trim()
    return { name: name === unknownPlace || name === '' ? '(C function)' : name, kind: 'native' }
  }
  const at = placeOf(text)
  const name = nameOf(text).trim()
  if (name === '') return { name: '[unknown]', kind: 'unknown', reason: 'unnamed by the tool' }
  const file = at < 0 ? evaluated : text.slice(at + separator.length).replace(/:\d+$/, '')
  const hasFile = file !== evaluated && file !== unknownPlace
  return { name, kind: 'interpreted', ...(hasFile && { file }) }
}

const separator = ' - '
const unknownPlace = '(unknown)'
/** The file of what `eval` was given. */
const evaluated = 'unknown'
const endInC = ` [c function]${separator}${unknownPlace}`
const unnamedInC = `${unknownPlace}${endInC}`

function nameOf(frame: string): string {
  const at = placeOf(frame)
  return at < 0 ? frame : frame.slice(0, at)
}

/**
 * Where the name ends. A path that is absolute, or one of the interpreter's own
 * (`<internal:kernel>`, `(eval at …)`), says so by its first letter: it begins at
 * the first place that looks like one, for ` - ` in a folder's name is likelier
 * than ` - /` in a method's. Of a relative path only the last ` - ` is known.
 */
function placeOf(text: string): number {
  const sure = text.search(/ - (?:\/|<internal:|\((?:unknown\)$|eval))/)
  return sure >= 0 ? sure : text.lastIndexOf(separator)
}

/**
 * The same lines, each a whole stack, with `:` for every semicolon that does not
 * stand between two frames, and as many lines as before.
 */
async function* withoutSemicolons(chunks: Chunks): AsyncGenerator<Uint8Array> {
  let open = ''
  let joined = 0
  for await (const { bytes, end } of wholeLines(chunks)) {
    let out = ''
    for (const line of bytes.toString('utf8', 0, end - 1).split('\n')) {
      const text = open === '' ? line : `${open} ${line}`
      if (text.trim() !== '' && !isStack(text) && joined < maxJoined && text.length < maxOpen) {
        open = text
        joined++
        continue
      }
      out += joinFrames(text) + '\n'.repeat(joined + 1)
      open = ''
      joined = 0
    }
    yield Buffer.from(out)
  }
  // What is open now is no stack; the reader of lines will say so.
  if (open !== '') yield Buffer.from(`${open}\n`)
}

// Nobody names a method over several lines but to try it; a stack of 500 frames has some 50 KiB.
const maxJoined = 100
const maxOpen = 4 << 20

function joinFrames(line: string): string {
  const frames: string[] = []
  let open: string[] = []
  let hasPlace = false
  let caller = ''
  const close = () => {
    const frame = open.join(':')
    if (frame.startsWith(unnamedInC)) {
      frames.push(
        caller === '' ? frame : `(C of ${nameOf(caller)})${frame.slice(unknownPlace.length)}`,
      )
    } else {
      frames.push(frame)
      // The name's place is not looked for before a C function asks for it.
      if (!frame.includes(endInC)) caller = frame
    }
    open = []
    hasPlace = false
  }
  for (const piece of line.split(';')) {
    open.push(piece)
    hasPlace ||= piece.includes(separator)
    if (hasPlace && frameEnd.test(piece)) close()
  }
  // The leaf, which ends in the count.
  if (open.length > 0) close()
  return frames.join(';')
}
