// A profile with names for its addresses.
//
// A new profile: every frame that was an address becomes the functions at it,
// outermost first, or `module+0xoffset` with a reason. Addresses of one function
// fall together, so the trie is folded again, callers before callees, in one loop.

import path from 'node:path'
import {
  type Frame,
  type Module,
  noCaller,
  type Profile,
  ProfileBuilder,
  type UnknownReason,
} from '../profile/profile.ts'
import type { ModuleSymbols, SymbolFrame } from './symbols.ts'

/** Asks `symbolsOf` once for each module, and its answer once for each address. */
export function symbolize(profile: Profile, symbolsOf: (module: Module) => ModuleSymbols): Profile {
  const builder = new ProfileBuilder()
  const columns = profile.columns.map(({ event, unit }) => builder.column(event, unit))
  const named = profile.frames.map(nameFrames(builder, symbolsOf))

  const { length, caller, frame } = profile.stacks
  // Where each old stack went: the innermost of the frames that its own became.
  const moved = new Int32Array(length)
  for (let index = 0; index < length; index++) {
    let stack = caller[index] === noCaller ? noCaller : moved[caller[index]!]!
    for (const becomes of named[frame[index]!]!) stack = builder.stack(stack, becomes)
    moved[index] = stack
  }
  for (const [index, { self }] of profile.columns.entries()) {
    for (let stack = 0; stack < length; stack++) {
      if (self[stack] !== 0) builder.add(moved[stack]!, columns[index]!, self[stack]!)
    }
  }
  for (const [what, count] of profile.loss) builder.lose(what, count)
  for (const note of profile.notes) builder.note(note)
  return builder.build()
}

/** What one frame becomes: the indexes of its frames in `builder`, outermost first. */
function nameFrames(
  builder: ProfileBuilder,
  symbolsOf: (module: Module) => ModuleSymbols,
): (frame: Frame) => readonly number[] {
  const modules = new Map<Module, { symbols: ModuleSymbols; known: Map<number, Answer> }>()
  return frame => {
    if (frame.address === undefined) return [builder.frame(frame)]
    const { module, value, isReturn } = frame.address
    let entry = modules.get(module)
    if (entry === undefined) {
      entry = { symbols: symbolsOf(module), known: new Map() }
      modules.set(module, entry)
    }
    // A call that does not return may be the last instruction of its function: the byte that it
    // would return to may belong to the next one.
    const asked = isReturn ? value - 1 : value
    let answer = entry.known.get(asked)
    if (answer === undefined) {
      const found = entry.symbols.find(asked)
      answer = typeof found === 'string' ? found : indexesOf(builder, module, found)
      entry.known.set(asked, answer)
    }
    return typeof answer === 'string'
      ? [builder.frame(unknownFrame(module, value, answer))]
      : answer
  }
}

type Answer = readonly number[] | UnknownReason

function indexesOf(
  builder: ProfileBuilder,
  module: Module,
  functions: readonly SymbolFrame[],
): readonly number[] {
  return functions.map(({ module: own, ...named }) =>
    builder.frame({ ...named, module: own ?? module.path }),
  )
}

function unknownFrame(module: Module, value: number, reason: UnknownReason): Frame {
  // Kernel addresses are negative: print them as the 64 bits that they are.
  const offset = value < 0 ? BigInt.asUintN(64, BigInt(value)) : value
  const name = `${path.posix.basename(module.path) || module.path || '?'}+0x${offset.toString(16)}`
  return { name, kind: 'unknown', module: module.path, reason }
}
