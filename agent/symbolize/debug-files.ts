// Where the debug file of a stripped file may be, and how to know that it is
// the right one.
//
// Two conventions, both those of GDB:
// https://sourceware.org/gdb/current/onlinedocs/gdb.html/Separate-Debug-Files.html
//
// - The build-id: /usr/lib/debug/.build-id/ab/cdef….debug, where `ab` is its
//   first byte. The file must have the same build-id.
// - .gnu_debuglink: a file name and the CRC-32 of that file, which lies beside
//   the stripped file, in .debug/ beside it, or below /usr/lib/debug. A debug file that
//   has a build-id is checked by that instead: it says more than a CRC, and at
//   once, where a CRC must read a gigabyte.
//
// We say where and how to check; opening is the caller's part, in the target's
// mount namespace.

import path from 'node:path'
import { crc32 } from 'node:zlib'
import { stringAt } from './bytes.ts'
import { buildIdOf, type Elf, readElf, sectionBytes } from './elf.ts'
import type { Bytes } from './symbols.ts'

export interface DebugFileCandidate {
  readonly path: string
  readonly check: DebugFileCheck
}

/** What a debug file must match: the build-id if both files have one, else the CRC-32. */
export interface DebugFileCheck {
  readonly buildId?: string
  readonly crc?: number
}

// A debug file without a build-id is read whole for its CRC. Those are old or hand-made, and small.
const maxCrcBytes = 512 << 20
const crcChunkBytes = 1 << 20

/** Best first. `filePath` is where the target has the stripped file. */
export function debugFileCandidates(elf: Elf, filePath: string): readonly DebugFileCandidate[] {
  const buildId = buildIdOf(elf)
  const link = readDebugLink(elf)
  const byBuildId =
    buildId === undefined || buildId.length < 4
      ? []
      : [`/usr/lib/debug/.build-id/${buildId.slice(0, 2)}/${buildId.slice(2)}.debug`]
  const folder = path.posix.dirname(filePath)
  const byLink =
    link === undefined || !filePath.startsWith('/')
      ? []
      : [folder, `${folder}/.debug`, `/usr/lib/debug${folder}`]
          .map(place => path.posix.join(place, link.name))
          .filter(candidate => candidate !== filePath)
  return [
    ...byBuildId.map(candidate => ({ path: candidate, check: { buildId: buildId! } })),
    ...byLink.map(candidate => ({
      path: candidate,
      check: { crc: link!.crc, ...(buildId !== undefined && { buildId }) },
    })),
  ]
}

/** The debug file in these bytes if it passes the check, else undefined. */
export function readDebugFile(bytes: Bytes, check: DebugFileCheck): Elf | undefined {
  let elf: Elf
  try {
    elf = readElf(bytes)
  } catch {
    return undefined
  }
  const buildId = buildIdOf(elf)
  const isRight =
    buildId !== undefined && check.buildId !== undefined
      ? buildId === check.buildId
      : check.crc !== undefined && bytes.size <= maxCrcBytes && crcOf(bytes) === check.crc
  return isRight ? elf : undefined
}

/** The section holds a name with its NUL, padding to 4 bytes, and the CRC-32. */
function readDebugLink(elf: Elf): { readonly name: string; readonly crc: number } | undefined {
  const link = sectionBytes(elf, '.gnu_debuglink')
  if (link === undefined || link.length < 8) return undefined
  const nameEnd = link.indexOf(0)
  const crcAt = Math.ceil((nameEnd + 1) / 4) * 4
  if (nameEnd < 0 || crcAt + 4 > link.length) return undefined
  const name = stringAt(link, 0, nameEnd)
  // A name that leads elsewhere is no file name; the file that has it is not trusted to choose a path.
  if (name === '' || name === '.' || name === '..' || name.includes('/')) return undefined
  return { name, crc: elf.isLittleEndian ? link.readUInt32LE(crcAt) : link.readUInt32BE(crcAt) }
}

function crcOf(bytes: Bytes): number {
  let crc = 0
  for (let at = 0; at < bytes.size; at += crcChunkBytes) {
    crc = crc32(bytes.read(at, crcChunkBytes), crc)
  }
  return crc
}
