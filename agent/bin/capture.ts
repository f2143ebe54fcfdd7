// The process that one capture is: what it does wrong, it does to itself.
//
// It is told what to do over its channel, tells how it goes, and leaves its
// result in its folder: should the house be gone by then, the next one finds it
// there. When the channel breaks it stops sampling, and keeps and publishes what
// it has: the house that asked may be dead, the incident is not over.

import { samplingMs } from '../config-windows.ts'
import { log } from '../log.ts'
import { record } from '../pipeline.ts'
import type { Live } from '../publish/live.ts'
import { plainReceipt } from '../publish/receipt.ts'
import { type RedactionPolicy, redactionPolicy } from '../redact/policy.ts'
import { redactTexts } from '../redact/redact.ts'
import type { FromChild, ToChild } from '../session/ask.ts'
import { type CaptureResult, type Problem, problemOf } from '../session/state.ts'
import { leftoversFile, writeResult } from '../session/store.ts'
import { keepLeftoversIn } from '../target/leftovers.ts'

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
  else if ('look' in message) void look()
  else if ('draw' in message) void draw()
  else if ('discard' in message) discard.abort()
  if ('stop' in message || 'discard' in message) {
    stop.abort()
    turn.resolve()
  }
})

let leave = (_result: CaptureResult): void => process.exit(1)
// What is not caught is a result too.
process.on('uncaughtException', error => leave({ problem: problemOf(error) }))

async function run(start: Extract<ToChild, { ask: unknown }>) {
  const { ask, id, requester, folder, version, recorder } = start
  const { settings } = ask
  // What is said goes to whoever may look: the name of a process, of a file or of a host may be in it.
  const policy = redactionPolicy({ customerIds: settings.customerIds })
  leave = result => {
    const safe = 'problem' in result ? { problem: told(result.problem, policy) } : result
    let unkept: CaptureResult | undefined
    try {
      writeResult(folder, safe)
    } catch (err) {
      log.error({ err, capture: id }, 'the result is not kept')
      unkept = safe
    }
    const ended: FromChild = { ended: { unkept } }
    if (process.connected) process.send!(ended, undefined, undefined, () => process.exit(0))
    else process.exit(0)
  }
  keepLeftoversIn(leftoversFile(folder))
  setTimeout(() => process.exit(1), samplingMs(settings) + lastResortMs).unref()
  const session = {
    id,
    requester,
    keepIn: `${folder}/artefacts`,
    isKeptOnly: ask.isKeptOnly === true,
    recorder,
    turn: async (exclusive: readonly string[]) => {
      tell({ planned: { exclusive } })
      await turn.promise
    },
  }
  const progress = {
    state: (name: string, words: string) => tell({ said: redactTexts({ name, words }, policy) }),
  }
  const signals = { stop: stop.signal, discard: discard.signal }
  await record({ ...ask, signals, version, session, onLive }, progress).then(
    receipt => leave({ receipt: plainReceipt(receipt) }),
    error => leave({ problem: problemOf(error) }),
  )
}

/** What is our own fault may say anything: that is for the log, and where in our code for that alone. */
function told(problem: Problem, policy: RedactionPolicy): Problem {
  if (problem.code === 'SP_INTERNAL')
    return { ...problem, message: 'something went wrong in the capture', facts: {} }
  const { code, hint } = problem
  const { message, facts } = redactTexts({ message: problem.message, facts: problem.facts }, policy)
  return { code, message, hint, facts }
}

let seen: Live | undefined

function onLive(live: Live): void {
  seen = live
}

/** What is seen so far, for those who watch. A look that fails costs the look: the result says what is wrong. */
async function look(): Promise<void> {
  const view = await seen?.view().catch(() => undefined)
  if (view?.isSampling === true) tell({ live: view })
}

async function draw(): Promise<void> {
  const picture = await seen?.picture().catch(() => undefined)
  tell({
    picture: picture === undefined ? undefined : Buffer.from(picture.bytes).toString('base64'),
  })
}

function tell(message: FromChild): void {
  // A house that is gone need not be told.
  if (process.connected) process.send!(message, undefined, undefined, () => {})
}
