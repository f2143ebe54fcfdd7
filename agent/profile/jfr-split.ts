// Cuts a stream into the chunks of a JFR recording, each of which says its size.

import { ProfilerError } from '../errors.ts'
import { malformedJfr } from './jfr-bytes.ts'
import { jfrHeaderBytes, readJfrHeader } from './jfr-chunk.ts'
import type { Chunks } from './lines.ts'

// The JVM begins another one after 12 MB, async-profiler after 100.
const maxChunkBytes = 256 << 20

/**
 * Each chunk in a buffer of its own, which grows as bytes come, not as they are claimed.
 *
 * @param whenCut called once, if the input ends in the middle of a chunk
 * @throws {ProfilerError} `SP_JFR_MALFORMED`, `SP_LIMIT`
 */
export async function* wholeChunks(chunks: Chunks, whenCut: () => void): AsyncGenerator<Buffer> {
  let held = Buffer.alloc(0)
  let length = 0
  for await (const piece of chunks) {
    for (let at = 0; at < piece.length; ) {
      const wanted = length < jfrHeaderBytes ? jfrHeaderBytes : sizeOf(held)
      const more = Math.min(piece.length - at, wanted - length)
      if (length + more > held.length) {
        const grown = Buffer.alloc(Math.min(wanted, Math.max(1 << 16, 2 * (length + more))))
        held.copy(grown, 0, 0, length)
        held = grown
      }
      held.set(piece.subarray(at, at + more), length)
      at += more
      length += more
      if (length < jfrHeaderBytes || length < sizeOf(held)) continue
      yield held.subarray(0, length)
      held = Buffer.alloc(0)
      length = 0
    }
  }
  if (length > 0) whenCut()
}

function sizeOf(head: Buffer): number {
  const { sizeBytes } = readJfrHeader(head)
  if (!(sizeBytes > jfrHeaderBytes)) {
    throw malformedJfr(`a chunk of ${sizeBytes} bytes: it was not finished`)
  }
  if (sizeBytes <= maxChunkBytes) return sizeBytes
  throw new ProfilerError('SP_LIMIT', `a JFR chunk is larger than ${maxChunkBytes} bytes`)
}
