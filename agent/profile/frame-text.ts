// How a frame is written as one word: its name, and a mark for how it ran.
//
//     tcp_sendmsg_[k]   kernel
//     Cart.total_[j]    compiled at run time
//     fast_path_[i]     inlined into its caller
//     [libc.so.6]       an address in a module that has no name for it
//
// These are the marks of stackcollapse-perf.pl and async-profiler, and every
// flame graph tool colours by them. `_[0]` (interpreted) and `_[1]` (compiled by
// the first tier) are async-profiler's; we read them and do not print them,
// because other tools would show them as part of the name.

import type { Frame, FrameKind } from './profile.ts'

const kinds: ReadonlyMap<string, FrameKind> = new Map([
  ['_[k]', 'kernel'],
  ['_[j]', 'jit'],
  ['_[i]', 'inlined'],
  ['_[0]', 'interpreted'],
  ['_[1]', 'jit'],
])

const printedMarks: Partial<Record<FrameKind, string>> = {
  kernel: '_[k]',
  jit: '_[j]',
  inlined: '_[i]',
}

/** For where people do not look: every kind but `native` has a mark. The last two are ours. */
const exactMarks: Partial<Record<FrameKind, string>> = {
  ...printedMarks,
  interpreted: '_[0]',
  thread: '_[thread]',
  unknown: '_[unknown]',
}
const exactKinds = new Map(
  Object.entries(exactMarks).map(([kind, mark]) => [mark, kind as FrameKind]),
)

/** What py-spy and async-profiler call a thread or a process when they stand at the root. */
const thread = /^(?:thread \([^)]*\)|process \d+\b|\[(?:.* )?tid=\d+\]$)/s

/** `[libc.so.6]`, but not `[GC active]`, which is a phase and has a name. */
const unnamed = /^\[[^\s[\]]+\]$/

export function readFrameText(text: string, isRoot: boolean): Frame {
  const kind = text.length > 4 ? kinds.get(text.slice(-4)) : undefined
  if (kind !== undefined) {
    const name = text.slice(0, -4)
    return unnamed.test(name) ? unknownFrame(name) : { name, kind }
  }
  if (isRoot && thread.test(text)) return { name: text, kind: 'thread' }
  if (text === '') return unknownFrame('[unknown]')
  return unnamed.test(text) ? unknownFrame(text) : { name: text, kind: 'native' }
}

export function printFrameText({ name, kind }: Frame): string {
  return name + (printedMarks[kind] ?? '')
}

/** The mark of a kind for where people do not look, empty for `native`. */
export function exactMark(kind: FrameKind): string {
  return exactMarks[kind] ?? ''
}

export function kindOfMark(mark: string): FrameKind | undefined {
  return exactKinds.get(mark)
}

function unknownFrame(name: string): Frame {
  return { name, kind: 'unknown', reason: 'unnamed by the tool' }
}
