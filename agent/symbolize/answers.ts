// All addresses of a profile, asked and answered at once, in a form that goes
// from one thread to another without being copied.

import type { Module } from '../profile/profile.ts'
import type { NameSources, UsedSource } from './sources.ts'
import type { ModuleSymbols } from './symbols.ts'

export interface AskedModule {
  readonly module: Module
  readonly values: Float64Array<ArrayBuffer>
}

export type Answer = ReturnType<ModuleSymbols['find']>

/** For one module: the answer to `values[i]` is `distinct[answer[i]]`. */
export interface AnsweredModule {
  /** Ascending. */
  readonly values: Float64Array<ArrayBuffer>
  readonly answer: Uint32Array<ArrayBuffer>
  readonly distinct: readonly Answer[]
}

export interface Answers {
  /** In the order in which the modules were asked. */
  readonly modules: readonly AnsweredModule[]
  readonly sources: readonly UsedSource[]
  readonly problems: readonly string[]
}

/** @param isSameKernel whether the kernel's names here are those of the kernel that was sampled */
export function answerAll(
  names: NameSources,
  asked: readonly AskedModule[],
  isSameKernel: boolean,
): Answers {
  const modules = asked.map(({ module, values }) =>
    answerOne(names.of(module, isSameKernel), values),
  )
  return { modules, ...names.used() }
}

function answerOne(symbols: ModuleSymbols, asked: Float64Array<ArrayBuffer>): AnsweredModule {
  const values = asked.sort()
  const answer = new Uint32Array(values.length)
  const distinct: Answer[] = []
  const known = new Map<Answer, number>()
  for (let index = 0; index < values.length; index++) {
    const found = symbols.find(values[index]!)
    let at = known.get(found)
    if (at === undefined) {
      at = distinct.push(found) - 1
      known.set(found, at)
    }
    answer[index] = at
  }
  return { values, answer, distinct }
}

/** Answers as names: of the addresses that were asked for, and no others. */
export function symbolsOf({ values, answer, distinct }: AnsweredModule): ModuleSymbols {
  return { find: value => distinct[answer[firstAtLeast(values, value)]!]! }
}

/** The index of the first of ascending values that is not below this one. */
function firstAtLeast(values: Float64Array, value: number): number {
  let low = 0
  let high = values.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (values[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}
