// What can be known of one process from outside, gathered once: fingerprints
// and plans are made of these and read nothing themselves.
//
// What may not be read is said in `denied`, not guessed: a fingerprint without
// the maps is a weaker one and has to say so.

import fs from 'node:fs'
import { ProfilerError } from '../errors.ts'
import {
  buildIdOf,
  type Elf,
  interpreterOf,
  readElf,
  sectionNamed,
  sectionView,
} from '../symbolize/elf.ts'
import { type Bytes, fileBytes } from './bytes.ts'
import { openBeneath, pinBeneath } from './open-beneath.ts'
import {
  isDumpable,
  type Listener,
  type Mapping,
  type Mount,
  measureTickHertz,
  openExecutable,
  pathOfDescriptor,
  readArguments,
  readChildren,
  readContainerId,
  readEnvironmentVariable,
  readExecutable,
  readListeners,
  readMaps,
  readMount,
  readSecurityLabel,
  readSockets,
  readStat,
  readStatus,
  readSwitches,
  readThreadNames,
  rootOf,
  type Socket,
  type Stat,
  type Status,
  sharesNamespace,
} from './procfs.ts'

export interface ProcessFacts extends Stat, Status {
  /** As the target's mount namespace has it; undefined when it may not be read. */
  readonly executable: string | undefined
  /** Never published: a command line holds what people put there. */
  readonly argv: readonly string[]
  /** Distinct paths that are mapped, executable or not, in order. */
  readonly mappedFiles: readonly string[]
  /** Some executable memory belongs to no file: a JIT is at work. */
  readonly hasAnonymousCode: boolean
  /** Of the executable; undefined when it may not be read or is no ELF. */
  readonly elf: Elf | undefined
  /**
   * What its functions could be named from: `stripped` of its symbols, with no debug file in its root;
   * `packed`: it unpacked itself into memory that belongs to no file, as UPX does; undefined without `elf`.
   */
  readonly symbols: 'whole' | 'stripped' | 'packed' | undefined
  /** The C library that it runs on; `static` also for what needs none, such as most Go programs. */
  readonly libc: 'glibc' | 'musl' | 'static' | 'unknown'
  readonly containerId: string | undefined
  /** Whether others of its user may look into it. */
  readonly isDumpable: boolean
  /** What AppArmor or SELinux calls it. */
  readonly securityLabel: string | undefined
  readonly threadNames: readonly string[]
  /** Whether its network is ours: what it listens on can be reached, and is not somebody else's. */
  readonly sharesNetwork: boolean
  /** Switches of its threads in a second, of now: takes a tenth of one to find out. */
  switchesPerSecond(): number
  /** Whether its mounts are ours: then it lives in our container, or on the machine as we do. */
  readonly sharesMounts: boolean
  /** Whether its PID namespace is ours, so that its threads have the same numbers for us. */
  readonly sharesPids: boolean
  /** TCP sockets of its network namespace, whoever has them. */
  readonly sockets: readonly Socket[]
  readonly children: readonly Child[]
  /** TCP ports on which this very process listens; empty where its descriptors may not be read. */
  readonly listeners: readonly Listener[]
  /** One variable of the start environment; undefined when unset or not readable. */
  environment(name: string): string | undefined
  /** Whether the target's root has a regular file there. */
  hasFile(path: string): boolean
  /** What the target's root has there, a symbolic link not followed; undefined where nothing can be seen. */
  kindOf(path: string): 'file' | 'folder' | 'link' | 'socket' | 'other' | undefined
  /** Whether we may put files into this folder of the target, and what stands there may be executed. */
  takes(folder: string): { readonly files: boolean; readonly programs: boolean }
  /** The first bytes of a regular file in the target's root; undefined if there is none, or it may not be read. */
  readFile(path: string, maxBytes: number): Buffer | undefined
  /** The mount that holds this path of the target. */
  mountAt(path: string): Mount | undefined
  /** The first match in the read-only data of a mapped file (latin1), of its first 64 MB. */
  search(path: string, pattern: RegExp): RegExpExecArray | undefined
  /** How often a second the kernel's timer ticks; takes up to 0.1 s to find out. */
  kernelHertz(): number | undefined
  /** What could not be read, in words. */
  readonly denied: readonly string[]
}

