// The process that one capture is: what it does wrong, it does to itself.
//
// It is told what to do over its channel, tells how it goes, and leaves its
// result in its folder: should the house be gone by then, the next one finds it
// there. When the channel breaks it stops sampling, and keeps and publishes what
// it has: the house that asked may be dead, the incident is not over.

import { record } from '../pipeline.ts'
import { plainReceipt } from '../publish/receipt.ts'
import type { FromChild, ToChild } from '../session/ask.ts'
import { type CaptureResult, problemOf } from '../session/state.ts'
import { writeResult } from '../session/store.ts'

// What capturing, naming and publishing take beyond the duration: with a store that does not answer,
// minutes. A child that is still there then hangs.
const lastResortMs = 15 * 60_000

const stop = new AbortController()
const discard = new AbortController()
const turn = Promise.withResolvers<void>()

// A terminal sends Ctrl-C to every process of its group, and the daemon decides what it means.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
process.on('SIGTERM', () => stop.abort())
process.on('disconnect', () => {
  stop.abort()
  turn.resolve()
})
process.on('message', (message: ToChild) => {
  if ('ask' in message) void run(message)
  else if ('turn' in message) turn.resolve()
  else if ('discard' in message) discard.abort()
  if ('stop' in message || 'discard' in message) {
    stop.abort()
    turn.resolve()
  }
})

async function run({ ask, id, requester, folder, version }: Extract<ToChild, { ask: unknown }>) {
  const { settings } = ask
  setTimeout(() => process.exit(1), settings.duration + lastResortMs).unref()
  const session = {
    id,
    requester,
    keepIn: `${folder}/artefacts`,
    turn: async (exclusive: readonly string[]) => {
      tell({ planned: { exclusive } })
      await turn.promise
    },
  }
  const progress = {
    state: (name: string, words: string) => tell({ said: { name, words } }),
    tick() {},
  }
  const signals = { stop: stop.signal, discard: discard.signal }
  const result = await record({ ...ask, signals, version, session }, progress).then(
    (receipt): CaptureResult => ({ receipt: plainReceipt(receipt) }),
    (error): CaptureResult => ({ problem: problemOf(error) }),
  )
  await writeResult(folder, result)
  tell({ ended: true })
  process.disconnect?.()
  process.exit(0)
}

function tell(message: FromChild): void {
  // A house that is gone need not be told.
  if (process.connected) process.send!(message, undefined, undefined, () => {})
}
