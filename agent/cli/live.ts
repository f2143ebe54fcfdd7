// What a capture shows of itself while it runs: one line that updates on a terminal,
// a line of JSON each second with `--json`, and the picture so far with `--live FILE`.

import type { Settings } from '../config.ts'
import { formatCount } from '../profile/numbers.ts'
import { writeOutput } from '../publish/directory.ts'
import type { Live, LiveView } from '../publish/live.ts'
import { asProfilerError, type Terminal } from './terminal.ts'

export interface LiveShow {
  /** To be given to the pipeline; undefined where nobody would see anything. */
  readonly onLive: ((live: Live) => void) | undefined
  /** Writes the finished picture, too, where one is asked for. */
  finish(): Promise<void>
  stop(): void
}

const lineEveryMs = 1000
// It rests for as long as it was dear: the first one comes as soon as there is something.
const pictureEveryMs = 500

export function showLive({ live: file, json, force }: Settings, terminal: Terminal): LiveShow {
  const isSeen = terminal.isLive || json
  const line = lines(terminal)
  let shown: Live | undefined
  let isOver = false
  const timers: NodeJS.Timeout[] = []
  const picture = file === undefined ? undefined : pictureFile(file, force, terminal)
  return {
    onLive:
      isSeen || picture !== undefined
        ? live => {
            // A capture that fails at once is over before there is anything to look with.
            if (isOver) return
            shown = live
            if (isSeen) timers.push(every(lineEveryMs, () => line(live)))
            if (picture !== undefined) timers.push(every(pictureEveryMs, () => picture(live)))
            // Who looks is noticed from the start on, so that at the first line there is something.
            live.view().catch(() => {})
          }
        : undefined,
    async finish() {
      this.stop()
      if (shown !== undefined) await picture?.(shown)
    },
    stop() {
      isOver = true
      for (const timer of timers) clearInterval(timer)
    },
  }
}

/** Not again before the last one is done. */
function every(periodMs: number, act: () => Promise<void>): NodeJS.Timeout {
  let isBusy = false
  return setInterval(() => {
    if (isBusy) return
    isBusy = true
    act().finally(() => {
      isBusy = false
    })
  }, periodMs)
}

/** A fault of the look is said and ends the looking, not the capture. */
function lines(terminal: Terminal): (live: Live) => Promise<void> {
  let isFaulty = false
  return async live => {
    if (isFaulty) return
    try {
      const view = await live.view()
      if (view === undefined || !view.isSampling) return
      terminal.tick(lineOf(view))
      terminal.emit({ live: view })
    } catch (error) {
      isFaulty = true
      terminal.state('live', `No live view: ${asProfilerError(error).message}`)
    }
  }
}

/** As much as fits a line: the time, what has come, and where it is hot. */
export function lineOf({
  elapsedMs,
  durationMs,
  quality,
  top,
}: Pick<LiveView, 'elapsedMs' | 'durationMs' | 'quality' | 'top'>): string {
  const passed = Math.round(Math.min(elapsedMs, durationMs) / 1000)
  const time = `Sampling: ${passed} of ${durationMs / 1000} s`
  const [first] = top
  if (first === undefined) return `${time} (Ctrl-C stops and keeps)`
  const { samples, achievedHertz } = quality ?? {}
  return [
    time,
    ...(samples === undefined
      ? []
      : [`${formatCount(samples)} ${samples === 1 ? 'sample' : 'samples'}`]),
    ...(achievedHertz === undefined ? [] : [`${Math.round(achievedHertz)} Hz`]),
    `${Math.round(first.self * 100)} % ${first.name}`,
  ].join(' · ')
}

/** Writes it whole each time. What stands in the way is said once, until it is out of the way. */
function pictureFile(
  file: string,
  force: boolean,
  terminal: Terminal,
): (live: Live) => Promise<void> {
  let isOurs = force
  let said: string | undefined
  let written: string | undefined
  return async live => {
    try {
      const picture = await live.picture()
      if (picture === undefined || picture.sha256 === written) return
      await writeOutput(file, picture.bytes, isOurs)
      isOurs = true
      written = picture.sha256
      said = undefined
    } catch (error) {
      const { code, message } = asProfilerError(error)
      if (said !== code) terminal.state('live', `No live picture: ${message}`)
      said = code
    }
  }
}
