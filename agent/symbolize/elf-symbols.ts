// The names of one ELF file, out of every source that it has.
//
// Best first, and why:
//
// 1. .gopclntab: in Go programs alone, stripped or not; the only one here that knows inlined calls.
// 2. the .symtab of the debug file, else the file's own: every function, local ones too.
// 3. .gnu_debugdata: the functions that .dynsym lacks, when there is no .symtab.
// 4. .dynsym: what the file offers to others. Always there in a library.
// 5. PLT stubs: named after the function that they jump to.
//
// 2 to 4 go into one table, so that a symbol of one cannot hide that of another.
//
// Names of another build are worse than none: they look right. So a file whose
// build-id is not that of the mapping gives a reason and no names.

import { ProfilerError } from '../errors.ts'
import type { Module, UnknownReason } from '../profile/profile.ts'
import { debugFileCandidates, readDebugFile } from './debug-files.ts'
import { readDebugData } from './debugdata.ts'
import { buildIdOf, type Elf, readElf, toSvma } from './elf.ts'
import { addElfFunctions, maxFunctions, roomForFunctions } from './elf-functions.ts'
import { readGopclntab } from './gopclntab.ts'
import { readPlt } from './plt.ts'
import { SymbolRanges, type SymbolTable } from './symbol-table.ts'
import type { Bytes, ModuleSymbols } from './symbols.ts'

export interface ElfSymbols extends ModuleSymbols {
  /** What gave names, best first, in words for the manifest: `.symtab`, `.dynsym`, `plt`. */
  readonly sources: readonly string[]
  /** Against that of the mapping; `unknown` if either has none. */
  readonly buildId: 'same' | 'differs' | 'unknown'
  readonly fileBuildId: string | undefined
  /** What could not be used, in sentences. */
  readonly problems: readonly string[]
}

export interface ElfSymbolsOptions {
  readonly module: Module
  /** Opens a debug file in the target's root; undefined if there is none. Left out: none is looked for. */
  readonly openDebug?: (path: string) => Bytes | undefined
}

/**
 * @param bytes the mapped file, or the image of the vdso out of memory
 */
export function elfSymbols(bytes: Bytes, { module, openDebug }: ElfSymbolsOptions): ElfSymbols {
  const problems: string[] = []
  const attempt = <T>(read: () => T): T | undefined => {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof ProfilerError)) throw error
      problems.push(error.message)
      return undefined
    }
  }
  let fileBuildId: string | undefined
  const nothing = (reason: UnknownReason, buildId: ElfSymbols['buildId']) => ({
    find: () => reason,
    sources: [],
    buildId,
    fileBuildId,
    problems,
  })

  const elf = attempt(() => readElf(bytes))
  if (elf === undefined) return nothing('malformed file', 'unknown')
  fileBuildId = buildIdOf(elf)
  const buildId = compareBuildIds(fileBuildId, module.buildId)
  if (buildId === 'differs') return nothing('build-id differs', buildId)
  if (elf.damage !== undefined) problems.push(`This ELF file is damaged: ${elf.damage}.`)

  const sources: string[] = []
  const tables: SymbolTable[] = []
  const go = attempt(() => readGopclntab(elf))
  if (go !== undefined) {
    tables.push(go)
    sources.push('.gopclntab')
  }
  // Memory that is not written to costs nothing; columns that grow are copied, and double.
  const ranges = new SymbolRanges(roomForFunctions(elf))
  const add = (from: Elf, section: string, source: string) => {
    const added = addElfFunctions(from, section, ranges)
    if (added === 'cut') {
      problems.push(`This ELF file has more than ${maxFunctions} functions; the rest has no names.`)
    }
    if (added !== 'none') sources.push(source)
    return added !== 'none'
  }
  const debug = openDebug && findDebugFile(elf, module.path, openDebug)
  const isComplete =
    (debug !== undefined && add(debug, '.symtab', 'debug file')) || add(elf, '.symtab', '.symtab')
  if (!isComplete) {
    const mini = attempt(() => readDebugData(elf))
    if (mini !== undefined) add(mini, '.symtab', '.gnu_debugdata')
  }
  add(elf, '.dynsym', '.dynsym')
  const functions = ranges.seal()
  tables.push(functions)
  const plt = attempt(() => readPlt(elf, functions))
  if (plt !== undefined) {
    tables.push(plt)
    sources.push('plt')
  }

  const missing =
    sources.length > 0
      ? 'not in the symbol table'
      : elf.damage === undefined
        ? 'no symbols'
        : 'malformed file'
  // The image of the vdso is its file, mapped in one piece; elsewhere `value` is the offset already.
  const fileStart = module.kind === 'file' ? 0 : module.start
  return {
    find(value) {
      const svma = toSvma(elf, value - fileStart)
      if (svma === undefined) return missing
      for (const table of tables) {
        const frames = table.find(svma)
        if (frames !== undefined) return frames
      }
      return missing
    },
    sources,
    buildId,
    fileBuildId,
    problems,
  }
}

/** Of a file and of a mapping, lower-case hex. */
export function compareBuildIds(
  inFile: string | undefined,
  inMapping: string | undefined,
): ElfSymbols['buildId'] {
  if (inFile === undefined || inMapping === undefined) return 'unknown'
  // Some records of perf pad a short build-id with zeros to 20 bytes.
  return inFile.padEnd(40, '0') === inMapping.padEnd(40, '0') ? 'same' : 'differs'
}

function findDebugFile(
  elf: Elf,
  path: string,
  openDebug: (path: string) => Bytes | undefined,
): Elf | undefined {
  for (const candidate of debugFileCandidates(elf, path)) {
    const bytes = openDebug(candidate.path)
    const found = bytes && readDebugFile(bytes, candidate.check)
    if (found !== undefined) return found
  }
  return undefined
}
