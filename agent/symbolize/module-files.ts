// The files behind the modules of a profile, opened while they can be and
// checked to be the ones that are mapped.
//
// A path is not a file: the target's package may have been upgraded under it,
// the path means something else in our mount namespace, and everything below
// /proc/PID/root vanishes with the process. So a file is opened when its mapping
// is first seen and kept open, first as the very inode that is mapped
// (map_files), else as the program that runs (exe) or by its path in the
// target's root, if the inode or the build-id agrees. What agrees in neither
// stays without names. A living target's debug files are opened with it: they may
// be the only names of a library, and lie in the same root.

import fs from 'node:fs'
import { systemCode } from '../errors.ts'
import type { Module, UnknownReason } from '../profile/profile.ts'
import { fileBytes, memoryBytes } from '../target/bytes.ts'
import { openBeneath, openPinned } from '../target/open-beneath.ts'
import {
  type Mapping,
  openExecutable,
  openMemory,
  pinMapFile,
  readExecutable,
  readMaps,
  readStat,
  rootOf,
} from '../target/procfs.ts'
import { debugFileCandidates } from './debug-files.ts'
import { buildIdOf, readElf } from './elf.ts'
import type { Bytes } from './symbols.ts'

export interface ModuleFiles {
  /** Opens the module's file now, if it has one, and its debug files, so that they outlive the target. */
  hold(module: Module): void
  /** The file's bytes, or why there are none. */
  bytesOf(module: Module): Bytes | UnknownReason
  /** What lies where a debug file of the module may be; whether it is the right one is the caller's to check. */
  openDebug(module: Module, path: string): Bytes | undefined
  /**
   * Another file of the same root, such as a perf map; undefined if there is none.
   *
   * @param owner only if it belongs to this user, or to root
   */
  open(pid: number, path: string, owner?: number): Bytes | undefined
  close(): void
}

// A process may map some thousand libraries (Python extensions); the usual limit of open files is 1,024.
const maxHeld = 900
// Few programs have any. A hostile one may have a hundred thousand files that look so.
const maxDebug = 300

/**
 * @param target the process that is captured; without one (a file is rendered) paths are those of
 *   this machine's root
 */
