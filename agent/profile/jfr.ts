// JFR: what Java's own flight recorder writes, and async-profiler with `-o jfr`.
// A recording is chunks one after the other, each whole by itself, so several
// recordings in one file are one recording.
//
// Of the hundreds of events those are read that have a stack and a weight:
//
//     jdk.ExecutionSample            a thread in Java code; async-profiler: on a core
//     jdk.CPUTimeSample              CPU time since the sample before (JDK 25)
//     jdk.NativeMethodSample         a thread in a native method, running or waiting: counted apart
//     profiler.WallClockSample       any thread, so many times in a row
//     jdk.ObjectAllocation…          bytes, by class; a sample stands for what came before it
//     jdk.JavaMonitorEnter           time until a lock was had, by class
//     jdk.ThreadPark                 time parked, which is a pool's idleness as much as a lock
//
// It is read chunk by chunk; the columns are made when all has come, so that the
// width does not depend on what happened first.

import { ProfilerError } from '../errors.ts'
import { type JfrCursor, malformedJfr } from './jfr-bytes.ts'
import { JfrChunk } from './jfr-chunk.ts'
import type { JfrType } from './jfr-metadata.ts'
import { wholeChunks } from './jfr-split.ts'
import { JfrStacks } from './jfr-stacks.ts'
import { numbersOf } from './jfr-values.ts'
import type { Chunks } from './lines.ts'
import type { ProfileBuilder, Unit } from './profile.ts'

/**
 * Reads a JFR recording. One that is cut gives its whole chunks, and a note.
 *
 * @throws {ProfilerError} `SP_JFR_MALFORMED`; `SP_LIMIT` for a chunk above 256 MiB
 */
export async function readJfr(chunks: Chunks, builder: ProfileBuilder): Promise<void> {
  const reader = new Reader(builder)
  for await (const chunk of wholeChunks(chunks, () => reader.isCut())) reader.take(chunk)
  reader.end()
}

export function detectJfr(head: Uint8Array): boolean | undefined {
  const magic = [0x46, 0x4c, 0x52, 0]
  if (!magic.every((byte, index) => index >= head.length || head[index] === byte)) return false
  return head.length >= magic.length ? true : undefined
}

interface ColumnName {
  readonly event: string
  readonly unit: Unit
}

// In the order in which they are the width: where there is CPU time, that is the picture.
const columns = {
  cpuTime: { event: 'cpu-time', unit: 'nanoseconds' },
  cpuTimeSamples: { event: 'cpu-time', unit: 'samples' },
  cpu: { event: 'cpu', unit: 'samples' },
  wall: { event: 'wall', unit: 'samples' },
  waiting: { event: 'waiting', unit: 'samples' },
  alloc: { event: 'alloc_space', unit: 'bytes' },
  lock: { event: 'delay', unit: 'nanoseconds' },
  park: { event: 'parked', unit: 'nanoseconds' },
  native: { event: 'native', unit: 'samples' },
} as const satisfies Record<string, ColumnName>
type ColumnKey = keyof typeof columns

interface Kind {
  readonly column: ColumnKey
  /** The field that is the weight; 1 where there is none. */
  readonly weight?: string
  /** The field that is the class of what is allocated or waited for. */
  readonly class?: string
}

const kinds: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ['jdk.ExecutionSample', { column: 'cpu' }],
  ['jdk.CPUTimeSample', { column: 'cpuTime', weight: 'samplingPeriod' }],
  ['jdk.NativeMethodSample', { column: 'native' }],
  ['profiler.WallClockSample', { column: 'wall', weight: 'samples' }],
  ['jdk.ObjectAllocationSample', { column: 'alloc', weight: 'weight', class: 'objectClass' }],
  ['jdk.ObjectAllocationInNewTLAB', { column: 'alloc', weight: 'tlabSize', class: 'objectClass' }],
  [
    'jdk.ObjectAllocationOutsideTLAB',
    { column: 'alloc', weight: 'allocationSize', class: 'objectClass' },
  ],
  ['jdk.JavaMonitorEnter', { column: 'lock', weight: 'duration', class: 'monitorClass' }],
  ['jdk.ThreadPark', { column: 'park', weight: 'duration', class: 'parkedClass' }],
])

interface EventReader {
  readonly kind: Kind
  readonly take: ReturnType<typeof numbersOf>
  /** What the number of the weight is multiplied by. */
  readonly scale: number
  /** By what differs in its picture (stack, class, state): how many, and how much. */
  readonly tallies: Map<string, Tally>
}

interface Tally {
  readonly stack: number
  readonly class: number
  readonly state: number
  count: number
  weight: number
}

// A capture of an hour has some 100,000.
const maxTallies = 1 << 22

class Reader {
  readonly #builder: ProfileBuilder
  readonly #weights = new Map<ColumnKey, Map<number, number>>()
  #chunks = 0

  constructor(builder: ProfileBuilder) {
    this.#builder = builder
  }

