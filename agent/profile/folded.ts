// Folded stacks: one line for each distinct stack, root first, then its weight.
//
//     shop;main;handle;parse 12
//     shop;main;handle;tcp_sendmsg_[k] 3
//
// This is what every stackcollapse-*.pl prints and flamegraph.pl reads:
// https://github.com/brendangregg/FlameGraph#2-fold-stacks
//
// The format has names and nothing else: no files, no units, no second weight,
// and no way to quote. So printing takes one column, merges what differs only in
// what cannot be said, and makes names safe: a semicolon becomes a colon, as
// perf's own collapsers have it, and a control character or byte order mark becomes U+FFFD.

import { children } from './call-tree.ts'
import { isFoldedLine, readFoldedLines } from './folded-lines.ts'
import { printFrameText, readFrameText } from './frame-text.ts'
import { type Chunks, newline } from './lines.ts'
import { noCaller, type Profile, ProfileBuilder } from './profile.ts'

/**
 * Reads folded text. It does not say what its numbers count: they become `samples`.
 *
 * @throws {ProfilerError} `SP_FOLDED_MALFORMED`, with the line's number.
 */
export function readFolded(chunks: Chunks, builder: ProfileBuilder): Promise<void> {
  return readFoldedLines(chunks, builder, readFrameText)
}

/** True when the first line that says anything is a stack and a count. */
export function detectFolded(head: Uint8Array): boolean | undefined {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  if (bytes.includes(0)) return false
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(newline, start)
    const end = found < 0 ? bytes.length : found
    const answer = isFoldedLine(bytes, start, end)
    // A line that the head cuts proves nothing.
    if (answer !== undefined) return answer || (found < 0 && start === 0 ? undefined : false)
    start = end + 1
  }
  return undefined
}

/** Large enough that writing it is one system call worth making, small enough to forget. */
const pieceLength = 64 * 1024

/**
 * Prints one column as folded text, in pieces, because the whole may be longer
 * than a string can be. The lines stand in the order of `LC_ALL=C sort`, so
 * equal profiles print the same bytes.
 */
export function printFolded(profile: Profile, column = 0): Generator<Buffer, void, void> {
  return printColumns(profile, [profile.columns[column]!.self])
}

/**
 * Prints two columns as difffolded.pl does, `stack before after`, for whatever draws differences.
 * A column that is not there is one of zeros.
 */
export function printFoldedDiff(
  profile: Profile,
  before: number | undefined,
  after: number | undefined,
): Generator<Buffer, void, void> {
  const nothing = new Float64Array(profile.stacks.length)
  const selfOf = (column: number | undefined) => {
    return column === undefined ? nothing : profile.columns[column]!.self
  }
  return printColumns(profile, [selfOf(before), selfOf(after)])
}

function* printColumns(
  profile: Profile,
  columns: readonly Float64Array[],
): Generator<Buffer, void, void> {
  const { names, merged } = mergedByText(profile, columns)
  const { stacks } = merged
  const weightsOf = (node: number) => {
    return merged.columns.map(({ self }) => weightText(self[node]!)).join(' ')
  }
  const hasWeight = (node: number) => merged.columns.some(({ self }) => self[node] !== 0)
  const { firstRoot, firstChild, nextSibling } = children(merged)

  // Depth first. Two siblings' lines can interleave (`a 1`, `a b 1`, `a;c 1`), so a stack's own line and
  // what lies below it are two things to sort and to visit; `~node` is the latter.
  const prefixes: string[] = ['']
  const levels: number[][] = [ordered(firstRoot)]
  let piece = ''
  while (levels.length > 0) {
    const next = levels.at(-1)!.pop()
    const prefix = prefixes.at(-1)!
    if (next === undefined) {
      levels.pop()
      prefixes.pop()
    } else if (next >= 0) {
      piece += `${prefix}${names[stacks.frame[next]!]} ${weightsOf(next)}\n`
      if (piece.length > pieceLength) {
        yield Buffer.from(piece, 'latin1')
        piece = ''
      }
    } else {
      levels.push(ordered(firstChild[~next]!))
      prefixes.push(`${prefix}${names[stacks.frame[~next]!]};`)
    }
  }
  if (piece !== '') yield Buffer.from(piece, 'latin1')

  /** The siblings from `first` on, last line first, because it is popped. */
  function ordered(first: number): number[] {
    const lines: { key: string; node: number }[] = []
    for (let node = first; node >= 0; node = nextSibling[node]!) {
      const name = names[stacks.frame[node]!]!
      if (hasWeight(node)) lines.push({ key: `${name} ${weightsOf(node)}`, node })
      if (firstChild[node]! >= 0) lines.push({ key: `${name};`, node: ~node })
    }
    return lines.sort((a, b) => (a.key < b.key ? 1 : -1)).map(({ node }) => node)
  }
}

/** The trie with one node for each path that can be told apart in text. */
function mergedByText(
  profile: Profile,
  columns: readonly Float64Array[],
): { names: string[]; merged: Profile } {
  const builder = new ProfileBuilder()
  const into = columns.map((_, index) => builder.column(`merged ${index}`, 'count'))
  const names: string[] = []
  const ids = profile.frames.map(frame => {
    const name = safeName(printFrameText(frame))
    const id = builder.frame({ name, kind: 'native' })
    names[id] = name
    return id
  })
  const { length, caller, frame } = profile.stacks
  const mergedInto = new Int32Array(length)
  for (let node = 0; node < length; node++) {
    const from = caller[node]!
    const stack = builder.stack(
      from === noCaller ? noCaller : mergedInto[from]!,
      ids[frame[node]!]!,
    )
    mergedInto[node] = stack
    for (const [index, self] of columns.entries()) builder.add(stack, into[index]!, self[node]!)
  }
  return { names, merged: builder.build() }
}

/** As nearly every name is: nothing to replace, and bytes already. */
const isSafe = /^(?!# )[\x20-\x3a\x3c-\x7e]*[\x21-\x3a\x3c-\x7e]$/
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/g

/**
 * A name that can stand between two semicolons, as UTF-8 bytes in a string of
 * one byte a character: so compared, they sort by byte.
 */
function safeName(name: string): string {
  if (isSafe.test(name)) return name
  const safe = name.replaceAll(';', ':').replace(controls, '\ufffd').replace(/^# /, '#_') // else a comment
  // Blanks at the end would be lost before the count. A pattern would be quadratic in them.
  let end = safe.length
  while (end > 0 && safe[end - 1] === ' ') end--
  return Buffer.from(safe.slice(0, end) || '[unknown]', 'utf8').toString('latin1')
}

/** A number as every reader of folded text takes it: digits and a dot, no exponent. */
function weightText(weight: number): string {
  const text = String(weight)
  if (!text.includes('e')) return text
  return Number.isInteger(weight) ? String(BigInt(weight)) : weight.toFixed(20).replace(/0+$/, '')
}
