// A file of /proc, read whole, and why it could not be.
//
// The trap: the files of /proc say a size of 0 and are as long as the target makes
// them, so they are read until nothing comes, or until it is too much.

import fs from 'node:fs'
import { ProfilerError, systemCode } from '../../errors.ts'

/** @throws {ProfilerError} `SP_TARGET_GONE`, `SP_NOT_PERMITTED` */
export function readProc(pid: number | 'self', name: string, maxBytes: number): Buffer {
  return withReason(pid, () => {
    const fd = fs.openSync(`/proc/${pid}/${name}`, fs.constants.O_RDONLY)
    try {
      // The files of /proc have no size: read until nothing comes.
      const pieces: Buffer[] = []
      let total = 0
      while (total < maxBytes) {
        const piece = Buffer.allocUnsafe(Math.min(maxBytes - total, 64 * 1024))
        const count = fs.readSync(fd, piece, 0, piece.length, null)
        if (count === 0) break
        pieces.push(piece.subarray(0, count))
        total += count
      }
      return Buffer.concat(pieces)
    } finally {
      fs.closeSync(fd)
    }
  })
}

/**
 * @throws {ProfilerError} `SP_TARGET_GONE`, `SP_NOT_PERMITTED`, for what the system says of the process
 */
export function withReason<T>(pid: number | 'self', read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const code = systemCode(cause)
    if (code === 'ENOENT' || code === 'ESRCH') {
      throw new ProfilerError('SP_TARGET_GONE', `there is no process ${pid}`, { cause })
    }
    if (code === 'EACCES' || code === 'EPERM') {
      throw new ProfilerError(
        'SP_NOT_PERMITTED',
        `process ${pid} belongs to another user and CAP_SYS_PTRACE is not held`,
        { cause },
      )
    }
    throw cause
  }
}

/** Undefined for whatever may not be read, or is not there. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
