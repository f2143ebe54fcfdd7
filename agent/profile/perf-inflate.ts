// Decompresses the records of `perf record -z`.
//
// All COMPRESSED records of a recording are one zstd stream, flushed at the end
// of each and never ended, and what comes out are records that may begin in one
// and end in the next. Node has no synchronous way to go on with a stream.

import { createZstdDecompress } from 'node:zlib'

export interface Inflater {
  /** Gives what comes out, piece by piece, and then answers: false if the stream is damaged. */
  inflate(packed: Uint8Array, take: (piece: Uint8Array) => void): Promise<boolean>
  close(): void
}

export function inflater(): Inflater {
  let stream: ReturnType<typeof createZstdDecompress> | undefined
  return {
    async inflate(packed, take) {
      // Most recordings need none.
      stream ??= createZstdDecompress()
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const fail = () => resolve(false)
      stream.on('data', take)
      stream.once('error', fail)
      // A copy, since the stream may look at it once more after it has answered.
      stream.write(Buffer.from(packed), error => resolve(!error))
      const isWhole = await promise
      stream.off('data', take)
      if (isWhole) stream.off('error', fail)
      return isWhole
    },
    close() {
      stream?.destroy()
    },
  }
}
