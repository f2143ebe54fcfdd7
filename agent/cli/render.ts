// `sp-flamegraph render`: draws profiles that exist, through the same redaction,
// gate and publishing as a capture.

import fs from 'node:fs'
import os from 'node:os'
import { monotonicMs } from '../capture/capture.ts'
import type { Format, Settings } from '../config.ts'
import { ProfilerError, systemCode } from '../errors.ts'
import { weightOf } from '../profile/call-tree.ts'
import { ProfileBuilder } from '../profile/profile.ts'
import { type ReadOptions, type ReadProfile, readProfile } from '../profile/readers.ts'
import { arrangeWaiting } from '../profile/waiting.ts'
import { widthFirst } from '../profile/width.ts'
import { describeRendering, type Rendering } from '../publish/describe.ts'
import { checkOutput } from '../publish/output.ts'
import { publishDraft } from '../publish/publish.ts'
import { moduleFiles } from '../symbolize/module-files.ts'
import { nameSources } from '../symbolize/sources.ts'
import { symbolize } from '../symbolize/symbolize.ts'
import { fileUnwinder } from '../symbolize/unwind.ts'
import { version } from '../version.ts'
import { printingReceipt } from './receipt.ts'
import type { Terminal } from './terminal.ts'

export async function render(
  inputs: readonly string[],
  settings: Settings,
  formats: readonly Format[],
  terminal: Terminal,
): Promise<void> {
  if (inputs.length === 0) throw new ProfilerError('SP_USAGE', 'no file was named')
  await checkOutput(settings)
  const startedAt = new Date()
  const beganMs = monotonicMs()
  terminal.state('reading', `Reading ${inputs.join(', ')}`)
  const named = await readNamed(inputs)
  const draft = describeRendering(named, { settings, startedAt, version: version() })
  const ask = { settings, formats, progress: terminal }
  await printingReceipt(publishDraft(draft, ask, beganMs), settings, terminal)
}

/**
 * All inputs as one profile with names. By itself, so that the addresses and the symbol tables,
 * which are most of the memory, can be let go of before anything is drawn.
 *
 * @throws {ProfilerError} `SP_NO_SAMPLES`, `SP_USAGE`, and what the readers throw
 */
export async function readNamed(inputs: readonly string[]): Promise<Rendering> {
  const builder = new ProfileBuilder()
  const read: ReadProfile[] = []
  let events: readonly string[] = []
  const files = moduleFiles()
  try {
    // Which kernel it was is known too late, so its vdso is not walked through.
    const options: ReadOptions = { unwinder: fileUnwinder(files, false) }
    for (const input of inputs) {
      read.push(await readInput(input, builder, options))
      events = checkEvents(input, events, builder.events)
    }
    const raw = widthFirst(arrangeWaiting(builder.build()))
    if (!(weightOf(raw) > 0))
      throw new ProfilerError('SP_NO_SAMPLES', `${inputs.join(', ')}: no samples`)

    const names = nameSources(files)
    const hasSameKernel = read.every(isSameKernel)
    const profile = symbolize(raw, module => names.of(module, hasSameKernel))
    const { sources: symbols, problems } = names.used()
    return { profile, read, symbols, problems }
  } finally {
    files.close()
  }
}

/**
 * Several files are one picture only if they counted the same.
 *
 * @throws {ProfilerError} `SP_USAGE`
 */
function checkEvents(
  input: string,
  before: readonly string[],
  after: readonly string[],
): readonly string[] {
  const added = after.filter(event => !before.includes(event))
  if (before.length === 0 || added.length === 0) return after
  throw new ProfilerError(
    'SP_USAGE',
    `${input} counts ${added.join(', ')}, the files before it ${before.join(', ')}: draw it by itself`,
  )
}

async function readInput(
  input: string,
  builder: ProfileBuilder,
  options: ReadOptions,
): Promise<ReadProfile> {
  const pieces = input === '-' ? (process.stdin as AsyncIterable<Uint8Array>) : piecesOf(input)
  try {
    return await readProfile(pieces, builder, options)
  } catch (cause) {
    if (cause instanceof ProfilerError) throw cause
    const code = systemCode(cause)
    if (code === undefined) throw cause
    throw new ProfilerError('SP_INPUT_UNREADABLE', `${input} cannot be read: ${code}`, { cause })
  }
}

/** All in one buffer: no reader keeps a piece, and those of a stream pile up until they are collected. */
function* piecesOf(input: string): Generator<Uint8Array> {
  const fd = fs.openSync(input, 'r')
  try {
    const buffer = Buffer.allocUnsafe(pieceBytes)
    for (;;) {
      const count = fs.readSync(fd, buffer)
      if (count === 0) return
      yield buffer.subarray(0, count)
    }
  } finally {
    fs.closeSync(fd)
  }
}

// What stays in a core's own cache while it is read.
const pieceBytes = 256 * 1024

/** Whether the kernel's own names here are those of the kernel that was sampled. */
function isSameKernel({ perf }: ReadProfile): boolean {
  return (
    perf === undefined || perf.kernelRelease === undefined || perf.kernelRelease === os.release()
  )
}
