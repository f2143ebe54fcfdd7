// /proc/PID/maps, map_files and mem: what a process has mapped, and what stands there.
//
// https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html

import fs from 'node:fs'
import { O_PATH } from './descriptors.ts'
import { readProc, withReason } from './proc.ts'

export interface Mapping {
  readonly start: number
  readonly end: number
  readonly executable: boolean
  readonly fileOffset: number
  readonly device: { readonly major: number; readonly minor: number }
  readonly inode: number
  /** '' for anonymous memory; else a path or `[vdso]`, still with ` (deleted)` if it was. */
  readonly path: string
  /** As `map_files` names it: the two addresses in hex, without the zeros that maps puts before them. */
  readonly range: string
}

// A JVM or a browser has some ten thousand mappings of about 100 bytes; this is far above.
const maxMapsBytes = 64 << 20

/** @throws {ProfilerError} `SP_TARGET_GONE`, `SP_NOT_PERMITTED` */
export function readMaps(pid: number): Mapping[] {
  const mappings: Mapping[] = []
  for (const line of readProc(pid, 'maps', maxMapsBytes).toString('utf8').split('\n')) {
    const match =
      /^([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+) *(.*)$/.exec(line)
    if (match === null) continue
    const [, start, end, flags, offset, major, minor, inode, path] = match as unknown as string[]
    mappings.push({
      start: Number.parseInt(start!, 16),
      end: Number.parseInt(end!, 16),
      executable: flags![2] === 'x',
      fileOffset: Number.parseInt(offset!, 16),
      device: { major: Number.parseInt(major!, 16), minor: Number.parseInt(minor!, 16) },
      inode: Number(inode),
      // The kernel writes a newline in a path as \012.
      path: path!.replaceAll('\\012', '\n'),
      range: `${stripZeros(start!)}-${stripZeros(end!)}`,
    })
  }
  return mappings
}

function stripZeros(hex: string): string {
  return hex.replace(/^0+(?=.)/, '')
}

/** Names the very inode that is mapped, even if its path is gone. Needs CHECKPOINT_RESTORE or SYS_ADMIN. */
export function pinMapFile(pid: number, range: string): number {
  return fs.openSync(`/proc/${pid}/map_files/${range}`, O_PATH)
}

/** Opens the target's memory. Also the harmless test of the permission to attach. */
export function openMemory(pid: number): number {
  return withReason(pid, () => fs.openSync(`/proc/${pid}/mem`, fs.constants.O_RDONLY))
}

/** Where the kernel put the vdso into our own memory. Of all mappings this is a faster way to it. */
export function readVdsoStart(): number | undefined {
  // Pairs of 64 bits: a key, a value.
  const vector = readProc('self', 'auxv', 4096)
  for (let at = 0; at + 16 <= vector.length; at += 16) {
    if (vector.readUInt32LE(at) === vdsoKey) return Number(vector.readBigUInt64LE(at + 8))
  }
  return undefined
}

// AT_SYSINFO_EHDR of getauxval(3).
const vdsoKey = 33
