// What async-profiler writes as `collapsed`, with `ann`: folded text in which a
// mark says how a Java frame ran.
//
//     java/lang/Thread.run_[j];com/shop/Cart.total_[1];__memmove_avx_unaligned 12
//     [http-nio-8080-exec-1 tid=71];java/lang/Thread.run_[0] 3
//     com/shop/Cart.total_[j];java.lang.String_[i] 524312
//
// https://github.com/async-profiler/async-profiler/blob/master/docs/OutputFormats.md
//
// The traps: one file has one weight, which it does not name (samples, bytes or
// nanoseconds: it was asked for); and of allocations and locks the leaf is a
// class, marked `_[i]` or `_[k]`, although nothing is inlined and no kernel ran.
//
// Java names are written as people write them, `java.lang.Thread.run`: see `java-names.ts`.

import { readFoldedLines } from './folded-lines.ts'
import { readFrameText } from './frame-text.ts'
import { javaName } from './java-names.ts'
import type { Chunks } from './lines.ts'
import type { Frame, FrameKind, ProfileBuilder } from './profile.ts'

/**
 * What the weights of a file may be. `events` counts allocations or locks, whose leaf is a class, and
 * `samples` everything else.
 */
export const asprofWeights = ['samples', 'events', 'bytes', 'nanoseconds'] as const
export type AsprofWeight = (typeof asprofWeights)[number]

// As the columns of other formats are called.
const columns = {
  samples: ['samples', 'samples'],
  events: ['samples', 'samples'],
  bytes: ['alloc_space', 'bytes'],
  nanoseconds: ['delay', 'nanoseconds'],
} as const

/**
 * Reads async-profiler's collapsed stacks.
 *
 * @throws {ProfilerError} `SP_FOLDED_MALFORMED`, with the line's number.
 */
export function readAsprof(
  chunks: Chunks,
  builder: ProfileBuilder,
  weight: AsprofWeight,
): Promise<void> {
  const frameOf = weight === 'samples' ? readSampled : readOccurred
  const [event, unit] = columns[weight]
  return readFoldedLines(chunks, builder, frameOf, emptyStack, builder.column(event, unit))
}

/** Of events whose stack could not be walked at all. */
const emptyStack = 'without a stack'

const javaKinds: ReadonlyMap<string, FrameKind> = new Map([
  ['_[j]', 'jit'],
  ['_[1]', 'jit'],
  ['_[i]', 'inlined'],
  ['_[0]', 'interpreted'],
])

function readSampled(text: string, isRoot: boolean): Frame {
  const name = text.slice(0, -4)
  const kind = javaKinds.get(text.slice(-4))
  return kind === undefined || name === ''
    ? readFrameText(text, isRoot)
    : { name: javaName(name.replaceAll('/', '.')), kind }
}

function readOccurred(text: string, isRoot: boolean): Frame {
  const name = text.slice(0, -4)
  // `_[k]`: an object that did not fit into the thread's own buffer. It is as Java as the others.
  return classMark.test(text) && isClass(name)
    ? { name: javaName(name), kind: 'jit' }
    : readSampled(text, isRoot)
}

const classMark = /_\[[ik]\]$/

/** A method is written `java/lang/Thread.run`, a class `java.lang.Thread`, `Cart` or `int[]`. */
function isClass(name: string): boolean {
  return !name.includes('/') && (!name.includes('.') || /\[\]$|^(?:[a-z_]\w*\.)+[A-Z]/.test(name))
}
