// Keeps the bytes that a tool gave, as its reader is given them, in a local file of
// their owner: a perf.data, a .nettrace, a .cpuprofile, that other programs read too.
//
// Nothing in it is redacted and it never goes where artefacts go. The bytes are copied
// on their way to the reader and written behind it, so a slow disk or a full one
// costs the file, never the capture. Segments of text, and of JFR, follow one another in
// one file; of other formats each is a whole of its own: FILE, FILE.1, FILE.2 and so on.

import { constants } from 'node:fs'
import fs from 'node:fs/promises'
import { ProfilerError, systemCode } from '../errors.ts'
import type { Segment } from './capture.ts'

export interface RawFile {
  /** The same segments, kept as they are read. What was kept of a sampling before is dropped. */
  keep(segments: AsyncIterable<Segment>): AsyncIterable<Segment>
  /** Finishes the writing, and says in a sentence or two what is there; undefined where nothing is. */
  close(): Promise<string | undefined>
  /** Removes what was kept. */
  remove(): Promise<void>
}

/**
 * Opens the file now, so that what stands in its way is said before anything is sampled.
 *
 * @throws {ProfilerError} `SP_OUTPUT_EXISTS`, `SP_OUTPUT_FAILED`
 */
export async function openRawFile(file: string, replace: boolean): Promise<RawFile> {
  const files: Kept[] = [await open(file, replace)]
  /** How many of the files are in use, and for which formats: of a dump that replaces the last, the first again. */
  let used = 0
  const formats = new Set<string>()
  let format: string | undefined
  let problem: string | undefined
  let waitingBytes = 0
  let queue: Promise<unknown> = Promise.resolve()

  /** One after the other, behind the reader. */
  const later = (act: () => Promise<unknown>) => {
    queue = queue.then(async () => {
      if (problem !== undefined) return
      await act().catch(error => {
        problem = wordsOf(error)
      })
    })
  }

  const startOver = () => {
    used = 0
    format = undefined
    formats.clear()
    later(async () => {
      for (const kept of files) {
        await kept.handle.truncate(0)
        kept.bytes = 0
      }
    })
  }

  /** Where a segment of this format goes. */
  const place = (next: string): number => {
    if (next === format && isContinued(next)) return used - 1
    format = next
    formats.add(next)
    const index = used++
    later(async () => {
      if (index >= files.length) files.push(await open(`${file}.${index}`, replace))
    })
    return index
  }

  const write = (index: number, bytes: Uint8Array) => {
    waitingBytes += bytes.length
    if (waitingBytes > mostWaitingBytes) problem ??= 'the disk is too slow'
    later(async () => {
      const kept = files[index]!
      // From where the last one ended, which is not where a truncated file's descriptor stands.
      for (let from = 0; from < bytes.length; ) {
        const { bytesWritten } = await kept.handle.write(bytes, from, undefined, kept.bytes)
        from += bytesWritten
        kept.bytes += bytesWritten
      }
    })
    queue = queue.finally(() => {
      waitingBytes -= bytes.length
    })
  }

  async function* passing(segments: AsyncIterable<Segment>): AsyncGenerator<Segment> {
    startOver()
    for await (const segment of segments) {
      if (segment.supersedes) startOver()
      const { raw } = segment
      const index = place(raw?.format ?? segment.format)
      if (raw !== undefined) write(index, raw.bytes())
      yield raw !== undefined ? segment : { ...segment, chunks: copying(segment, index) }
    }
  }

  async function* copying({ chunks, format }: Segment, index: number): AsyncGenerator<Uint8Array> {
    let last = newline
    for await (const chunk of chunks) {
      if (chunk.length > 0) {
        last = chunk.at(-1)!
        write(index, chunk)
      }
      yield chunk
    }
    if (isText(format) && last !== newline) write(index, Buffer.from('\n'))
  }

  let isRemoved = false
  const remove = async () => {
    isRemoved = true
    await queue
    for (const { handle, name } of files) {
      await handle.close().catch(() => {})
      await fs.unlink(name).catch(() => {})
    }
  }

  return {
    keep: passing,
    async close() {
      await queue
      if (isRemoved) return undefined
      const bytes = files.reduce((sum, kept) => sum + kept.bytes, 0)
      if (bytes === 0) {
        await remove()
        return problem === undefined ? undefined : `${file} was not kept: ${problem}.`
      }
      for (const { handle } of files) await handle.close().catch(() => {})
      // Of a longer sampling that was begun anew.
      for (const { name } of files.splice(Math.max(1, used))) await fs.unlink(name).catch(() => {})
      const where =
        files.length === 1
          ? file
          : `${file} and ${files.length - 1} more, to ${file}.${files.length - 1}`
      const cut = problem === undefined ? '' : ` It ends before its time: ${problem}.`
      return (
        `Kept what the tool gave (${[...formats].join(', ')}, ${Math.ceil(bytes / 1024)} KB) in ${where}. ` +
        `Nothing in it is redacted: it is for its owner alone.${cut}`
      )
    },
    remove,
  }
}

interface Kept {
  readonly name: string
  readonly handle: fs.FileHandle
  bytes: number
}

// What the fastest tool gives in ten seconds, and what we may use of memory for it.
const mostWaitingBytes = 64 << 20
const newline = 0x0a

/** Of lines: one after the other they are as good as one. */
function isText(format: string): boolean {
  return !['perf.data', 'nettrace', 'pprof', 'cpuprofile', 'jfr'].includes(format)
}

/** Whether segments one behind the other are one file: recordings of JFR are made to be. */
function isContinued(format: string): boolean {
  return isText(format) || format === 'jfr'
}

async function open(name: string, replace: boolean): Promise<Kept> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  try {
    if (replace && (await isRegular(name))) await fs.unlink(name)
    const handle = await fs.open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    return { name, handle, bytes: 0 }
  } catch (cause) {
    const code = systemCode(cause) === 'EEXIST' ? 'SP_OUTPUT_EXISTS' : 'SP_OUTPUT_FAILED'
    throw new ProfilerError(code, `${name}: ${wordsOf(cause)}`, { cause })
  }
}

async function isRegular(name: string): Promise<boolean> {
  return await fs.lstat(name).then(
    stat => stat.isFile(),
    () => false,
  )
}

function wordsOf(error: unknown): string {
  if (error instanceof ProfilerError) return error.message
  const code = systemCode(error)
  return words.get(code ?? '') ?? code ?? 'it cannot be written'
}

const words: ReadonlyMap<string, string> = new Map([
  ['EEXIST', 'it exists already'],
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the disk quota is used up'],
  ['EFBIG', 'it is larger than is allowed'],
  ['EACCES', 'permission is denied'],
  ['EROFS', 'the file system is read-only'],
  ['ENOENT', 'its folder does not exist'],
])
