// A private place for a tool's output that cannot be left behind.
//
// The file has no name: it is unlinked as soon as it is open, and the tool gets
// it as a descriptor. When the last of us ends, however it ends, the kernel
// frees it.

import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** Opens a new file without a name, for reading and writing. */
export function openNamelessFile(): number {
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
