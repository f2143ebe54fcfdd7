// The whole story: from an ask to a receipt.
//
//     ask → target → plan → capture → profile → symbolize → redact → render → publish → receipt
//
// Each stage is a folder of that name. What is here is their order, and what
// one hands to the next.

import type { CaptureSignals, Progress } from './capture/capture.ts'
import { openRawFile, type RawFile } from './capture/keep-raw.ts'
import { askKernel } from './capture/probe.ts'
import type { Recorder } from './capture/recorder.ts'
import type { Format, Settings } from './config.ts'
import { seriesOf } from './config-windows.ts'
import { ProfilerError } from './errors.ts'
import { checkMemory, memoryNotes, memoryOfTarget } from './plan/memory.ts'
import { plan } from './plan/plan.ts'
import { readPrivileges } from './plan/privileges.ts'
import { type CaptureContext, describeCapture, describeTarget } from './publish/describe.ts'
import { describeSeries } from './publish/describe-series.ts'
import type { Live } from './publish/live.ts'
import type { Receipt } from './publish/receipt.ts'
import { fingerprint } from './runtimes/index.ts'
import type { CaptureDescription } from './runtimes/runtime.ts'
import {
  type CapturedSeries,
  type CapturedWindow,
  captureSeries,
  following,
  type SeriesAsk,
} from './symbolize/capture-series.ts'
import { type Beside, captureNamed, type NamedCapture } from './symbolize/named-capture.ts'
import { openWatch, type Watch } from './symbolize/watch.ts'
import { withFacts } from './target/facts.ts'
import type { Target } from './target/find.ts'
import { readLimits } from './target/limits.ts'
import { beEndedFirst } from './target/procfs.ts'

export interface RecordAsk {
  readonly target: Target
  readonly settings: Settings
  readonly formats: readonly Format[]
  readonly signals: CaptureSignals
  /** Our own version, for the manifest. */
  readonly version: string
  /** What a session knows before it begins: its id, who asked, and where its files are kept beside. */
  readonly session?: SessionContext
  /** Given what can be asked of the capture while it runs. Who does not ask pays nothing. */
  readonly onLive?: (live: Live) => void
}

export interface SessionContext {
  readonly id: string
  readonly requester: string
  /** A folder that does not exist yet: the files stay there too, wherever they are published. */
  readonly keepIn: string
  /** And nowhere else. */
  readonly isKeptOnly: boolean
  /** The flight recorder on this target, if one runs: its minutes become the first windows. */
  readonly recorder: Recorder | undefined
  /** Waits until what the capture needs for itself alone is free. */
  turn(exclusive: readonly string[]): Promise<void>
}

/** Captures one process, and publishes what was seen. */
export async function record(ask: RecordAsk, progress: Progress): Promise<Receipt> {
  const { target, settings, version } = ask
  const startedAt = new Date()
  beEndedFirst()
  const planned = await planCapture(ask)
  await ask.session?.turn(planned.exclusive)
  for (const remark of planned.remarks) progress.state('planned', `Note: ${remark}`)

  void import('./publish/store.ts').then(({ foretell }) => foretell(settings, progress))
  // How the target was come to was said when it was chosen.
  const remarks = [...(target.chosen === undefined ? [] : [target.chosen]), ...planned.remarks]
  const context = {
    settings,
    target: planned.target,
    remarks,
    startedAt,
    version,
    session: ask.session,
  }
  const watch = ask.onLive && openWatch()
  const countWith = settings.stat ? planned.perf : undefined
  const before = await recordedBefore(ask, planned.perf, progress)
  const [asked, { publishDraft }, live] = await Promise.all([
    keepingRaw(ask, progress, raw =>
      captureOnceOrAgain(ask, planned.captures, { countWith, watch, raw }, progress),
    ),
    // What comes after is loaded while the tool samples.
    import('./publish/publish.ts'),
    watch && showLive(ask, watch, context),
  ])

  progress.state('publishing', 'Redacting, drawing, publishing')
  const captured = before.length === 0 ? asked : following(before, asked, startedAt)
  const [draft, endedMs] =
    'windows' in captured
      ? [describeSeries(captured, context), captured.endedMs]
      : [describeCapture(captured, context), captured.end.endedMs]
  const publishing = { ...ask, ...keptWhere(ask.session), progress }
  const receipt = await publishDraft(draft, publishing, endedMs)
  live?.finish(draft)
  return receipt
}

function captureOnceOrAgain(
  { target, settings, signals }: RecordAsk,
  captures: readonly CaptureDescription[],
  beside: Beside,
  progress: Progress,
): Promise<NamedCapture | CapturedSeries> {
  const capture: SeriesAsk['capture'] = (captures, progress) => {
    return captureNamed(captures, target, signals, progress, beside)
  }
  const series = seriesOf(settings)
  if (series === undefined) return capture(captures, progress)
  return captureSeries({ series, captures, target, signals, capture }, progress)
}

/** Nobody asked for them: what is wrong with them costs them, not the capture. */
async function recordedBefore(
  { settings, session }: RecordAsk,
  perf: string | undefined,
  progress: Progress,
): Promise<CapturedWindow[]> {
  if (session?.recorder === undefined || settings.mode !== 'cpu' || perf === undefined) return []
  const { recordedWindows } = await import('./symbolize/recorded.ts')
  return recordedWindows(session.recorder, perf).catch(error => {
    progress.state('recorder', `The flight recorder gave nothing: ${(error as Error).message}`)
    return []
  })
}

/** What was discarded is not kept; of what failed, the bytes may say why. */
async function keepingRaw<Captured>(
  { settings: { keepRaw, force } }: RecordAsk,
  progress: Progress,
  capture: (raw: RawFile | undefined) => Promise<Captured>,
): Promise<Captured> {
  if (keepRaw === undefined) return capture(undefined)
  const raw = await openRawFile(keepRaw, force)
  try {
    return await capture(raw)
  } catch (error) {
    if (error instanceof ProfilerError && error.code === 'SP_CANCELLED') await raw.remove()
    throw error
  } finally {
    const said = await raw.close()
    if (said !== undefined) progress.state('kept', said)
  }
}

async function showLive(
  { onLive }: RecordAsk,
  watch: Watch,
  context: CaptureContext,
): Promise<Live> {
  const { openLive } = await import('./publish/live.ts')
  const live = openLive(watch, context)
  onLive?.(live)
  return live
}

function keptWhere(session: SessionContext | undefined) {
  return session === undefined ? {} : { keepIn: session.keepIn, isKeptOnly: session.isKeptOnly }
}

/**
 * How the target would be captured, and what of that only one capture at a time may hold.
 *
 * @throws {ProfilerError} `SP_BUDGET` where there is no memory for a capture beside it
 */
export async function planCapture({ target, settings }: Pick<RecordAsk, 'target' | 'settings'>) {
  const answersOf = await askKernel([target.pid])
  const ask = { ...settings, durationMs: settings.duration }
  return withFacts(target.pid, facts => {
    const privileges = readPrivileges(facts.pid, answersOf(facts.pid))
    const found = fingerprint(facts)
    const how = plan(facts, found, privileges, ask)
    const [ours, theirs] = [readLimits().memory, memoryOfTarget(facts)]
    checkMemory(ours, theirs)
    const remarks = [...how.remarks, ...memoryNotes(ours, theirs)]
    const perf = privileges.tools.get('perf')
    return { ...how, remarks, perf, target: describeTarget(facts, found) }
  })
}
