// What our own client of the Erlang distribution writes (`capture/erl-dist.ts`): a line
// that says so, then one for each different sample, as JSON.
//
//     {"format":"erl-dist","version":1,"mode":"cpu"}
//     [12,"running","shop:total/2 src/shop.erl","gen_server:loop/7 gen_server.erl"]
//
// How often it was seen, the status of the process, and its stack, the leaf first. A
// frame is a function, and behind a blank its file.
//
// A process that waits has `(waiting)` for its leaf: what it does in the function
// that it is in. The traps: a node cuts its stacks at eight frames (backtrace_depth),
// and what is that deep stands under a root of its own, for who called it is not
// known; and a process that hibernates has thrown its stack away.

import { ProfilerError } from '../errors.ts'
import { type Chunks, newline, wholeLines } from './lines.ts'
import { type Frame, noCaller, type ProfileBuilder } from './profile.ts'

/** @throws {ProfilerError} `SP_ERL_DIST_MALFORMED`, with the line's number */
export async function readErlDist(chunks: Chunks, builder: ProfileBuilder): Promise<void> {
  const column = builder.column('samples', 'samples')
  const cut = builder.frame(cutFrame)
  let number = 0
  let isCut = false
  for await (const { bytes, end } of wholeLines(chunks)) {
    for (let start = 0; start < end; ) {
      const lineEnd = bytes.indexOf(newline, start)
      const text = bytes.toString('utf8', start, lineEnd)
      start = lineEnd + 1
      number++
      if (text.trim() === '') continue
      if (number === 1) {
        checkHead(text)
        continue
      }
      const { count, status, frames } = readLine(text, number)
      const isWaiting = status === 'waiting'
      if (frames.length === 0) {
        if (isWaiting) frames.push('erlang:hibernate/3')
        else {
          builder.lose('of processes that show no stack', count)
          continue
        }
      }
      let stack = noCaller
      if (frames.length >= backtraceDepth) {
        stack = builder.stack(stack, cut)
        isCut = true
      }
      for (const frame of frames.toReversed()) {
        stack = builder.stack(stack, builder.frame(readFrame(frame)))
      }
      if (isWaiting) stack = builder.stack(stack, builder.frame(waitingFrame))
      builder.add(stack, column, count)
    }
  }
  if (number === 0) throw malformed(1)
  if (isCut) {
    builder.note(
      `The node cuts its stacks at ${backtraceDepth} frames (backtrace_depth): what is cut has lost its callers.`,
    )
  }
}

/** By its first line. */
export function detectErlDist(head: Uint8Array): boolean | undefined {
  const text = new TextDecoder().decode(head.subarray(0, signature.length))
  if (text === signature) return true
  return signature.startsWith(text) ? undefined : false
}

const signature = '{"format":"erl-dist",'
const backtraceDepth = 8
const cutFrame: Frame = {
  name: '[cut by the node]',
  kind: 'unknown',
  reason: 'unnamed by the tool',
}

/** As `profile/marks.ts` knows it. */
const waitingFrame: Frame = { name: '(waiting)', kind: 'native' }

function checkHead(text: string): void {
  const head = parse(text, 1)
  const fields = typeof head === 'object' && head !== null ? head : {}
  const { format, version } = fields as Record<string, unknown>
  if (format !== 'erl-dist' || version !== 1) throw malformed(1)
}

function readLine(text: string, line: number) {
  const value = parse(text, line)
  if (!Array.isArray(value)) throw malformed(line)
  const [count, status, ...frames] = value as unknown[]
  const isCount = typeof count === 'number' && Number.isFinite(count) && count >= 0
  if (!isCount || typeof status !== 'string') throw malformed(line)
  if (!frames.every(frame => typeof frame === 'string' && frame !== '')) throw malformed(line)
  return { count, status, frames: frames as string[] }
}

function parse(text: string, line: number): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw malformed(line)
  }
}

function malformed(line: number): ProfilerError {
  return new ProfilerError(
    'SP_ERL_DIST_MALFORMED',
    `line ${line} of the samples of an Erlang node is none`,
    { facts: { line } },
  )
}

function readFrame(text: string): Frame {
  const blank = text.indexOf(' ')
  return blank <= 0
    ? { name: text.trim() || '[unknown]', kind: 'jit' }
    : { name: text.slice(0, blank), kind: 'jit', file: text.slice(blank + 1) }
}
