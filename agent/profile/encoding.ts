// UTF-16 → UTF-8, streamed. What PowerShell's `>` makes of any text is UTF-16
// with a byte order mark, and a folded file that went that way is still a folded file.

import type { Chunks } from './lines.ts'

/** The encoding that a byte order mark says, undefined for UTF-8 and for bytes. */
export function utf16Of(head: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le'
  return head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : undefined
}

export async function* toUtf8(
  chunks: Chunks,
  encoding: 'utf-16le' | 'utf-16be',
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder(encoding)
  const encoder = new TextEncoder()
  for await (const chunk of chunks) {
    const bytes = encoder.encode(decoder.decode(chunk, { stream: true }))
    if (bytes.length > 0) yield bytes
  }
  yield encoder.encode(decoder.decode())
}
