// speedscope's own format, which py-spy, rbspy and many others export:
// https://github.com/jlfwong/speedscope/blob/main/src/lib/file-format-spec.ts
//
// One list of frames, and profiles that point into it: `sampled` (stacks, root
// first, and their weights) or `evented` (frames that open and close in time).
// A file may hold several profiles, one a thread as a rule: each is put under a
// frame with its name.
//
// The schema forbids further properties, so a frame's kind is a mark on its name,
// as in folded text, and a module stands where a source file would, without a line.
// Our columns are profiles named `cpu-clock (nanoseconds)`; a file that says we
// exported it is read back so.

import { ProfilerError } from '../errors.ts'
import { printFrameText, readFrameText } from './frame-text.ts'
import { isNumbers, isRecord, readJson, textOf, topLevelKeys } from './json.ts'
import type { Chunks } from './lines.ts'
import { type Frame, noCaller, type Profile, type ProfileBuilder, type Unit } from './profile.ts'

const exporter = 'sp-flamegraph'
const schema = 'https://www.speedscope.app/file-format-schema.json'

/**
 * Reads a speedscope file. Times become nanoseconds.
 *
 * @throws {ProfilerError} `SP_SPEEDSCOPE_MALFORMED`, or `SP_LIMIT` above 256 MiB.
 */
export async function readSpeedscope(chunks: Chunks, builder: ProfileBuilder): Promise<void> {
  const root = await readJson(chunks, 'SP_SPEEDSCOPE_MALFORMED')
  if (!isRecord(root)) throw malformed('it is not an object')
  const { shared, profiles } = root
  if (!isRecord(shared) || !Array.isArray(shared['frames'])) throw malformed('it has no frames')
  if (!Array.isArray(profiles) || profiles.length === 0) throw malformed('it has no profiles')
  const isOurs = root['exporter'] === exporter
  const frames = shared['frames'].map(item => readFrame(item, isOurs))
  for (const profile of profiles) {
    if (!isRecord(profile)) throw malformed('a profile is not an object')
    const name = textOf(profile['name'])
    const root = isOurs || profiles.length === 1 ? noCaller : threadStack(name, builder)
    const into = newWeights(profile, isOurs, frames, root, builder)
    if (profile['type'] === 'sampled') readSampled(profile, into)
    else if (profile['type'] === 'evented') readEvented(profile, into)
    else throw malformed('a profile is neither sampled nor evented')
    if (into.lost > 0) builder.lose('without a stack', into.lost)
  }
}

export function detectSpeedscope(head: Uint8Array): boolean | undefined {
  const keys = topLevelKeys(head)
  if (keys === undefined) return head.length === 0 ? undefined : false
  if (keys.has('shared') || keys.has('profiles')) return true
  return keys.has('nodes') || keys.has('head') ? false : undefined
}

function malformed(why: string): ProfilerError {
  return new ProfilerError('SP_SPEEDSCOPE_MALFORMED', `the speedscope file is malformed: ${why}`)
}

function threadStack(name: string, builder: ProfileBuilder): number {
  return builder.stack(noCaller, builder.frame({ name: name || '[unnamed]', kind: 'thread' }))
}

function readFrame(item: unknown, isOurs: boolean): { frame: Frame; asRoot: Frame } {
  if (!isRecord(item)) throw malformed('a frame is not an object')
  const { name, file, line } = item
  const path = textOf(file)
  const hasLine = typeof line === 'number' && line > 0
  const place = {
    ...(path !== '' && (isOurs && !hasLine ? { module: path } : { file: path })),
    ...(hasLine && { line }),
  }
  const text = textOf(name)
  return {
    frame: { ...readFrameText(text, false), ...place },
    asRoot: { ...readFrameText(text, true), ...place },
  }
}

interface Weights {
  /** The stack of `frame` called by `caller`. */
  stack(caller: number, frame: unknown): number
  /** Adds to a stack; what has none is counted. */
  add(stack: number, weight: unknown): void
  readonly root: number
  lost: number
}

function newWeights(
  profile: Record<string, unknown>,
  isOurs: boolean,
  frames: readonly { frame: Frame; asRoot: Frame }[],
  root: number,
  builder: ProfileBuilder,
): Weights {
  const { event, unit, scale } = measureOf(profile, isOurs)
  const column = builder.column(event, unit)
  const ids = new Int32Array(frames.length).fill(-1)
  const rootIds = new Int32Array(frames.length).fill(-1)
  return {
    root,
    lost: 0,
    stack(caller, index) {
      const known = caller === noCaller ? rootIds : ids
      if (typeof index !== 'number' || known[index] === undefined) {
        throw malformed(`there is no frame ${typeof index === 'number' ? index : 'of that index'}`)
      }
      if (known[index] < 0) {
        const { frame, asRoot } = frames[index]!
        known[index] = builder.frame(caller === noCaller ? asRoot : frame)
      }
      return builder.stack(caller, known[index])
    },
    add(stack, weight) {
      if (typeof weight !== 'number') throw malformed('a weight is not a number')
      if (stack === root) this.lost += weight > 0 ? 1 : 0
      else builder.add(stack, column, weight * scale)
    },
  }
}

