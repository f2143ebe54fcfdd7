// The methods that a .NET runtime tells of, as names for what another tool sampled.
//
// perf sees addresses in code that no symbol table has: compiled at run time, in
// anonymous memory or in a file that is only memory (`memfd:doublemapper`), or
// precompiled, in a `.dll` that is mapped. The runtime's rundown has the AVMA of
// each (see profile/nettrace-methods.ts).
//
// The trap: it is told at one moment. What was thrown away before is not in it, and
// what is compiled later neither; so it is asked for when the sampling has ended.

import { type Method, type Methods, methodName } from '../profile/nettrace-methods.ts'
import type { Module } from '../profile/profile.ts'
import type { ModuleSymbols, SymbolFrame } from './symbols.ts'

/** The names of a process's methods by AVMA. */
export interface MethodMap {
  /** The method at an AVMA. */
  find(avma: number): readonly SymbolFrame[] | undefined
}

/**
 * @param modulePath the path of a method's assembly, where that is known
 */
export function methodMap(
  methods: Methods,
  modulePath: (module: number) => string | undefined,
): MethodMap {
  const known = new Map<Method, readonly SymbolFrame[]>()
  return {
    find(avma) {
      const method = methods.find(avma)
      if (method === undefined) return undefined
      let frames = known.get(method)
      if (frames === undefined) {
        const module = modulePath(method.module)
        const name = methodName(method)
        frames = [module === undefined ? { name, kind: 'jit' } : { name, kind: 'jit', module }]
        known.set(method, frames)
      }
      return frames
    },
  }
}

/** The map as the names of one mapping: of a file, addresses are offsets. */
export function methodMapSymbols(map: MethodMap, module: Module): ModuleSymbols {
  const toAvma = module.kind === 'file' ? module.start - module.fileOffset : 0
  return { find: value => map.find(value + toAvma) ?? 'not in the symbol table' }
}

/** Whether managed code may lie in a module: memory without a file, and assemblies. */
export function mayHoldMethods({ kind, path }: Module): boolean {
  return kind === 'anonymous' || (kind === 'file' && /^\/memfd:|\.(?:dll|exe|ni\.dll)$/i.test(path))
}
