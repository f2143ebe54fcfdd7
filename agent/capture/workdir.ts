// A private place for a tool's output that cannot be left behind.
//
// The file has no name: it is unlinked as soon as it is open, and the tool gets
// it as a descriptor. When the last of us ends, however it ends, the kernel
// frees it.

import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { ProfilerError, systemCode } from '../errors.ts'
import { freeBytes } from '../target/disk.ts'

// A tool writes each stack once: 30 s at 999 Hz of a large program are less.
const leastFreeBytes = 1 << 20

/**
 * Opens a new file without a name, for reading and writing.
 *
 * @throws {ProfilerError} `SP_OUTPUT_FAILED` where it cannot be made, or there is no room for it
 */
export function openNamelessFile(): number {
  const free = freeBytes(os.tmpdir())
  if (free !== undefined && free < leastFreeBytes) throw full()
  try {
    return open()
  } catch (cause) {
    const message = `no file can be made in ${os.tmpdir()}: ${systemCode(cause)}`
    throw new ProfilerError('SP_OUTPUT_FAILED', message, { cause })
  }
}

/** That the disk is full, where a tool ended because of that. */
export function fullDisk(said: string): ProfilerError | undefined {
  return /no space left on device|os error (?:28|122)\b/i.test(said) ? full() : undefined
}

function full(): ProfilerError {
  return new ProfilerError(
    'SP_OUTPUT_FAILED',
    `there is no room for what the tool sees: the disk of ${os.tmpdir()} is full (TMPDIR names another)`,
  )
}

function open(): number {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = fs.constants
  const name = path.join(os.tmpdir(), `sp-flamegraph-${randomBytes(8).toString('hex')}`)
  const fd = fs.openSync(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  fs.unlinkSync(name)
  return fd
}

const chunkBytes = 1 << 20

/** Everything in the file, from its start, and closes it. */
export async function* readAndClose(fd: number): AsyncGenerator<Uint8Array> {
  try {
    for (let at = 0; ; ) {
      const chunk = Buffer.allocUnsafe(chunkBytes)
      const count = fs.readSync(fd, chunk, 0, chunk.length, at)
      if (count === 0) return
      at += count
      yield chunk.subarray(0, count)
    }
  } finally {
    fs.closeSync(fd)
  }
}
