// V8's .cpuprofile: what `node --cpu-prof`, Chrome and the Profiler domain of
// the inspector give. https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile
//
// A tree of functions, and for each tick of the sampler the id of a node and the
// microseconds since the tick before. So a sample stands for the time until the
// *next* one; the last one for what is left until the end.
//
// Files before Node 8 nest the tree under `head`, may have `timestamps` for
// deltas, and say function, url and line on the node itself.
//
// V8 does not say which of its tiers ran a function. All of them are compiled at
// run time in the end, so functions of a script are `jit`; what has no script
// (built-ins, the garbage collector, `(program)`) is `native`.
//
// `(idle)` is no work and is left out, with a note; the other two stay. In a profile
// of all time it stays as well.

import { fileURLToPath } from 'node:url'
import { ProfilerError } from '../errors.ts'
import { isNumbers, isRecord, readJson, textOf, topLevelKeys } from './json.ts'
import type { Chunks } from './lines.ts'
import { type Frame, noCaller, type ProfileBuilder } from './profile.ts'

/**
 * Reads a .cpuprofile: nanoseconds first, then samples.
 *
 * @throws {ProfilerError} `SP_CPUPROFILE_MALFORMED`, or `SP_LIMIT` above 256 MiB.
 */
export async function readCpuProfile(chunks: Chunks, builder: ProfileBuilder): Promise<void> {
  const root = await readJson(chunks, 'SP_CPUPROFILE_MALFORMED')
  if (!isRecord(root)) throw malformed('it is not an object')
  addProfile(root, builder, { ...everything, top: noCaller, event: 'cpu', notesIdle: true })
}

const everything = { longestUs: Number.POSITIVE_INFINITY, cpuUs: Number.POSITIVE_INFINITY }

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' && value >= 0 ? value : otherwise
}

interface Options {
  /** The stack under which all of it stands. */
  readonly top: number
  /** Of the columns; `wall` keeps what is idle. */
  readonly event: 'cpu' | 'wall'
  /** What one sample may stand for. */
  readonly longestUs: number
  /** What all that are not idle may stand for together. */
  readonly cpuUs: number
  readonly notesIdle: boolean
}

function addProfile(
  root: Record<string, unknown>,
  builder: ProfileBuilder,
  options: Options,
): void {
  const tree = readTree(root)
  const stacks = buildStacks(tree, builder, options)
  if (isNumbers(root['samples'])) addSamples(root, root['samples'], stacks, builder, options)
  else addHits(tree, stacks, builder, options)
}

/**
 * Reads what our own driver gives of one thread, which is the root of its stacks:
 *
 *     {"thread": "worker 1", "mode": "cpu", "longestUs": 3003, "cpuUs": 812345, "profile": {…}}
 *
 * V8 samples by the clock. In mode `wall` that is what is asked, and what is idle is kept. In mode `cpu` it is
 * made CPU time: a sample stands for `longestUs` at most, because in a longer gap neither the thread nor the
 * sampler had a core; and where the thread used less than all its samples stand for (`cpuUs`), as it waited for
 * a core or in native code, all of them are made smaller by that.
 *
 * @throws as `readCpuProfile`
 */
export async function readThreadCpuProfile(chunks: Chunks, builder: ProfileBuilder): Promise<void> {
  const root = await readJson(chunks, 'SP_CPUPROFILE_MALFORMED')
  if (!isRecord(root) || !isRecord(root['profile'])) throw malformed('it has no profile')
  const name = textOf(root['thread']) || 'unnamed thread'
  const top = builder.stack(noCaller, builder.frame({ name, kind: 'thread' }))
  const event = root['mode'] === 'wall' ? 'wall' : 'cpu'
  const longestUs = numberOr(root['longestUs'], everything.longestUs)
  const cpuUs = event === 'wall' ? everything.cpuUs : numberOr(root['cpuUs'], everything.cpuUs)
  addProfile(root['profile'], builder, { top, event, longestUs, cpuUs, notesIdle: false })
}

