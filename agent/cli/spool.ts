// `sp-flamegraph spool`: what could not be published yet, and another try.

import type { Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { placeIn } from '../publish/destination.ts'
import { type SpoolOutcome, sendSpooled } from '../publish/send-spooled.ts'
import { listSpool, measureSpool, spoolFolder } from '../publish/spool.ts'
import { readEntry } from '../publish/spool-entry.ts'
import { sizeWords } from './receipt.ts'
import { onInterrupt } from './signals.ts'
import type { Terminal } from './terminal.ts'

export async function spool(
  words: readonly string[],
  settings: Settings,
  terminal: Terminal,
): Promise<void> {
  const [word = 'list', ...more] = words
  if (more.length > 0 || !['list', 'send'].includes(word)) {
    throw new ProfilerError('SP_USAGE', `spool takes list or send, not ${words.join(' ')}`)
  }
  await (word === 'list' ? list(settings, terminal) : send(settings, terminal))
}

async function list(settings: Settings, terminal: Terminal): Promise<void> {
  const folder = spoolFolder(settings)
  for (const { id, folder, sentBy } of await listSpool(settings)) {
    // It may have been sent since we looked.
    const entry = await readEntry(folder).catch((error: Error) => error)
    if (entry instanceof Error) {
      terminal.print(`${id}  cannot be sent: ${entry.message}`)
      terminal.emit({ entry: { id, folder, problem: entry.message } })
      continue
    }
    const { to, place, spooledAt, files } = entry
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
    const state = sentBy === undefined ? 'waits' : `is being sent by process ${sentBy}`
    terminal.print(`${id}  ${state}, since ${spooledAt.slice(0, 19).replace('T', ' ')} UTC`)
    terminal.print(`  ${files.length} files, ${sizeWords(bytes)}, for ${placeIn(to, place)}`)
    terminal.emit({ entry: { id, folder, sentBy, spooledAt, to, place, bytes } })
  }
  const { entries, bytes } = await measureSpool(settings)
  const { spoolMaxEntries, spoolMaxBytes } = settings
  terminal.print(
    `${folder}: ${entries} of at most ${spoolMaxEntries} captures, ${sizeWords(bytes)} of at most ${sizeWords(spoolMaxBytes)}`,
  )
  terminal.emit({ spool: { folder, entries, bytes, spoolMaxEntries, spoolMaxBytes } })
}

async function send(settings: Settings, terminal: Terminal): Promise<void> {
  const { signals, release } = onInterrupt(() => {
    terminal.state('stopping', 'Stopping; what has not arrived stays in the spool.')
  })
  const stop = new AbortController()
  signals.stop.addEventListener('abort', () => {
    stop.abort(new ProfilerError('SP_UPLOAD_STOPPED', 'the upload was stopped'))
  })
  try {
    const outcomes = await sendSpooled(settings, stop.signal, outcome => print(outcome, terminal))
    if (outcomes.length === 0) terminal.state('sent', 'Nothing waits to be sent')
    const left = outcomes.filter(({ kind }) => kind === 'waits' || kind === 'taken').length
    terminal.emit({ spool: { sent: outcomes.filter(({ kind }) => kind === 'sent').length, left } })
    stop.signal.throwIfAborted()
    const failed = outcomes.find(({ kind }) => kind === 'waits') ?? outcomes.find(isDamaged)
    if (failed !== undefined && 'error' in failed) throw failed.error
  } finally {
    release()
  }
}

function isDamaged({ kind }: SpoolOutcome): boolean {
  return kind === 'damaged'
}

function print(outcome: SpoolOutcome, terminal: Terminal): void {
  const { kind, id } = outcome
  switch (kind) {
    case 'sent':
      terminal.print(`${id}  sent to ${outcome.place}`)
      break
    case 'taken':
      terminal.print(`${id}  is being sent by process ${outcome.pid}`)
      break
    case 'waits':
      terminal.print(`${id}  waits for ${outcome.to}: ${outcome.error.message}`)
      break
    case 'damaged':
      terminal.print(`${id}  ${outcome.error.message}`)
      break
  }
  terminal.emit({
    outcome:
      'error' in outcome
        ? { ...outcome, error: { code: outcome.error.code, message: outcome.error.message } }
        : outcome,
  })
}