  take(bytes: Buffer): void {
    const chunk = new JfrChunk(bytes)
    const readers = new Map<number, EventReader>()
    let lost: { readonly type: number; readonly take: ReturnType<typeof numbersOf> } | undefined
    for (const type of chunk.types.values()) {
      const kind = kinds.get(type.name)
      if (kind !== undefined) readers.set(type.id, eventReader(kind, type, chunk.nsPerTick))
      if (type.name === 'jdk.CPUTimeSamplesLost') {
        lost = { type: type.id, take: numbersOf(type, ['lostSamples']) }
      }
    }
    const numbers = new Float64Array(fields.length + 2)
    chunk.scan((type, cursor) => {
      const reader = readers.get(type)
      if (reader !== undefined) this.#count(reader, cursor, numbers)
      if (type !== lost?.type) return
      lost.take(cursor, numbers)
      if (numbers[0]! > 0) this.#builder.lose('lost by the JVM', numbers[0]!)
    })
    const stacks = new JfrStacks(chunk, this.#builder)
    for (const { kind, tallies } of readers.values()) {
      for (const tally of tallies.values()) this.#add(kind, tally, stacks)
    }
    this.#chunks++
  }

  /** The input ended in the middle of a chunk. */
  isCut(): void {
    if (this.#chunks === 0) throw malformedJfr('it ends before its first chunk does')
    this.#builder.note('The JFR recording is cut: its last chunk is not whole and is left out.')
  }

  end(): void {
    if (this.#chunks === 0) throw malformedJfr('it is empty')
    if (this.#weights.has('native')) {
      // Who samples native methods samples Java: that there was none is no reason to draw them as CPU time.
      if (!this.#weights.has('cpu')) this.#weights.set('cpu', new Map())
      this.#builder.note(
        'Threads in native methods, running or waiting, are counted apart, in the column `native`.',
      )
    }
    for (const [key, { event, unit }] of Object.entries(columns)) {
      const weights = this.#weights.get(key as ColumnKey)
      if (weights === undefined) continue
      const column = this.#builder.column(event, unit)
      for (const [stack, weight] of weights) this.#builder.add(stack, column, weight)
    }
  }

  #count(
    { take, tallies, scale, kind }: EventReader,
    cursor: JfrCursor,
    numbers: Float64Array,
  ): void {
    take(cursor, numbers)
    const [stack = 0, state = 0, isFailed = 0, number = 0, classId = 0] = numbers
    if (isFailed !== 0) {
      this.#builder.lose('whose stack could not be walked', 1)
      return
    }
    const weight = kind.weight === undefined ? 1 : number * scale
    // What is negative is of a clock that was set back, or of nobody.
    if (!(weight >= 0 && weight < Number.MAX_SAFE_INTEGER)) {
      this.#builder.lose('with an absurd weight', 1)
      return
    }
    const key = `${stack} ${classId} ${state}`
    const tally = tallies.get(key)
    if (tally !== undefined) {
      tally.count++
      tally.weight += weight
      return
    }
    if (tallies.size === maxTallies) {
      throw new ProfilerError('SP_LIMIT', `a JFR chunk has more than ${maxTallies} distinct stacks`)
    }
    tallies.set(key, { stack, class: classId, state, count: 1, weight })
  }

  #add(kind: Kind, tally: Tally, stacks: JfrStacks): void {
    const found = stacks.stack(tally.stack)
    if (found === undefined) {
      this.#builder.lose('without a stack', tally.count)
      return
    }
    let stack = found
    const name = kind.class === undefined ? undefined : stacks.className(tally.class)
    if (name) stack = this.#builder.stack(stack, this.#builder.frame({ name, kind: 'jit' }))
    // Of async-profiler by the clock, before it had an event for that.
    const isAsleep = kind.column === 'cpu' && stacks.threadState(tally.state) === 'STATE_SLEEPING'
    this.#weigh(isAsleep ? 'waiting' : kind.column, stack, Math.round(tally.weight))
    if (kind.column === 'cpuTime') this.#weigh('cpuTimeSamples', stack, tally.count)
  }

  #weigh(column: ColumnKey, stack: number, weight: number): void {
    let weights = this.#weights.get(column)
    if (weights === undefined) {
      weights = new Map()
      this.#weights.set(column, weights)
    }
    weights.set(stack, (weights.get(stack) ?? 0) + weight)
  }
}

const fields = ['stackTrace', 'state', 'failed']

function eventReader(kind: Kind, type: JfrType, nsPerTick: number): EventReader {
  const unit = type.fields.find(({ name }) => name === kind.weight)?.unit
  return {
    kind,
    take: numbersOf(type, [...fields, kind.weight ?? '', kind.class ?? '']),
    scale: unit === 'TICKS' || (kind.weight === 'duration' && unit === undefined) ? nsPerTick : 1,
    tallies: new Map(),
  }
}