export function detectCpuProfile(head: Uint8Array): boolean | undefined {
  const keys = topLevelKeys(head)
  if (keys === undefined) return head.length === 0 ? undefined : false
  if (keys.has('nodes') || keys.has('head') || keys.has('timeDeltas')) return true
  return keys.has('shared') || keys.has('profiles') ? false : undefined
}

function malformed(why: string): ProfilerError {
  return new ProfilerError('SP_CPUPROFILE_MALFORMED', `the cpuprofile is malformed: ${why}`)
}

interface Node {
  readonly id: number
  readonly frame: Frame
  readonly hitCount: number
  readonly children: number[]
}

interface Tree {
  readonly nodes: Map<number, Node>
  readonly roots: number[]
}

function readTree(root: Record<string, unknown>): Tree {
  const { nodes: list, head } = root
  if (Array.isArray(list)) return readList(list)
  if (isRecord(head)) return readNested(head)
  throw malformed('it has neither nodes nor head')
}

function readList(list: readonly unknown[]): Tree {
  const nodes = new Map<number, Node>()
  const called = new Set<number>()
  const parents: [child: number, parent: unknown][] = []
  for (const item of list) {
    if (!isRecord(item)) throw malformed('a node is not an object')
    const children = isNumbers(item['children']) ? item['children'] : []
    const node = readNode(item, children)
    nodes.set(node.id, node)
    for (const child of children) called.add(child)
    if (item['parent'] !== undefined) parents.push([node.id, item['parent']])
  }
  // Chrome's traces point upwards instead.
  for (const [child, parent] of parents) {
    if (typeof parent !== 'number' || called.has(child)) continue
    nodes.get(parent)?.children.push(child)
    called.add(child)
  }
  return { nodes, roots: [...nodes.keys()].filter(id => !called.has(id)) }
}

function readNested(head: Record<string, unknown>): Tree {
  const nodes = new Map<number, Node>()
  const open: Record<string, unknown>[] = [head]
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    const nested = Array.isArray(item['children']) ? item['children'].filter(isRecord) : []
    const children = nested.map(({ id }) => id).filter(id => typeof id === 'number')
    const node = readNode(item, children)
    nodes.set(node.id, node)
    for (const child of nested) open.push(child)
  }
  return { nodes, roots: [Number(head['id'])] }
}

function readNode(item: Record<string, unknown>, children: number[]): Node {
  const { id, hitCount } = item
  if (typeof id !== 'number') throw malformed('a node has no id')
  const call = isRecord(item['callFrame']) ? item['callFrame'] : item
  // The protocol counts lines from 0; the old format counted from 1, and 0 was none.
  const first = call === item ? 0 : 1
  const line = typeof call['lineNumber'] === 'number' ? call['lineNumber'] + first : 0
  const frame = frameOf(textOf(call['functionName']), textOf(call['url']), line)
  return { id, frame, hitCount: typeof hitCount === 'number' ? hitCount : 0, children }
}

function frameOf(functionName: string, url: string, line: number): Frame {
  const isNamed = functionName !== '' && functionName !== anonymous
  if (url === '') return { name: functionName || anonymous, kind: 'native' }
  const file = pathOf(url)
  const at = { file, ...(line > 0 && { line }) }
  if (isNamed) return { name: functionName, kind: 'jit', ...at }
  // Half of the functions of a service have no name: without its place each would be the same.
  const place = file.slice(file.lastIndexOf('/') + 1) + (line > 0 ? `:${line}` : '')
  return { name: `${anonymous} ${place}`, kind: 'jit', ...at }
}

const anonymous = '(anonymous)'

function pathOf(url: string): string {
  if (!url.startsWith('file://')) return url
  try {
    return fileURLToPath(url, { windows: false })
  } catch {
    return url
  }
}

/** `idle` is a place among the stacks for what is not to be drawn. */
const idle = -2

/** The stack of each node. What no root leads to has none. */
function buildStacks(
  { nodes, roots }: Tree,
  builder: ProfileBuilder,
  options: Options,
): Map<number, number> {
  const stacks = new Map<number, number>()
  const open: [id: number, caller: number][] = roots.map(id => [id, options.top])
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [id, caller] = next
    const node = nodes.get(id)
    if (node === undefined || stacks.has(id)) continue
    stacks.set(id, stackOf(node.frame, caller, builder, options))
    const under = stacks.get(id)!
    for (const child of node.children) open.push([child, under === idle ? options.top : under])
  }
  return stacks
}

