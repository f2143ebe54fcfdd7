// Ctrl-C once: stop and keep. Twice: stop and discard.

import type { CaptureSignals } from '../capture/capture.ts'

export interface Interrupts {
  readonly signals: CaptureSignals
  /** Ctrl-C ends the program again, as usual. */
  release(): void
}

export function onInterrupt(say: (words: string) => void): Interrupts {
  const stop = new AbortController()
  const discard = new AbortController()
  const interrupt = () => {
    if (!stop.signal.aborted) {
      say('Stopping; what was captured is kept. Once more to discard it.')
      stop.abort()
    } else if (!discard.signal.aborted) {
      say('Discarding.')
      discard.abort()
    }
  }
  // A container that is ending, and a terminal that is closing, both mean: finish what you have.
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of names) process.on(name, interrupt)
  return {
    signals: { stop: stop.signal, discard: discard.signal },
    release() {
      for (const name of names) process.off(name, interrupt)
    },
  }
}