/** A process that the target started. */
export interface Child {
  readonly pid: number
  readonly cpuTicks: number
  /** As of the target's own; undefined also where it may not be read. */
  environment(name: string): string | undefined
}

/**
 * Gathers the facts and gives them to `use`, while the executable is open.
 *
 * @throws {ProfilerError} `SP_TARGET_GONE`
 */
export function withFacts<T>(pid: number, use: (facts: ProcessFacts) => T): T {
  const stat = readStat(pid)
  const status = readStatus(pid)
  const denied: string[] = []
  const attempt = <V>(what: string, read: () => V): V | undefined => {
    try {
      return read()
    } catch (error) {
      // A process that vanished in between is gone as a whole; anything else is one fact less.
      if (error instanceof ProfilerError && error.code === 'SP_TARGET_GONE') throw error
      denied.push(what)
      return undefined
    }
  }
  const maps = attempt('maps', () => readMaps(pid)) ?? []
  const fd = attempt('exe', () => openExecutable(pid))
  // Each is a walk of its own, and most runtimes do not ask.
  let threadNames: readonly string[] | undefined
  let listeners: readonly Listener[] | undefined
  let switchesPerSecond: number | undefined
  let tickHertz: { readonly value: number | undefined } | undefined
  let sockets: readonly Socket[] | undefined
  let children: readonly Child[] | undefined
  try {
    const elf = fd === undefined ? undefined : attempt('executable', () => readElf(fileBytes(fd)))
    const hasAnonymousCode = maps.some(({ executable, inode, path }) => {
      return executable && (path.startsWith('/memfd:') || (inode === 0 && !path.startsWith('[v')))
    })
    const hasFile = (path: string) => {
      try {
        fs.closeSync(openBeneath(rootOf(pid), path))
        return true
      } catch {
        return false
      }
    }
    return use({
      ...stat,
      ...status,
      executable: attempt('exe', () => readExecutable(pid)),
      argv: attempt('cmdline', () => readArguments(pid)) ?? [],
      mappedFiles: [...new Set(maps.map(({ path }) => path).filter(path => path.startsWith('/')))],
      hasAnonymousCode,
      elf,
      symbols: elf && symbolsOf(elf, hasAnonymousCode, hasFile),
      libc: libcOf(elf, maps),
      containerId: attempt('cgroup', () => readContainerId(pid)),
      isDumpable: attempt('maps', () => isDumpable(pid)) ?? true,
      securityLabel: readSecurityLabel(pid),
      get threadNames() {
        threadNames ??= attempt('threads', () => readThreadNames(pid)) ?? []
        return threadNames
      },
      sharesNetwork: attempt('ns/net', () => sharesNamespace(pid, 'net')) ?? false,
      switchesPerSecond: () => {
        switchesPerSecond ??= attempt('threads', () => measureSwitches(pid)) ?? 0
        return switchesPerSecond
      },
      sharesMounts: attempt('ns/mnt', () => sharesNamespace(pid, 'mnt')) ?? false,
      sharesPids: attempt('ns/pid', () => sharesNamespace(pid, 'pid')) ?? false,
      get sockets() {
        sockets ??= attempt('net', () => readSockets(pid)) ?? []
        return sockets
      },
      get children() {
        children ??= readChildren(pid).flatMap(child => childFacts(child))
        return children
      },
      get listeners() {
        listeners ??= attempt('fd', () => readListeners(pid)) ?? []
        return listeners
      },
      environment: name => attempt('environ', () => readEnvironmentVariable(pid, name)),
      hasFile,
      kindOf: path => withPinned(pid, path, fd => kindOf(fs.fstatSync(fd))),
      takes: folder => {
        const mount = attempt('mountinfo', () => readMount(pid, folder))
        const files =
          mount?.isReadOnly === false &&
          withPinned(pid, folder, fd => {
            fs.accessSync(pathOfDescriptor(fd), fs.constants.W_OK | fs.constants.X_OK)
            return fs.fstatSync(fd).isDirectory()
          }) === true
        return { files, programs: files && !mount.isNoExec }
      },
      kernelHertz: () => {
        tickHertz ??= { value: measureTickHertz() }
        return tickHertz.value
      },
      readFile: (path, maxBytes) => {
        try {
          const file = openBeneath(rootOf(pid), path)
          try {
            return fileBytes(file).read(0, maxBytes)
          } finally {
            fs.closeSync(file)
          }
        } catch {
          return undefined
        }
      },
      mountAt: path => attempt('mountinfo', () => readMount(pid, path)),
      search: (path, pattern) =>
        attempt(path, () => {
          const file = openBeneath(rootOf(pid), path)
          try {
            return searchReadOnlyData(fileBytes(file), pattern)
          } finally {
            fs.closeSync(file)
          }
        }),
      denied,
    })
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}

function symbolsOf(
  elf: Elf,
  hasAnonymousCode: boolean,
  hasFile: (path: string) => boolean,
): ProcessFacts['symbols'] {
  // Packers leave no table of sections, and run from memory that they have filled themselves.
  if (elf.sections.length === 0) return hasAnonymousCode ? 'packed' : 'stripped'
  if (['.symtab', '.gnu_debugdata'].some(name => sectionNamed(elf, name) !== undefined))
    return 'whole'
  const debugFile = debugFilePath(elf)
  return debugFile !== undefined && hasFile(debugFile) ? 'whole' : 'stripped'
}

/** Where the debug file of a stripped program belongs; undefined without a build-id. */
export function debugFilePath(elf: Elf): string | undefined {
  const buildId = buildIdOf(elf)
  if (buildId === undefined || buildId.length < 4) return undefined
  return `/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`
}

// Long enough for 10 switches of a thread that sleeps for 10 ms.
const switchesMs = 100

function measureSwitches(pid: number): number {
  const beganMs = performance.now()
  const before = readSwitches(pid)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, switchesMs)
  const switches = readSwitches(pid) - before
  return Math.max(0, (switches * 1000) / (performance.now() - beganMs))
}