function stackOf(
  frame: Frame,
  caller: number,
  builder: ProfileBuilder,
  { top, event }: Options,
): number {
  if (caller === top && frame.file === undefined) {
    if (frame.name === '(root)') return top
    if (frame.name === '(idle)' && event === 'cpu') return idle
  }
  return builder.stack(caller, builder.frame(frame))
}

function addSamples(
  root: Record<string, unknown>,
  samples: readonly number[],
  stacks: Map<number, number>,
  builder: ProfileBuilder,
  { event, longestUs, cpuUs, notesIdle }: Options,
): void {
  const durations = durationsOf(root, samples.length, longestUs * 1000)
  const time = durations === undefined ? -1 : builder.column(event, 'nanoseconds')
  const count = builder.column(event, 'samples')
  const rootStack = () => builder.stack(noCaller, builder.frame({ name: '(root)', kind: 'native' }))
  const busyNs =
    durations?.reduce((sum, ns, at) => sum + (stacks.get(samples[at]!) === idle ? 0 : ns), 0) ?? 0
  const scale = Math.min(1, (cpuUs * 1000) / busyNs)
  let idleSamples = 0
  for (const [index, id] of samples.entries()) {
    let stack = stacks.get(id)
    if (stack === undefined) {
      builder.lose('of a node that the file lacks', 1)
      continue
    }
    if (stack === idle) {
      idleSamples++
      continue
    }
    if (stack === noCaller) stack = rootStack()
    builder.add(stack, count, 1)
    if (durations !== undefined) builder.add(stack, time, Math.round(durations[index]! * scale))
  }
  if (idleSamples > 0 && notesIdle) {
    builder.note(
      `The thread was idle in ${idleSamples} of ${samples.length} samples, which are left out.`,
    )
  }
}

/** How long each sample lasted, in nanoseconds; undefined when the file does not say. */
function durationsOf(
  root: Record<string, unknown>,
  length: number,
  longestNs: number,
): Float64Array | undefined {
  const times = timesOf(root)
  if (times === undefined) return undefined
  if (times.length !== length) throw malformed(`${length} samples have ${times.length} times`)
  const durations = new Float64Array(length)
  const end = typeof root['endTime'] === 'number' ? root['endTime'] : Number.NaN
  for (let index = 0; index < length; index++) {
    const next = index + 1 < length ? times[index + 1]! : end
    // Threads of V8 write their ticks out of order at times: time does not run backwards for that.
    const ns = Math.max(0, next - times[index]!) * 1000 || 0
    durations[index] = Math.min(longestNs, ns)
  }
  return durations
}

/** When each sample was taken, in microseconds, never before the one before it. */
function timesOf(root: Record<string, unknown>): Float64Array | undefined {
  const { timeDeltas, timestamps, startTime } = root
  let times: Float64Array
  if (isNumbers(timeDeltas)) {
    times = new Float64Array(timeDeltas.length)
    let time = typeof startTime === 'number' ? startTime : 0
    for (const [index, delta] of timeDeltas.entries()) times[index] = time += delta
  } else if (isNumbers(timestamps)) {
    times = Float64Array.from(timestamps)
  } else {
    return undefined
  }
  for (let index = 1; index < times.length; index++) {
    if (times[index]! < times[index - 1]!) times[index] = times[index - 1]!
  }
  return times
}

/** Without samples the tree itself says how often each function was the leaf. */
function addHits(
  { nodes }: Tree,
  stacks: Map<number, number>,
  builder: ProfileBuilder,
  { event, notesIdle }: Options,
): void {
  const count = builder.column(event, 'samples')
  for (const [id, stack] of stacks) {
    const { hitCount } = nodes.get(id)!
    if (hitCount > 0 && stack >= 0) builder.add(stack, count, hitCount)
    else if (hitCount > 0 && stack === idle && notesIdle)
      builder.note(`The thread was idle in ${hitCount} samples, which are left out.`)
  }
}
