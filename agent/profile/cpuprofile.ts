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
// `(idle)` is no work and is left out, with a note; the other two stay.

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
  const tree = readTree(root)
  const stacks = buildStacks(tree, builder)
  if (isNumbers(root['samples'])) addSamples(root, root['samples'], stacks, builder)
  else addHits(tree, stacks, builder)
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
  const name = functionName || '(anonymous)'
  if (url === '') return { name, kind: 'native' }
  return { name, kind: 'jit', file: pathOf(url), ...(line > 0 && { line }) }
}

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
function buildStacks({ nodes, roots }: Tree, builder: ProfileBuilder): Map<number, number> {
  const stacks = new Map<number, number>()
  const open: [id: number, caller: number][] = roots.map(id => [id, noCaller])
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [id, caller] = next
    const node = nodes.get(id)
    if (node === undefined || stacks.has(id)) continue
    stacks.set(id, stackOf(node.frame, caller, builder))
    const under = stacks.get(id)!
    for (const child of node.children) open.push([child, under === idle ? noCaller : under])
  }
  return stacks
}

function stackOf(frame: Frame, caller: number, builder: ProfileBuilder): number {
  if (caller === noCaller && frame.file === undefined) {
    if (frame.name === '(root)') return noCaller
    if (frame.name === '(idle)') return idle
  }
  return builder.stack(caller, builder.frame(frame))
}

function addSamples(
  root: Record<string, unknown>,
  samples: readonly number[],
  stacks: Map<number, number>,
  builder: ProfileBuilder,
): void {
  const durations = durationsOf(root, samples.length)
  const time = durations === undefined ? -1 : builder.column('cpu', 'nanoseconds')
  const count = builder.column('cpu', 'samples')
  const rootStack = () => builder.stack(noCaller, builder.frame({ name: '(root)', kind: 'native' }))
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
    if (durations !== undefined) builder.add(stack, time, durations[index]!)
  }
  if (idleSamples > 0) {
    builder.note(
      `The thread was idle in ${idleSamples} of ${samples.length} samples, which are left out.`,
    )
  }
}

/** How long each sample lasted, in nanoseconds; undefined when the file does not say. */
function durationsOf(root: Record<string, unknown>, length: number): Float64Array | undefined {
  const times = timesOf(root)
  if (times === undefined) return undefined
  if (times.length !== length) throw malformed(`${length} samples have ${times.length} times`)
  const durations = new Float64Array(length)
  const end = typeof root['endTime'] === 'number' ? root['endTime'] : Number.NaN
  for (let index = 0; index < length; index++) {
    const next = index + 1 < length ? times[index + 1]! : end
    // Threads of V8 write their ticks out of order at times: time does not run backwards for that.
    durations[index] = Math.max(0, next - times[index]!) * 1000 || 0
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
function addHits({ nodes }: Tree, stacks: Map<number, number>, builder: ProfileBuilder): void {
  const count = builder.column('cpu', 'samples')
  for (const [id, stack] of stacks) {
    const { hitCount } = nodes.get(id)!
    if (hitCount > 0 && stack >= 0) builder.add(stack, count, hitCount)
    else if (hitCount > 0 && stack === idle)
      builder.note(`The thread was idle in ${hitCount} samples, which are left out.`)
  }
}
