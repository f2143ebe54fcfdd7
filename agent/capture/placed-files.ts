// Files that a driver puts into the target's file system for the target to write:
// `target/place-beneath.ts`, with the words of a driver.

import fs from 'node:fs'
import { ProfilerError, systemCode } from '../errors.ts'
import { targetOf } from '../target/find.ts'
import { noteLeftover } from '../target/leftovers.ts'
import { newPlacedName, type PlacedFolder, placeFolder } from '../target/place-beneath.ts'
import { rootOf } from '../target/procfs.ts'

/** @throws {ProfilerError} `SP_TOOL_FAILED` */
export function placeIn(pid: number, folder: string): PlacedFolder {
  try {
    return placeNoted(pid, folder)
  } catch (cause) {
    const why = systemCode(cause) ?? 'it is not what it was'
    throw new ProfilerError(
      'SP_TOOL_FAILED',
      `${folder} of process ${pid} takes no files: ${why}`,
      { cause },
    )
  }
}

/** Written down first: killed in between, somebody else has to take it away. */
function placeNoted(pid: number, parent: string): PlacedFolder {
  const name = newPlacedName(pid)
  const forget = noteLeftover({ kind: 'folder', target: targetOf(pid), parent, name })
  try {
    const placed = placeFolder(rootOf(pid), parent, name)
    const remove = () => {
      placed.remove()
      forget()
    }
    return { ...placed, remove }
  } catch (error) {
    forget()
    throw error
  }
}

/** @throws {ProfilerError} `SP_LIMIT` above so many bytes */
export function readPlaced(fd: number, mostBytes: number): Buffer {
  const { size } = fs.fstatSync(fd)
  if (size > mostBytes) {
    throw new ProfilerError('SP_LIMIT', `the target wrote more than ${mostBytes} bytes`)
  }
  const bytes = Buffer.allocUnsafe(size)
  return bytes.subarray(0, fs.readSync(fd, bytes, 0, size, 0))
}
