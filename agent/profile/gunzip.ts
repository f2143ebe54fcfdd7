// Inflates a gzip stream that a stranger made.
//
// The size after inflating is not to be believed (a kilobyte can be a gigabyte),
// so it is counted as it comes. A stream that stops early is common: a capture
// that died, a full disk. What was inflated until then is good, so the caller
// hears of the cut and keeps it; damage inside is an error, because nothing
// before it was checked.

import { createGunzip } from 'node:zlib'
import { ProfilerError, systemCode } from '../errors.ts'
import type { Chunks } from './lines.ts'

export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b && head[2] === 0x08
}

/**
 * @param whenCut called once, if the input ends in the middle of the stream
 * @throws {ProfilerError} `SP_INPUT_DAMAGED` when the stream does not inflate.
 */
export async function* gunzip(chunks: Chunks, whenCut: () => void): AsyncGenerator<Uint8Array> {
  const inflater = createGunzip({ chunkSize: 256 * 1024 })
  const feeding = feed(chunks, inflater)
  // Read below, where the inflater is destroyed with the same error.
  feeding.catch(() => {})
  try {
    yield* inflater as AsyncIterable<Buffer>
    await feeding
  } catch (error) {
    const code = systemCode(error)
    if (code === 'Z_BUF_ERROR') {
      whenCut()
    } else if (code?.startsWith('Z_')) {
      throw new ProfilerError('SP_INPUT_DAMAGED', 'the gzip stream does not inflate', {
        cause: error,
      })
    } else {
      throw error
    }
  } finally {
    inflater.destroy()
  }
}

async function feed(chunks: Chunks, inflater: ReturnType<typeof createGunzip>): Promise<void> {
  try {
    for await (const chunk of chunks) {
      if (inflater.destroyed) return
      // A copy: it is inflated later, and who streams may use its buffer again.
      if (inflater.write(Buffer.from(chunk))) continue
      await new Promise<void>(resolve => {
        // Both go: a listener for each piece of a large file would pile up.
        const goOn = () => {
          inflater.off('drain', goOn).off('close', goOn)
          resolve()
        }
        inflater.on('drain', goOn).on('close', goOn)
      })
    }
    inflater.end()
  } catch (error) {
    inflater.destroy(error as Error)
  }
}
