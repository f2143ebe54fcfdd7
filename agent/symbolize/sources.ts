// Where names come from: one source for each module, chosen by what the module
// is. Each is read when the first address of it is looked up, and once.
//
// Anonymous code is named by the perf map that the JIT writes into the target's
// /tmp under the pid as the target itself sees it. The kernel's names are those
// of the kernel that runs here, so they are believed only for a living target,
// or for a file that says it was recorded under the same one.

import fs from 'node:fs'
import type { Module, UnknownReason } from '../profile/profile.ts'
import { fileBytes, memoryBytes } from '../target/bytes.ts'
import type { ProcessFacts } from '../target/facts.ts'
import { openKallsyms, openMemory, readStatus, readVdsoStart } from '../target/procfs.ts'
import { bytesOf } from './bytes.ts'
import { compareBuildIds, elfSymbols } from './elf-symbols.ts'
import { kernelSymbols } from './kallsyms.ts'
import type { ModuleFiles } from './module-files.ts'
import { type PerfMap, perfMapSymbols, readPerfMap } from './perf-map.ts'
import type { Bytes, ModuleSymbols } from './symbols.ts'

/** What was used to name one module: for the manifest. */
export interface UsedSource {
  readonly module: string
  readonly sources: readonly string[]
  readonly buildId?: string
}

export interface NameSources {
  /** Opens now what will be gone when the target is. */
  hold(module: Module): void
  /** Reads now what `of` will answer, where it cannot change any more: there is time while it is sampled. */
  prepare(module: Module): void
  /** @param isSameKernel whether the kernel's names here are those of the kernel that was sampled */
  of(module: Module, isSameKernel?: boolean): ModuleSymbols
  /** The names as they are now, for a look at what goes on: `of` answers later as if it had not been asked. */
  glance(module: Module): ModuleSymbols
  /** The sources that `of` gave, and what could not be used, in sentences. */
  used(): { readonly sources: readonly UsedSource[]; readonly problems: readonly string[] }
}

/** What one module's names are read from. */
interface Source {
  readonly symbols: ModuleSymbols
  readonly used?: UsedSource
  readonly problems?: readonly string[]
  /** Of the file that was read. */
  readonly buildId?: string | undefined
}

export function nameSources(files: ModuleFiles): NameSources {
  const byKey = new Map<string, Source>()
  const given = new Set<Source>()
  const perfMapBytes = new Map<number, Bytes | undefined>()
  const perfMaps = new Map<number, PerfMap | undefined>()
  const glanced = new Map<number, { readonly size: number; readonly map: PerfMap }>()
  const used: UsedSource[] = []
  const problems = new Set<string>()

  function holdPerfMap(pid: number): Bytes | undefined {
    if (!perfMapBytes.has(pid)) perfMapBytes.set(pid, openPerfMap(pid))
    return perfMapBytes.get(pid)
  }

  /** Anyone may write into /tmp: a map is believed if it is the target's own. */
  function openPerfMap(pid: number): Bytes | undefined {
    const { uid, nspid } = identityOf(pid)
    return files.open(pid, `/tmp/perf-${nspid}.map`, uid)
  }

  function perfMapOf(pid: number): PerfMap | undefined {
    if (!perfMaps.has(pid)) {
      // Looked for again: a JIT that was idle at the start may have begun its map since.
      const bytes = holdPerfMap(pid) ?? openPerfMap(pid)
      const map = bytes && readPerfMap(bytes)
      if (map !== undefined) {
        used.push({ module: '[perf map]', sources: [`${map.used} entries`] })
        if (map.unusable > 0) problems.add(`${map.unusable} lines of the perf map are not entries.`)
      }
      perfMaps.set(pid, map)
    }
    return perfMaps.get(pid)
  }

  /** A JIT goes on writing: read anew when it has grown, where that takes a moment only. */
  function glanceAtMap(pid: number): PerfMap | undefined {
    const bytes = holdPerfMap(pid)
    const size = bytes?.size ?? 0
    const known = glanced.get(pid)
    if (bytes === undefined || size === known?.size) return known?.map
    if (size > mostGlancedBytes) return known?.map
    const map = readPerfMap(bytes)
    glanced.set(pid, { size, map })
    return map
  }

  function open(module: Module): Source {
    switch (module.kind) {
      case 'kernel':
        return openKernel()
      case 'vdso':
        return openVdso(module)
      case 'anonymous': {
        const map = perfMapOf(module.pid)
        return map === undefined
          ? nothing('JIT without map')
          : { symbols: perfMapSymbols(map, module) }
      }
      case 'unmapped':
        return nothing('not mapped')
      case 'file':
        return openFile(module)
    }
  }

  function openFile(module: Module): Source {
    const bytes = files.bytesOf(module)
    if (typeof bytes === 'string') return nothing(bytes)
    const symbols = elfSymbols(bytes, {
      module,
      openDebug: path => files.openDebug(module, path),
    })
    const { sources, problems, fileBuildId } = symbols
    return { symbols, used: { module: module.path, sources }, problems, buildId: fileBuildId }
  }

  function sourceOf(module: Module): Source {
    const key = keyOf(module)
    let source = byKey.get(key)
    if (source === undefined) {
      source = preparedBefore(module) ?? open(module)
      byKey.set(key, source)
    }
    return source
  }

  /** A recording tells the build-ids at its end: what was read until then is that file, or another. */
  function preparedBefore({ buildId, ...module }: Module): Source | undefined {
    if (module.kind !== 'file' || buildId === undefined) return undefined
    const source = byKey.get(keyOf(module))
    return compareBuildIds(source?.buildId, buildId) === 'same' ? source : undefined
  }

  return {
    hold(module) {
      if (module.kind === 'file') files.hold(module)
      if (module.kind === 'anonymous') holdPerfMap(module.pid)
    },
    prepare(module) {
      // A JIT goes on writing its map.
      if (module.kind !== 'anonymous') sourceOf(module)
    },
    of(module, isSameKernel = true) {
      const isOfKernel = module.kind === 'kernel' || module.kind === 'vdso'
      const source = isOfKernel && !isSameKernel ? nothing('no symbols') : sourceOf(module)
      if (!given.has(source)) {
        given.add(source)
        for (const problem of source.problems ?? []) problems.add(problem)
        if (source.used !== undefined) used.push(withBuildId(source.used, module))
      }
      return source.symbols
    },
    glance(module) {
      // What a runtime sampled of itself and has no name for yet.
      if (module.pid < 0 && module.kind === 'anonymous')
        return nothing('unnamed by the tool').symbols
      if (module.kind !== 'anonymous') return sourceOf(module).symbols
      const map = glanceAtMap(module.pid)
      return map === undefined ? nothing('JIT without map').symbols : perfMapSymbols(map, module)
    },
    used: () => ({ sources: used, problems: [...problems] }),
  }
}

