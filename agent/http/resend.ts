// Sends in the background what could not be sent at once: when the house comes, when
// a capture has left something, and then less and less often while a store is down.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { log } from '../log.ts'
import { measureSpool } from '../publish/spool.ts'
import { problemOf } from '../session/state.ts'

export interface Resender {
  /** Looks now: something may have come. */
  kick(): void
  /** What waits, as it was seen last. */
  readonly entries: number
  /** It sends at this moment. */
  readonly isBusy: boolean
  /** Until the next try, for whoever has to wake us; undefined where nothing waits. */
  readonly nextMs: number | undefined
  /** What is under way stays in the spool. */
  stop(): void
}

// A store that restarts is back in seconds; one that is down for an hour is asked twelve times.
const firstPauseMs = 5000
const maxPauseMs = 300_000

export function startResending(settings: Settings): Resender {
  const stop = new AbortController()
  let entries = 0
  let isBusy = false
  let pauseMs = firstPauseMs
  let nextAtMs: number | undefined
  let waiting = new AbortController()
  const turn = async () => {
    entries = (await measureSpool(settings)).entries
    if (entries === 0) return
    isBusy = true
    const { sendSpooled } = await import('../publish/send-spooled.ts')
    const outcomes = await sendSpooled(settings, stop.signal, outcome => {
      if (outcome.kind === 'sent') {
        log.info({ capture: outcome.id, place: outcome.place }, 'sent from the spool')
      } else if (outcome.kind !== 'taken') {
        log.warn({ capture: outcome.id, code: outcome.error.code }, 'not sent from the spool')
      }
    })
    entries = outcomes.filter(({ kind }) => kind === 'waits' || kind === 'taken').length
  }
  const run = async () => {
    while (!stop.signal.aborted) {
      waiting = new AbortController()
      await turn().catch(error => {
        log.warn({ code: problemOf(error).code }, 'the spool cannot be sent')
      })
      isBusy = false
      pauseMs = entries === 0 ? firstPauseMs : Math.min(pauseMs * 2, maxPauseMs)
      // So that the pods of a node do not all come at once.
      const restMs = pauseMs * (0.75 + Math.random() / 2)
      nextAtMs = entries === 0 ? undefined : performance.now() + restMs
      const { signal } = waiting
      await sleep(entries === 0 ? maxPauseMs : restMs, undefined, { signal, ref: false }).catch(
        () => {
          pauseMs = firstPauseMs
        },
      )
    }
  }
  void run()
  return {
    kick: () => waiting.abort(),
    get entries() {
      return entries
    },
    get isBusy() {
      return isBusy
    },
    get nextMs() {
      return nextAtMs === undefined ? undefined : Math.max(0, nextAtMs - performance.now())
    },
    stop() {
      stop.abort(new ProfilerError('SP_DRAINING', 'the daemon is about to end'))
      waiting.abort()
    },
  }
}