/** Undefined where it is not there, or may not be reached. */
function withPinned<T>(pid: number, path: string, use: (fd: number) => T): T | undefined {
  try {
    const fd = pinBeneath(rootOf(pid), path)
    try {
      return use(fd)
    } finally {
      fs.closeSync(fd)
    }
  } catch {
    return undefined
  }
}

function kindOf(stat: fs.Stats): 'file' | 'folder' | 'link' | 'socket' | 'other' {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'folder'
  if (stat.isSymbolicLink()) return 'link'
  return stat.isSocket() ? 'socket' : 'other'
}

function childFacts(pid: number): Child[] {
  try {
    const { cpuTicks } = readStat(pid)
    return [
      {
        pid,
        cpuTicks,
        environment: name => {
          try {
            return readEnvironmentVariable(pid, name)
          } catch {
            return undefined
          }
        },
      },
    ]
  } catch {
    // It ended while we looked.
    return []
  }
}

/** By the loader that the program asks for, which tells more surely than the names of what is mapped. */
function libcOf(elf: Elf | undefined, maps: readonly Mapping[]): ProcessFacts['libc'] {
  const loader = elf && interpreterOf(elf)
  if (loader !== undefined) return /\/ld-musl-/.test(loader) ? 'musl' : 'glibc'
  if (elf !== undefined) return 'static'
  if (maps.some(({ path }) => /\/ld-musl-|\/libc\.musl-/.test(path))) return 'musl'
  return maps.some(({ path }) => /\/libc\.so\.6$|\/libc-2/.test(path)) ? 'glibc' : 'unknown'
}

const searchStep = 1 << 20
// The longest match that may straddle two steps; version strings are shorter.
const searchOverlap = 256
// Node has 53 MB of read-only data, the most of all runtimes; its version stands near the start.
const maxSearch = 64 << 20

function searchReadOnlyData(file: Bytes, pattern: RegExp): RegExpExecArray | undefined {
  const elf = readElf(file)
  const section = sectionNamed(elf, '.rodata')
  const data = section && sectionView(elf, section)
  if (data === undefined) return undefined
  for (let at = 0; at < Math.min(data.size, maxSearch); at += searchStep) {
    const match = pattern.exec(data.read(at, searchStep + searchOverlap).toString('latin1'))
    if (match !== null) return match
  }
  return undefined
}
