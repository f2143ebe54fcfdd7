// Writes a profile as pprof's profile.proto, gzipped. See pprof.ts.
//
// `go tool pprof` believes what it is told: a mapping must say that its functions
// are known, or pprof looks for the file on the reader's own disk and names the
// addresses by whatever it finds there.
//
// The format has no kind of frame. Where a function is not simply native, its
// system name (what the linker calls it; pprof shows the other one) carries the
// mark, so that our own reader gives back what was written.

import { gzipSync } from 'node:zlib'
import { ProfilerError } from '../errors.ts'
import { exactMark } from './frame-text.ts'
import { type Column, type Frame, noCaller, type Profile } from './profile.ts'
import { WireWriter } from './protobuf.ts'

export interface PprofFacts {
  /** When the capture began, since 1970. */
  readonly timeNanos?: number
  readonly durationNanos?: number
  /** What one sample stands for: `{ type: 'cpu', unit: 'nanoseconds', period: 10101010 }`. */
  readonly period?: { readonly type: string; readonly unit: string; readonly value: number }
}

/** Before gzip. A stack is written whole, so a deep trie is much longer here than in memory. */
const maxBytes = 1024 * 1024 * 1024

/** @throws {ProfilerError} `SP_LIMIT` when it would be larger than 1 GiB before gzip. */
export function printPprof(profile: Profile, facts: PprofFacts = {}): Buffer {
  const out = new WireWriter()
  const part = new WireWriter()
  const strings = new Map([['', 0]])

  function string(text: string): number {
    let index = strings.get(text)
    if (index === undefined) {
      index = strings.size
      strings.set(text, index)
    }
    return index
  }

  function message(field: number, write: () => void): void {
    part.clear()
    write()
    out.data(field, part.bytes())
  }

  function valueType(field: number, type: string, unit: string): void {
    message(field, () => {
      part.number(1, string(type))
      part.number(2, string(unit))
    })
  }

  const types = typeNames(profile.columns)
  for (const [index, column] of profile.columns.entries()) {
    valueType(1, types[index]!, unitText(column))
  }
  const locations = locationsOf(profile)
  writeSamples(profile, locations, out, part)

  const { frames } = profile
  const modules = new Map<string, number>()
  for (const { module } of frames) {
    if (module === undefined || modules.has(module)) continue
    const id = modules.size + 1
    modules.set(module, id)
    message(3, () => {
      part.number(1, id)
      part.number(5, string(module))
      // has_functions, has_filenames, has_line_numbers, has_inline_frames
      for (const field of [7, 8, 9, 10]) part.number(field, 1)
    })
  }
  const line = new WireWriter()
  for (let id = 0; id < locations.caller.length; id++) {
    message(4, () => {
      part.number(1, id + 1)
      let outermost = id
      for (let at = id; at !== noCaller; at = locations.caller[at]!) {
        outermost = at
        const frame = locations.frame[at]!
        line.clear()
        line.number(1, frame + 1)
        line.number(2, frames[frame]!.line ?? 0)
        part.data(4, line.bytes())
      }
      part.number(2, modules.get(frames[locations.frame[outermost]!]!.module ?? '') ?? 0)
    })
  }
  for (const [index, frame] of frames.entries()) {
    message(5, () => {
      part.number(1, index + 1)
      part.number(2, string(nameText(frame)))
      part.number(3, string(nameText(frame) + exactMark(frame.kind)))
      part.number(4, string(frame.file ?? ''))
      part.number(5, frame.line ?? 0)
    })
  }
  const defaultType = string(types[0]!)
  if (facts.period) valueType(11, facts.period.type, facts.period.unit)
  for (const text of strings.keys()) out.text(6, text)
  out.number(9, Math.round(facts.timeNanos ?? 0))
  out.number(10, Math.round(facts.durationNanos ?? 0))
  out.number(12, Math.round(facts.period?.value ?? 0))
  out.number(14, defaultType)
  return gzipSync(out.bytes())
}

/** pprof tells sample types apart by name alone, so two columns of one event need their units in it. */
function typeNames(columns: readonly Column[]): string[] {
  return columns.map(({ event, unit }) => {
    const isOnly = columns.filter(column => column.event === event).length === 1
    return isOnly ? event : `${event}_${unit}`
  })
}

/** `samples` and `count` is how every other writer says it. */
function unitText({ event, unit }: Column): string {
  return unit === 'samples' && event === 'samples' ? 'count' : unit
}

/** A lone surrogate has no UTF-8, and pprof refuses what is not UTF-8. */
function nameText({ name }: Frame): string {
  return name.toWellFormed()
}

/**
 * Locations: a function with what was inlined into it, as a trie of their own.
 * `of` gives the location of each stack node; `below` the stack node that called it.
 */
interface Locations {
  readonly caller: number[]
  readonly frame: number[]
  readonly of: Int32Array
  readonly below: Int32Array
}

function locationsOf({ frames, stacks }: Profile): Locations {
  const ids = new Map<number, number>()
  const caller: number[] = []
  const frame: number[] = []
  const of = new Int32Array(stacks.length)
  const below = new Int32Array(stacks.length)
  for (let node = 0; node < stacks.length; node++) {
    const from = stacks.caller[node]!
    const isInlined = from !== noCaller && frames[stacks.frame[node]!]!.kind === 'inlined'
    const host = isInlined ? of[from]! : noCaller
    const key = (host + 1) * frames.length + stacks.frame[node]!
    let id = ids.get(key)
    if (id === undefined) {
      id = caller.push(host) - 1
      frame.push(stacks.frame[node]!)
      ids.set(key, id)
    }
    of[node] = id
    below[node] = isInlined ? below[from]! : from
  }
  return { caller, frame, of, below }
}

function writeSamples(
  { columns, stacks }: Profile,
  { of, below }: Locations,
  out: WireWriter,
  part: WireWriter,
): void {
  const path: number[] = []
  const values = new Array<number>(columns.length).fill(0)
  for (let leaf = 0; leaf < stacks.length; leaf++) {
    let isEmpty = true
    for (let index = 0; index < columns.length; index++) {
      values[index] = Math.round(columns[index]!.self[leaf]!)
      if (values[index] !== 0) isEmpty = false
    }
    if (isEmpty) continue
    path.length = 0
    for (let node = leaf; node !== noCaller; node = below[node]!) path.push(of[node]! + 1)
    part.clear()
    part.packed(1, path)
    part.packed(2, values)
    out.data(2, part.bytes())
    if (out.length > maxBytes) {
      throw new ProfilerError('SP_LIMIT', `as pprof the profile is larger than ${maxBytes} bytes`)
    }
  }
}
