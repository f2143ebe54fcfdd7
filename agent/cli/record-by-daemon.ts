// `record` where a daemon runs: it captures, we watch, and what is said, published
// and answered is as if we had captured.
//
// Whatever keeps the daemon from taking the ask at all is no failure: then we work
// alone, and say why. Once it has taken it, its word counts.

import { createHash, randomUUID } from 'node:crypto'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config, Format, Settings } from '../config.ts'
import { type ErrorCode, errorKinds, ProfilerError, systemCode } from '../errors.ts'
import type { CaptureAsk, CaptureView, ProblemBody } from '../http/wire.ts'
import { writeOutput } from '../publish/directory.ts'
import type { LiveView } from '../publish/live.ts'
import { artefactNames } from '../publish/place.ts'
import { type PlainReceipt, type Receipt, receiptOf } from '../publish/receipt.ts'
import { version } from '../version.ts'
import { chooseTarget, parsePid } from './choose.ts'
import { askDaemon, type Daemon, sayAlone } from './daemon.ts'
import { watchDaemon } from './daemon-events.ts'
import { lineOf } from './live.ts'
import { printReceipt } from './receipt.ts'
import { onInterrupt } from './signals.ts'
import type { Terminal } from './terminal.ts'

// A house that has fallen is up again in a second or two.
const lostMs = 10_000
const againMs = 300

/** @returns false where it could not be asked, which was said */
export async function recordByDaemon(
  daemon: Daemon,
  positionals: readonly string[],
  { settings }: Config,
  formats: readonly Format[],
  terminal: Terminal,
): Promise<boolean> {
  if (positionals.length > 1) {
    throw new ProfilerError('SP_USAGE', `one process at a time: ${positionals.join(' ')}`)
  }
  const pid = positionals[0] === undefined ? undefined : parsePid(positionals[0])
  const taken = await submit(daemon, pid, settings, formats, terminal)
  if (taken === undefined) return false
  if (taken.target.pid !== pid) {
    const why = pid === undefined ? 'the only busy one' : `which works for process ${pid}`
    terminal.state('target', `Taking process ${taken.target.pid}, ${why}`)
  }
  const view = await watched(daemon, taken, terminal)
  if (view.problem !== undefined) throw errorOf(view.problem)
  const receipt = receiptOf(view.receipt as PlainReceipt)
  const { output } = settings
  if (output === undefined) printReceipt(receipt, terminal)
  else await writeHere(daemon, view, receipt, formats[0]!, settings, terminal)
  return true
}

/** Where the daemon cannot tell whom to take, a person here may: then it is asked once more. */
async function submit(
  daemon: Daemon,
  pid: number | undefined,
  settings: Settings,
  formats: readonly Format[],
  terminal: Terminal,
): Promise<CaptureView | undefined> {
  try {
    return await post(daemon, askOf(pid, settings, formats))
  } catch (error) {
    if (!(error instanceof ProfilerError)) {
      sayAlone(`it does not answer (${systemCode(error) ?? (error as Error).message})`, terminal)
      return undefined
    }
    if (refusals.has(error.code)) {
      sayAlone(error.message, terminal)
      return undefined
    }
    if (error.code !== 'SP_TARGET_AMBIGUOUS') throw watchable(error, daemon)
    const named = pid === undefined ? [] : [String(pid)]
    const chosen = await chooseTarget(named, settings, terminal)
    return post(daemon, askOf(chosen.pid, settings, formats))
  }
}

/** Of the daemon itself, not of what it was asked for. */
const refusals: ReadonlySet<string> = new Set<ErrorCode>([
  'SP_UNAUTHENTICATED',
  'SP_FORBIDDEN',
  'SP_VERSION_DIFFERS',
  'SP_ROUTE_UNKNOWN',
  'SP_DRAINING',
])

function askOf(
  pid: number | undefined,
  settings: Settings,
  formats: readonly Format[],
): CaptureAsk {
  const { mode, hertz, duration, tool, callGraph, native, stat, pause, incident, to } = settings
  return {
    ...(pid !== undefined && { target: { pid } }),
    mode,
    hertz,
    seconds: duration / 1000,
    ...(tool !== undefined && { tool }),
    callGraph,
    native,
    stat,
    pause,
    ...windowsOf(settings),
    ...(incident !== undefined && { incident }),
    formats: [...formats],
    // Its working folder is another one.
    to: to.startsWith('file:') ? `file:${path.resolve(to.slice('file:'.length))}` : to,
    // One file is fetched and written here; then nothing else is to be written anywhere.
    ...(settings.output !== undefined && { publish: false }),
  }
}

function windowsOf({ windows, every }: Settings): Pick<CaptureAsk, 'windows'> {
  const everySeconds = every === undefined ? undefined : every / 1000
  if (typeof windows === 'object') return { windows: windows.map(ms => ms / 1000) }
  if (windows === undefined) {
    return everySeconds === undefined ? {} : { windows: { every: everySeconds, until: 'stopped' } }
  }
  return { windows: everySeconds === undefined ? windows : { count: windows, every: everySeconds } }
}

