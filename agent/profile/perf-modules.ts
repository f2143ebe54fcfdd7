// Which module a mapping is of: one for each file however many processes map
// it, one for each process's anonymous code.
//
// Two files are the same when path, device and inode are, or path and build-id;
// never by path alone, since two containers have different files at one path. A
// recording too old to say (MMAP, not MMAP2) is believed within one process.

import type { Mapping } from './address-space.ts'
import type { BuildIdRecord, KsymbolRecord, MmapRecord } from './perf-records.ts'
import { dropOldest } from './perf-tasks.ts'
import type { Module } from './profile.ts'

type Kind = Module['kind']
type Growing = { -readonly [Key in keyof Module]: Module[Key] }

// A machine of many containers maps some thousand files; a hostile recording as many as it has room for.
const mostModules = 65_536
// A process maps its own code under a few names: `[anon]`, `[vdso]`, a memfd or two.
const mostOwn = 256
const deletedMark = ' (deleted)'
// What JIT compilers map their code from, and what perf calls memory without a file.
const anonymousPath = /^(?:$|\/\/anon|\/memfd:|\/dev\/zero|\/SYSV|\/anon_hugepage|anon_inode:|\[)/
// Followed by the symbol that the mapping was measured by: `_text`.
const kernelImage = /^\[kernel\.kallsyms\]/

export class Modules {
  /** Mappings that were one too many to keep apart: their addresses count as not mapped. */
  refused = 0
  readonly #announce: (module: Module) => void
  readonly #files = new Map<string, Growing>()
  /** By pid, then by path: forgotten when the pid's program is. */
  readonly #own = new Map<number, Map<string, Module>>()
  #kernelImage: Module | undefined
  #count = 0

  /** `announce` is called with each module of a process when it is first seen. */
  constructor(announce: (module: Module) => void) {
    this.#announce = announce
  }

  mapping(record: MmapRecord): Mapping | undefined {
    const { path, isDeleted } = cleaned(record.path)
    const kind: Kind = record.isKernel ? 'kernel' : kindOf(path)
    const module =
      kind === 'file' || kind === 'kernel'
        ? this.#file(record, kind, kernelImage.test(path) ? '[kernel]' : path, isDeleted)
        : this.own(record.pid, kind, anonymousName(path), record)
    if (module === undefined) {
      this.refused++
      return undefined
    }
    const { start, end, fileOffset } = record
    return { start, end, fileOffset, module }
  }

  /** A function that the kernel made: a BPF program or a trampoline. */
  symbol({ start, end, name }: KsymbolRecord): Mapping | undefined {
    const record = { pid: -1, start, end, fileOffset: 0, path: '[bpf]' }
    const module = this.#file(record, 'kernel', '[bpf]', false)
    return module && { start, end, fileOffset: 0, module, symbol: name }
  }

  /** What is a process's own and no file: the same one each time, until `forget`. */
  own(pid: number, kind: Kind, path: string, range = { start: 0, end: 0, fileOffset: 0 }): Module {
    let modules = this.#own.get(pid)
    if (modules === undefined) {
      // Should one of those be seen again, it only gets another module of the same kind.
      if (this.#own.size >= mostModules) dropOldest(this.#own, mostModules / 4)
      modules = new Map()
      this.#own.set(pid, modules)
    }
    let module = modules.get(path)
    if (module === undefined) {
      if (modules.size >= mostOwn && path !== '[anon]') return this.own(pid, kind, '[anon]', range)
      const { start, end, fileOffset } = range
      module = { kind, path, pid, start, end, fileOffset }
      modules.set(path, module)
      if (kind !== 'unmapped') this.#announce(module)
    }
    return module
  }

  /** What kernel addresses lie in that no record covers. */
  kernelImage(): Module {
    const nowhere = { start: 0, end: 0, fileOffset: 0 }
    this.#kernelImage ??= { kind: 'kernel', path: '[kernel]', pid: -1, ...nowhere }
    return this.#kernelImage
  }

  /** The process has begun another program, or is gone. */
  forget(pid: number): void {
    this.#own.delete(pid)
  }

  /** A build-id that is known by a path alone is believed if one file only had that path. */
  identify(buildIds: readonly BuildIdRecord[]): void {
    const byPath = new Map<string, Growing | undefined>()
    for (const module of this.#files.values()) {
      byPath.set(module.path, byPath.has(module.path) ? undefined : module)
    }
    for (const { buildId, path } of buildIds) {
      const module = byPath.get(kernelImage.test(path) ? '[kernel]' : cleaned(path).path)
      if (module !== undefined && buildId !== '') module.buildId ??= buildId
    }
  }

  #file(
    record: Omit<MmapRecord, 'isKernel' | 'isData'>,
    kind: Kind,
    path: string,
    isDeleted: boolean,
  ): Module | undefined {
    const { pid, start, end, fileOffset, inode, device, buildId } = record
    const place = device && `${device.major}:${device.minor}:${inode}`
    const key = `${path}\0${isDeleted}\0${buildId ?? place ?? (kind === 'kernel' ? '' : pid)}`
    let module = this.#files.get(key)
    if (module === undefined) {
      if (this.#count >= mostModules) return undefined
      this.#count++
      module = {
        kind,
        path,
        pid: kind === 'kernel' ? -1 : pid,
        start,
        end,
        fileOffset,
        ...(inode === undefined ? {} : { inode }),
        ...(device === undefined ? {} : { device }),
        ...(buildId === undefined ? {} : { buildId }),
        ...(isDeleted ? { deleted: true } : {}),
      }
      this.#files.set(key, module)
      if (path === '[kernel]') this.#kernelImage ??= module
      if (kind !== 'kernel') this.#announce(module)
    }
    return module
  }
}

function cleaned(path: string): { path: string; isDeleted: boolean } {
  const isDeleted = path.endsWith(deletedMark)
  return { path: isDeleted ? path.slice(0, -deletedMark.length) : path, isDeleted }
}

function kindOf(path: string): Kind {
  if (path === '[vdso]' || path === '[vsyscall]') return 'vdso'
  return anonymousPath.test(path) ? 'anonymous' : 'file'
}

function anonymousName(path: string): string {
  return path === '' || path.startsWith('//anon') || path.startsWith('[anon') ? '[anon]' : path
}
