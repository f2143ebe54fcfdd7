// One capture's process while it lives: what it is told, what it says, what it may
// use, and how it ended.

import { ProfilerError } from '../errors.ts'
import type { FromChild, ToChild } from './ask.ts'
import { type Budget, watchBudget } from './budget.ts'
import { type Forked, forkSelf } from './fork.ts'
import type { CaptureResult } from './state.ts'

export interface RunningEvents {
  /** It knows what it needs for itself alone, and waits for its turn. */
  planned(): void
  said(name: string, words: string): void
  /** What it shows so far: redacted. */
  live(view: unknown): void
  /**
   * Its process is gone.
   *
   * @param silent what is known of that, should it have left no result
   * @param unkept its result, where that is not on the disk
   */
  ended(silent: ProfilerError, unkept: CaptureResult | undefined): void
}

const maxSaid = 4096

export class RunningCapture {
  readonly pid: number
  /** Undefined before it has planned. */
  exclusive: readonly string[] | undefined
  /** When its process is gone. */
  readonly over: Promise<void>
  readonly #child: Forked
  #hasTurn = false
  #problem: ProfilerError | undefined
  #unkept: CaptureResult | undefined
  #said = ''
  /** Those who wait for the picture so far. */
  #viewers: ((picture: Buffer | undefined) => void)[] = []

  /** @throws {ProfilerError} `SP_CAPTURE_DIED`, where no process can be had */
  constructor(budget: Budget, events: RunningEvents) {
    const child = takeReady() ?? start()
    this.#child = child
    this.pid = child.pid
    const unwatch = watchBudget(child.pid, budget, problem => {
      this.#problem = problem
      child.kill('SIGKILL')
    })
    child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
      this.#said = (this.#said + piece).slice(-maxSaid)
      // Its log is ours.
      process.stderr.write(piece)
    })
    child.on('message', (message: FromChild) => this.#hear(message, events))
    this.over = new Promise(resolve => {
      child.once('exit', (code, signal) => {
        unwatch()
        this.#show(undefined)
        events.ended(this.#problem ?? died(code, signal, this.#said), this.#unkept)
        resolve()
      })
    })
  }

  /** It captures, and holds what it needs for itself alone. */
  get hasTurn(): boolean {
    return this.#hasTurn
  }

  giveTurn(): void {
    this.#hasTurn = true
    this.tell({ turn: true })
  }

  tell(message: ToChild): void {
    // It may end at any moment; that it did is heard by its exit.
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  /** The flame graph so far; undefined where there is none, or none any more. */
  picture(): Promise<Buffer | undefined> {
    if (this.#viewers.length === 0) this.tell({ draw: true })
    return new Promise(resolve => this.#viewers.push(resolve))
  }

  #hear(message: FromChild, events: RunningEvents): void {
    if ('planned' in message) {
      this.exclusive = message.planned.exclusive
      events.planned()
    } else if ('said' in message) events.said(message.said.name, message.said.words)
    else if ('live' in message) events.live(message.live)
    else if ('ended' in message) this.#unkept = message.ended.unkept
    else if (message.picture === undefined) this.#show(undefined)
    else this.#show(Buffer.from(message.picture, 'base64'))
  }

  #show(picture: Buffer | undefined): void {
    const viewers = this.#viewers
    this.#viewers = []
    for (const each of viewers) each(picture)
  }
}

// Whoever has looked has asked by then, or asks later.
const spareMs = 60_000
let spare: Forked | undefined

/** A capture may be asked for soon: its process takes 0.2 s to begin, and one is made ready. */
export function makeReady(): void {
  if (spare !== undefined) return
  try {
    spare = start()
  } catch {
    // Who begins a capture is told.
    return
  }
  const ready = spare
  const forget = () => {
    if (spare === ready) spare = undefined
  }
  ready.once('exit', forget)
  // Without its channel it has nothing to wait for, and ends.
  const unused = setTimeout(() => {
    if (spare !== ready) return
    forget()
    ready.disconnect()
  }, spareMs)
  unused.unref()
}

function takeReady(): Forked | undefined {
  const ready = spare
  spare = undefined
  return ready?.connected === true && ready.exitCode === null ? ready : undefined
}

function start(): Forked {
  let cause: unknown
  try {
    const child = forkSelf('capture', { stderr: 'pipe' })
    // Of one that never was; a message that does not reach it is no matter.
    child.on('error', () => {})
    if (child.pid !== undefined) return child
  } catch (error) {
    cause = error
  }
  throw new ProfilerError('SP_CAPTURE_DIED', 'its process cannot be started', { cause })
}

function died(code: number | null, signal: string | null, said: string): ProfilerError {
  const how = signal === null ? `exit code ${code}` : signal
  // Node's last words; what else stands there may hold anything.
  const fatal = /^FATAL ERROR: [\w .:()-]{1,200}/m.exec(said)?.[0]
  const facts = fatal === undefined ? {} : { 'it said': fatal }
  return new ProfilerError('SP_CAPTURE_DIED', `the process that captured ended with ${how}`, {
    facts,
  })
}
