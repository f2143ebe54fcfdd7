// For tools that give nothing before they end: while somebody looks, they sample in
// turns, so that there is something to be seen.
//
// The next one attaches while the last one samples, and takes over when it samples
// too: an interpreter's symbols take it a third of a second, which would be missing
// otherwise. That is also what a turn costs, so each is twice as long as the one
// before it. Nobody looks: it is one turn, as ever.

import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Capture,
  type CaptureEnd,
  type CaptureSignals,
  monotonicMs,
  type Segment,
} from './capture.ts'

/** One run of the tool, from its start to the segment that it gives at its end. */
export interface Turn extends Capture {
  /** It samples; never, where it fails before. */
  readonly begun: Promise<void>
}

/** What a turn is of: the rest is its tool's. */
interface InTurns {
  readonly durationMs: number
  /** The target is stopped for each sample: two of them cannot do that at once, so there is one turn. */
  readonly pause: boolean
}

/** @throws what the first turn cannot be started for */
export async function captureInTurns<Description extends InTurns>(
  description: Description,
  given: CaptureSignals,
  startTurn: (description: Description, signals: CaptureSignals) => Promise<Turn>,
): Promise<Capture> {
  const { durationMs, pause } = description
  const { isWatched, ...unwatched } = given
  const signals: CaptureSignals =
    pause || isWatched === undefined ? unwatched : { ...unwatched, isWatched }
  const start = async (leftMs: number) => {
    const over = new AbortController()
    const stop = AbortSignal.any([signals.stop, over.signal])
    return {
      ...(await startTurn({ ...description, durationMs: leftMs }, { ...signals, stop })),
      over,
    }
  }
  const segments = new Readable({ objectMode: true, read() {} })
  // Whoever reads it gets the error; nobody reading yet is no reason to crash.
  segments.on('error', () => {})
  let turn = await start(durationMs)

  async function give({ ended, segments: given }: Turn): Promise<CaptureEnd> {
    const end = await ended
    const { startedMs, endedMs } = end
    for await (const segment of given) segments.push({ ...segment, startedMs, endedMs })
    return end
  }

  async function run(): Promise<CaptureEnd> {
    const ends: CaptureEnd[] = []
    const problems: string[] = []
    let spare: Turn | undefined
    for (let lengthMs = firstTurnMs; ; lengthMs = Math.min(lengthMs * 2, longestTurnMs)) {
      const leftMs = await untilDue(turn, lengthMs, durationMs, ends, signals)
      if (leftMs === undefined) break
      const next = await start(leftMs).catch(() => undefined)
      // It cannot attach twice: then this one goes on to the end.
      if (next === undefined) break
      const hasBegun = next.begun.then(() => true)
      const failed = next.ended.then(
        () => false,
        () => false,
      )
      if (!(await Promise.race([hasBegun, failed, isOver(turn)]))) {
        next.over.abort()
        spare = next
        break
      }
      turn.over.abort()
      ends.push(await give(turn))
      turn = next
    }
    try {
      ends.push(await give(turn))
    } catch (error) {
      // What the turns before it gave is not lost with it.
      if (ends.length === 0) throw error
      problems.push(`The last seconds are missing: ${(error as Error).message}.`)
    }
    // It came too late to take over, so mostly it has nothing.
    if (spare !== undefined) await give(spare).catch(() => {})
    segments.push(null)
    return together(ends, problems)
  }

  const ended = run()
  ended.catch(error => segments.destroy(error))
  return { segments: segments as AsyncIterable<Segment>, ended }
}

const firstTurnMs = 2000
const longestTurnMs = 8000
const lookEveryMs = 200

/** When the turn has lasted so long and somebody looks: what is left of all then. Undefined where it is the last. */
async function untilDue(
  turn: Turn,
  lengthMs: number,
  durationMs: number,
  before: readonly CaptureEnd[],
  signals: CaptureSignals,
): Promise<number | undefined> {
  let isLast = false
  const over = isOver(turn).then(() => {
    isLast = true
  })
  await Promise.race([turn.begun, over])
  const beganMs = monotonicMs()
  const allBeganMs = before[0]?.startedMs ?? beganMs
  while (!isLast && !signals.stop.aborted && !signals.discard.aborted) {
    const leftMs = allBeganMs + durationMs - monotonicMs()
    // What is left is seen soon enough.
    if (leftMs < lengthMs / 2) return undefined
    if (monotonicMs() - beganMs >= lengthMs && signals.isWatched?.() === true) return leftMs
    await Promise.race([over, sleep(lookEveryMs)])
  }
  return undefined
}

/** False, when it is. */
function isOver({ ended }: Turn): Promise<false> {
  return ended.then(
    () => false,
    () => false,
  )
}

/** One end of all turns. */
function together(ends: readonly CaptureEnd[], problems: readonly string[]): CaptureEnd {
  const last = ends.at(-1)!
  const loss = new Map<string, number>()
  for (const end of ends) {
    for (const [what, count] of end.loss) loss.set(what, (loss.get(what) ?? 0) + count)
  }
  return {
    ...last,
    killed: ends.some(({ killed }) => killed),
    startedMs: ends[0]!.startedMs,
    durationMs: ends.reduce((sum, end) => sum + end.durationMs, 0),
    loss,
    notes: [...new Set([...ends.flatMap(({ notes }) => notes), ...problems])],
  }
}