export function moduleFiles(target?: number): ModuleFiles {
  const isLiving = target !== undefined
  const held = new Map<string, { fd: number; bytes: Bytes } | UnknownReason>()
  const mapsOf = new Map<number, Mapping[]>()
  const others = new Map<string, { fd: number; bytes: Bytes }>()
  const debug = new Map<string, { fd: number; bytes: Bytes }>()
  const isRoom = () => held.size + others.size + debug.size < maxHeld

  function hold(module: Module): { bytes: Bytes } | UnknownReason {
    const key = fileKey(module)
    let entry = held.get(key)
    if (entry === undefined) {
      entry = isRoom() ? openModule(module) : 'file unreadable'
      held.set(key, entry)
      if (isLiving && typeof entry !== 'string') holdDebug(module, entry.bytes)
    }
    return entry
  }

  function holdDebug(module: Module, bytes: Bytes): void {
    try {
      for (const { path } of debugFileCandidates(readElf(bytes), module.path)) {
        openDebug(module, path)
      }
    } catch {
      // What is wrong with the file is said when its names are read.
    }
  }

  /** Opened once for all processes that map the file: a child's root is gone as soon as the child is. */
  function openDebug(module: Module, path: string): Bytes | undefined {
    const key = `${fileKey(module)}:${path}`
    const known = debug.get(key)
    if (known !== undefined) return known.bytes
    for (const pid of new Set([module.pid, target])) {
      if (!isRoom() || debug.size >= maxDebug) return undefined
      try {
        const fd = openBeneath(isLiving ? rootOf(pid!) : '/', path)
        const opened = { fd, bytes: fileBytes(fd) }
        debug.set(key, opened)
        return opened.bytes
      } catch {
        // Most files have none there.
      }
    }
    return undefined
  }

  function openModule(module: Module): { fd: number; bytes: Bytes } | UnknownReason {
    if (!isLiving) return openChecked(module, () => openBeneath('/', module.path))
    const mapping = mappingOf(module)
    const exact = mapping && openExact(module.pid, mapping)
    if (exact !== undefined) return { fd: exact, bytes: fileBytes(exact) }
    // What perf read in maps has a newline of the path as \012.
    const path = mapping?.path.replace(/ \(deleted\)$/, '') ?? module.path
    const program = openChecked(module, () => openProgram(module.pid, path))
    if (typeof program !== 'string') return program
    const own = openChecked(module, () => openBeneath(rootOf(module.pid), path))
    if (typeof own !== 'string' || isRunning(module.pid)) return own
    // A child that lived for milliseconds. Most share the root of who started them, and the file
    // has to agree all the same.
    const shared = openChecked(module, () => openBeneath(rootOf(target!), path))
    return typeof shared === 'string' ? 'process ended before its files were read' : shared
  }

  function isRunning(pid: number): boolean {
    try {
      return readStat(pid).state !== 'Z'
    } catch {
      return false
    }
  }

  function openChecked(
    module: Module,
    open: () => number,
  ): { fd: number; bytes: Bytes } | UnknownReason {
    let fd: number | undefined
    try {
      fd = open()
      const verdict = compare(fd, module)
      if (verdict === undefined) return { fd, bytes: fileBytes(fd) }
      fs.closeSync(fd)
      return verdict
    } catch (error) {
      if (fd !== undefined) fs.closeSync(fd)
      return systemCode(error) === 'ENOENT' ? 'file deleted' : 'file unreadable'
    }
  }

  /** The program that the process runs: that one may be opened without CHECKPOINT_RESTORE, deleted or not. */
  function openProgram(pid: number, path: string): number {
    if (readExecutable(pid) !== path) throw new Error(`${path} is not the program`)
    return openExecutable(pid)
  }

  /** The mapped inode itself; undefined without CHECKPOINT_RESTORE. */
  function openExact(pid: number, { range, path }: Mapping): number | undefined {
    try {
      return openPinned(pinMapFile(pid, range), path)
    } catch {
      return undefined
    }
  }

  /** As maps has it now; undefined when it is gone, or not to be read. */
  function mappingOf(module: Module): Mapping | undefined {
    const isIt = ({ start, end, inode }: Mapping) =>
      module.start >= start && module.start < end && inode === module.inode
    const known = mapsOf.get(module.pid)?.find(isIt)
    if (known !== undefined) return known
    try {
      const maps = readMaps(module.pid)
      mapsOf.set(module.pid, maps)
      return maps.find(isIt)
    } catch {
      return undefined
    }
  }

  function compare(fd: number, module: Module): UnknownReason | undefined {
    const { ino, dev } = fs.fstatSync(fd)
    const { major, minor } = decodeDevice(dev)
    // A deleted file's inode is in use as long as it is mapped, and by nobody when that is over.
    const isSameInode = ino === module.inode && (isLiving || module.deleted !== true)
    if (isSameInode && isSameDevice({ major, minor }, module.device)) return undefined
    // On an overlay or btrfs the maps show another device than stat does: the build-id decides.
    const mapped = module.buildId ?? (isLiving ? buildIdInMemory(module) : undefined)
    const found = buildIdOf(readElf(fileBytes(fd)))
    if (mapped !== undefined && found !== undefined) {
      return mapped === found ? undefined : 'build-id differs'
    }
    return isSameInode ? undefined : 'another file at its path'
  }

  /** The build-id as it is mapped: the notes lie in the first pages of the file. */
  function buildIdInMemory(module: Module): string | undefined {
    try {
      const first = readMaps(module.pid).find(
        ({ inode, device, fileOffset }) =>
          fileOffset === 0 && inode === module.inode && isSameDevice(device, module.device),
      )
      if (first === undefined) return undefined
      const memory = openMemory(module.pid)
      try {
        return buildIdOf(readElf(memoryBytes(memory, first.start, first.end - first.start)))
      } finally {
        fs.closeSync(memory)
      }
    } catch {
      return undefined
    }
  }

  return {
    hold,
    bytesOf(module) {
      const entry = hold(module)
      return typeof entry === 'string' ? entry : entry.bytes
    },
    openDebug,
    open(pid, path, owner) {
      const key = `${pid}:${path}`
      const known = others.get(key)
      if (known !== undefined) return known.bytes
      if (!isRoom()) return undefined
      try {
        const fd = openBeneath(isLiving ? rootOf(pid) : '/', path)
        const { uid } = fs.fstatSync(fd)
        if (owner !== undefined && uid !== owner && uid !== 0) {
          fs.closeSync(fd)
          return undefined
        }
        const bytes = fileBytes(fd)
        others.set(key, { fd, bytes })
        return bytes
      } catch {
        return undefined
      }
    },
    close() {
      for (const entry of held.values()) if (typeof entry !== 'string') fs.closeSync(entry.fd)
      for (const { fd } of [...others.values(), ...debug.values()]) fs.closeSync(fd)
    },
  }
}

function fileKey({ device, inode, path, buildId }: Module): string {
  return `${device?.major}:${device?.minor}:${inode}:${buildId ?? ''}:${path}`
}

function isSameDevice(a: Device, b: Device | undefined): boolean {
  return a.major === b?.major && a.minor === b.minor
}

type Device = Mapping['device']

/** As makedev(3) of Linux packs it. */
function decodeDevice(device: number): Device {
  const packed = BigInt(device)
  return {
    major: Number(((packed >> 8n) & 0xfffn) | ((packed >> 32n) & ~0xfffn)),
    minor: Number((packed & 0xffn) | ((packed >> 12n) & ~0xffn)),
  }
}