const ourColumn = /^(?<event>.*) \((?<unit>samples|nanoseconds|bytes|count)\)$/s

function measureOf(
  { name, unit }: Record<string, unknown>,
  isOurs: boolean,
): { event: string; unit: Unit; scale: number } {
  const ours = isOurs ? ourColumn.exec(textOf(name))?.groups : undefined
  if (ours) return { event: ours['event']!, unit: ours['unit'] as Unit, scale: 1 }
  const known = units.get(textOf(unit))
  if (known === undefined) throw malformed('a profile has a unit that the format does not know')
  return { event: 'samples', ...known }
}

const units: ReadonlyMap<string, { unit: Unit; scale: number }> = new Map([
  ['none', { unit: 'samples', scale: 1 }],
  ['bytes', { unit: 'bytes', scale: 1 }],
  ['nanoseconds', { unit: 'nanoseconds', scale: 1 }],
  ['microseconds', { unit: 'nanoseconds', scale: 1e3 }],
  ['milliseconds', { unit: 'nanoseconds', scale: 1e6 }],
  ['seconds', { unit: 'nanoseconds', scale: 1e9 }],
] as const)

function readSampled(profile: Record<string, unknown>, into: Weights): void {
  const { samples, weights } = profile
  if (!Array.isArray(samples)) throw malformed('a sampled profile has no samples')
  if (!isNumbers(weights) || weights.length !== samples.length) {
    throw malformed(`${samples.length} samples have not as many weights`)
  }
  for (const [index, sample] of samples.entries()) {
    if (!Array.isArray(sample)) throw malformed('a sample is not a list of frames')
    let stack = into.root
    for (const frame of sample) stack = into.stack(stack, frame)
    into.add(stack, weights[index])
  }
}

function readEvented({ events, startValue }: Record<string, unknown>, into: Weights): void {
  if (!Array.isArray(events)) throw malformed('an evented profile has no events')
  const open: { frame: unknown; stack: number }[] = []
  let since = typeof startValue === 'number' ? startValue : 0
  for (const event of events) {
    if (!isRecord(event) || typeof event['at'] !== 'number') throw malformed('an event has no time')
    const { type, at, frame } = event
    if (at < since) throw malformed('an event is earlier than the one before it')
    const top = open.at(-1)
    // Time between frames is no loss: nothing was running.
    if (top !== undefined && at > since) into.add(top.stack, at - since)
    since = at
    if (type === 'O') open.push({ frame, stack: into.stack(top?.stack ?? into.root, frame) })
    else if (type === 'C' && top?.frame === frame) open.pop()
    else throw malformed('an event closes a frame that is not the innermost')
  }
}

/** Large enough that writing it is one system call worth making, small enough to forget. */
const pieceLength = 64 * 1024

/** Prints every column as a sampled profile, in pieces. */
export function* printSpeedscope(profile: Profile, name = exporter): Generator<Buffer, void, void> {
  let piece = ''
  for (const text of speedscopeText(profile, name)) {
    piece += text
    if (piece.length < pieceLength) continue
    yield Buffer.from(piece)
    piece = ''
  }
  yield Buffer.from(piece)
}

function* speedscopeText(profile: Profile, name: string): Generator<string, void, void> {
  const { frames, stacks, columns } = profile
  yield `{"$schema":"${schema}","exporter":"${exporter}","name":${JSON.stringify(name)},`
  yield '"activeProfileIndex":0,"shared":{"frames":['
  for (const [index, frame] of frames.entries()) {
    yield (index === 0 ? '' : ',') + JSON.stringify(printedFrame(frame))
  }
  yield ']},"profiles":['
  for (const [index, { event, unit, self }] of columns.entries()) {
    const unitText = unit === 'samples' || unit === 'count' ? 'none' : unit
    const total = self.reduce((sum, weight) => sum + weight, 0)
    yield `${index === 0 ? '' : ','}{"type":"sampled","name":${JSON.stringify(`${event} (${unit})`)},`
    yield `"unit":"${unitText}","startValue":0,"endValue":${total},"samples":[`
    const leaves = new Int32Array(stacks.length)
      .map((_, node) => node)
      .filter(node => self[node] !== 0)
    for (const [at, leaf] of leaves.entries()) {
      yield `${at === 0 ? '' : ','}[${pathTo(leaf, profile).join(',')}]`
    }
    yield '],"weights":['
    for (const [at, leaf] of leaves.entries()) yield (at === 0 ? '' : ',') + self[leaf]
    yield ']}'
  }
  yield ']}\n'
}

function printedFrame(frame: Frame): { name: string; file?: string; line?: number } {
  const file = frame.file ?? frame.module
  return {
    name: printFrameText(frame),
    ...(file !== undefined && { file }),
    ...(frame.file !== undefined && frame.line !== undefined && { line: frame.line }),
  }
}

function pathTo(leaf: number, { stacks }: Profile): number[] {
  const path: number[] = []
  for (let node = leaf; node !== noCaller; node = stacks.caller[node]!)
    path.push(stacks.frame[node]!)
  return path.reverse()
}