// 100,000 functions, read in 20 ms. Of a larger map the names come at the end.
const mostGlancedBytes = 8 << 20

function withBuildId(used: UsedSource, { kind, buildId }: Module): UsedSource {
  return kind === 'file' && buildId !== undefined ? { ...used, buildId } : used
}

function openKernel(): Source {
  const fd = openKallsyms()
  if (fd === undefined) return nothing('kallsyms hidden')
  try {
    const used = { module: '[kernel]', sources: ['kallsyms'] }
    return { ...(!isHidden(fileBytes(fd)) && { used }), symbols: kernelSymbols(readWhole(fd)) }
  } finally {
    fs.closeSync(fd)
  }
}

function openVdso(module: Module): Source {
  const bytes = readVdso()
  return bytes === undefined
    ? nothing('file unreadable')
    : { symbols: elfSymbols(bytes, { module }) }
}

/** A file of /proc has no size, and is 1,300 reads of a page: into one buffer, for each more costs as much again. */
function readWhole(fd: number): Buffer {
  let text = Buffer.allocUnsafe(8 << 20)
  for (let length = 0; ; ) {
    const count = fs.readSync(fd, text, length, text.length - length, null)
    if (count === 0) return text.subarray(0, length)
    length += count
    if (length === text.length) text = Buffer.concat([text], 2 * length)
  }
}

function nothing(reason: UnknownReason): Source {
  return { symbols: { find: () => reason } }
}

function keyOf({ kind, path, pid, start, device, inode, buildId }: Module): string {
  // Its modules have their names in the same list.
  if (kind === 'kernel') return kind
  return kind === 'file'
    ? `${path}\0${device?.major}:${device?.minor}\0${inode}\0${buildId}`
    : `${kind}\0${pid}\0${path}\0${start}`
}

function identityOf(pid: number): { readonly uid: number; readonly nspid: number } {
  try {
    return readStatus(pid)
  } catch {
    // It is gone, or this is a file that was recorded elsewhere: the pid is all there is.
    return { uid: process.getuid?.() ?? 0, nspid: pid }
  }
}

// Two pages on x86; the largest of any machine has five.
const maxVdsoBytes = 64 << 10

/** The vdso is the same image in every process of this kernel, so our own is as good as the target's. */
export function readVdso(): Bytes | undefined {
  try {
    const start = readVdsoStart()
    if (start === undefined) return undefined
    const memory = openMemory(process.pid)
    try {
      // It ends sooner, where nothing is mapped.
      return bytesOf(memoryBytes(memory, start, maxVdsoBytes).read(0, maxVdsoBytes))
    } finally {
      fs.closeSync(memory)
    }
  } catch {
    return undefined
  }
}

/** For people, before a capture: what its names will come from. */
export function readNameSources(facts: ProcessFacts, tool: string): string[] {
  const sources = ["the target's own files (symbol tables, debug files)"]
  // Every other tool asks the runtime, or reads its memory, and the perf map is not looked at.
  if (tool !== 'perf') return [`the runtime itself, by ${tool}`, ...sources]
  if (facts.hasAnonymousCode) {
    const path = `/tmp/perf-${facts.nspid}.map`
    sources.push(
      facts.hasFile(path) ? `its perf map ${path}` : `no perf map (${path} is not there)`,
    )
  }
  const kallsyms = openKallsyms()
  if (kallsyms === undefined) return [...sources, 'no kernel names']
  try {
    const head = fileBytes(kallsyms)
    sources.push(isHidden(head) ? 'no kernel names (kallsyms hidden)' : 'kernel: kallsyms')
  } finally {
    fs.closeSync(kallsyms)
  }
  return sources
}

function isHidden(kallsyms: Bytes): boolean {
  // Without CAP_SYSLOG every address is shown as 0. Not the first line alone: older kernels have a
  // symbol that really is at 0.
  const lines = kallsyms.read(0, 4096).toString('latin1').split('\n').slice(0, -1)
  return lines.every(line => /^0+ /.test(line))
}