/** With a key, so that an ask whose answer was lost can be sent again and is still one capture. */
async function post(daemon: Daemon, body: CaptureAsk): Promise<CaptureView> {
  const headers = { 'idempotency-key': randomUUID(), 'sp-flamegraph-version': version() }
  const send = () => askDaemon(daemon, 'POST', '/v1/captures', { body, headers })
  const answer = await send().catch(error => {
    if (systemCode(error) !== 'ECONNRESET') throw error
    return send()
  })
  return checked(answer.status, answer.body)
}

/** Follows it to its end. Ctrl-C ends the capture, not the watching; a second one discards it. */
async function watched(
  daemon: Daemon,
  taken: CaptureView,
  terminal: Terminal,
): Promise<CaptureView> {
  const { signals, release } = onInterrupt(words => terminal.state('stopping', words))
  const end = (keep: boolean) => {
    // What it answers is heard in its state; where it cannot be told, the watching fails.
    askDaemon(daemon, 'DELETE', `${taken.href}?keep=${keep}`).catch(() => {})
  }
  signals.stop.addEventListener('abort', () => end(true), { once: true })
  signals.discard.addEventListener('abort', () => end(false), { once: true })
  const show = shown(terminal)
  try {
    let view = taken
    show.state(view)
    for (let heardMs = performance.now(); !isOver(view); ) {
      try {
        for await (const { event, data } of watchDaemon(daemon, `${taken.href}/events`)) {
          heardMs = performance.now()
          if (event === 'live') show.live(data as LiveView)
          if (event !== 'state') continue
          view = data as CaptureView
          show.state(view)
        }
      } catch (cause) {
        if (performance.now() - heardMs > lostMs) {
          const message = `the daemon does not answer any more; its capture is ${taken.id}`
          throw new ProfilerError('SP_DAEMON_LOST', message, { cause })
        }
      }
      if (!isOver(view)) await sleep(againMs)
    }
    return view
  } finally {
    show.stop()
    release()
  }
}

/** States as they change, and a line that ticks while it samples. */
function shown(terminal: Terminal) {
  let said = ''
  let sampling: { readonly sinceMs: number; readonly seconds: number } | undefined
  let seen: LiveView | undefined
  const ticking = setInterval(() => {
    if (sampling === undefined) return
    const { sinceMs, seconds } = sampling
    const time = { elapsedMs: performance.now() - sinceMs, durationMs: seconds * 1000 }
    terminal.tick(lineOf({ top: [], ...seen, ...time }))
  }, 1000)
  return {
    state({ state, message, asked: { seconds } }: CaptureView) {
      if (message === said || state === 'failed') return
      said = message
      // Between the windows of a series nothing is sampled.
      const isSampling = state === 'capturing' && message.includes('Sampling')
      sampling = isSampling ? { sinceMs: performance.now(), seconds } : undefined
      seen = undefined
      terminal.state(state, message)
    },
    live(view: LiveView) {
      seen = view
      terminal.emit({ live: view })
    },
    stop: () => clearInterval(ticking),
  }
}

async function writeHere(
  daemon: Daemon,
  view: CaptureView,
  receipt: Receipt,
  format: Format,
  { output, force }: Settings,
  terminal: Terminal,
): Promise<void> {
  const name = artefactNames[format]
  const files = receipt.files.filter(file => file.name === name)
  const { status, body } = await askDaemon(daemon, 'GET', `${view.href}/artefacts/${name}`)
  if (status !== 200) checked(status, body)
  const sha256 = createHash('sha256').update(body).digest('hex')
  if (files[0]?.sha256 !== sha256) {
    throw new ProfilerError('SP_INTERNAL', `${name} is not as the daemon has published it`)
  }
  if (output === '-') {
    // What goes to standard output is the picture itself: nothing else may.
    await new Promise<void>(resolve => process.stdout.write(body, () => resolve()))
    return
  }
  await writeOutput(output!, body, force)
  printReceipt({ ...receipt, files, place: `file:${path.resolve(output!)}` }, terminal)
}

/** @throws {ProfilerError} what the daemon answers instead */
function checked(status: number, body: Buffer): CaptureView {
  const answer = JSON.parse(body.toString()) as unknown
  if (status < 300) return answer as CaptureView
  throw errorOf(answer as ProblemBody)
}

function errorOf({ code, title, facts = {} }: ProblemBody): ProfilerError {
  if (Object.hasOwn(errorKinds, code)) return new ProfilerError(code, title, { facts })
  return new ProfilerError('SP_INTERNAL', `the daemon answers ${code}: ${title}`)
}

/** Somebody captures it already: how to see that capture. */
function watchable(error: ProfilerError, { socket, tokenFile }: Daemon): ProfilerError {
  const { code, message, facts } = error
  if (code !== 'SP_CAPTURE_RUNNING') return error
  const watch =
    `curl -N --unix-socket ${socket} -H "Authorization: Bearer $(cat ${tokenFile})" ` +
    `http://localhost/v1/captures/${facts.capture}/events`
  return new ProfilerError(code, message, { facts: { ...facts, 'watch it with': watch } })
}

function isOver({ state }: CaptureView): boolean {
  return state === 'finished' || state === 'failed'
}
