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
} from '../profile/profile.ts'
import type { ModuleSymbols, SymbolFrame } from './symbols.ts'

/**
 * Asks `symbolsOf` once for each module, and its answer once for each frame that has an address. The
 * same profile where none has: a million names that are there already cost nothing.
 */
export function symbolize(profile: Profile, symbolsOf: (module: Module) => ModuleSymbols): Profile {
  if (profile.frames.every(({ address }) => address === undefined)) return profile
  const builder = new ProfileBuilder()
  const columns = profile.columns.map(({ event, unit }) => builder.column(event, unit))
  const nameOf = namer(builder, symbolsOf)
  const named = profile.frames.map(nameOf)

  const { length, caller, frame } = profile.stacks
  // Where each old stack went: the innermost of the frames that its own became.
  const moved = new Int32Array(length)
  for (let index = 0; index < length; index++) {
    let stack = caller[index] === noCaller ? noCaller : moved[caller[index]!]!
    const becomes = named[frame[index]!]!
    if (typeof becomes === 'number') stack = builder.stack(stack, becomes)
    else for (const each of becomes) stack = builder.stack(stack, each)
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

/** Frames in the builder, outermost first; a number where it is one, as nearly always. */
type Becomes = number | readonly number[]

interface Names {
  readonly symbols: ModuleSymbols
  /** What its addresses are called that have no name. */
  readonly fileName: string
  /** Many addresses lie in one function, whose answer is one and the same. */
  readonly known: Map<readonly SymbolFrame[], Becomes>
}

/** Tells what a frame becomes. */
function namer(
  builder: ProfileBuilder,
  symbolsOf: (module: Module) => ModuleSymbols,
): (frame: Frame) => Becomes {
  const modules = new Map<Module, Names>()
  return frame => {
    if (frame.address === undefined) return builder.frame(frame)
    const { module, value, isReturn } = frame.address
    let names = modules.get(module)
    if (names === undefined) {
      names = { symbols: symbolsOf(module), fileName: fileName(module), known: new Map() }
      modules.set(module, names)
    }
    // A call that does not return may be the last instruction of its function: the byte that it
    // would return to may belong to the next one.
    const found = names.symbols.find(isReturn ? value - 1 : value)
    if (typeof found === 'string') {
      const name = `${names.fileName}+0x${hex64(value)}`
      return builder.frame({ name, kind: 'unknown', module: module.path, reason: found })
    }
    let becomes = names.known.get(found)
    if (becomes === undefined) {
      becomes = indexesOf(builder, module, found)
      names.known.set(found, becomes)
    }
    return becomes
  }
}

function indexesOf(
  builder: ProfileBuilder,
  module: Module,
  functions: readonly SymbolFrame[],
): Becomes {
  const indexes = functions.map(({ module: own, ...named }) =>
    builder.frame({ ...named, module: own ?? module.path }),
  )
  return indexes.length === 1 ? indexes[0]! : indexes
}

function fileName({ path: full }: Module): string {
  return path.posix.basename(full) || full || '?'
}

/** Kernel addresses are negative: printed as the 64 bits that they are. */
function hex64(value: number): string {
  return value < 0 ? BigInt.asUintN(64, BigInt(value)).toString(16) : value.toString(16)
}
