// The captures of the daemon: a bounded queue, one capture a target, each in a
// process of its own.
//
// A capture that has begun to plan says what it needs for itself alone (a port),
// and waits for its turn. What its child tells becomes a change of state
// (`state.ts`); when the child is gone without a word, that is a change too.
// Every change is on the disk before it is told.

import { createHash } from 'node:crypto'
import type { Recorder } from '../capture/recorder.ts'
import type { Settings } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { log } from '../log.ts'
import { newCaptureId, subjectOf } from '../publish/place.ts'
import { redactionPolicy } from '../redact/policy.ts'
import { redactTexts } from '../redact/redact.ts'
import { attempted } from '../target/candidates.ts'
import type { Target } from '../target/find.ts'
import { readStat } from '../target/procfs.ts'
import type { Identity, SessionAsk } from './ask.ts'
import type { Budget } from './budget.ts'
import { cleanAfter, isChildAlive } from './clean.ts'
import { makeReady, RunningCapture, type RunningEvents } from './running.ts'
import { type CaptureResult, type Change, isOver, next, problemOf, type State } from './state.ts'
import type { Artefact, Store } from './store.ts'

export interface Session {
  readonly id: string
  readonly ask: SessionAsk
  readonly requester: string
  /** As it is shown to whoever may look: redacted. */
  readonly incident?: string
  readonly createdAt: string
  readonly state: State
  /** What it said last, in a sentence. */
  readonly message: string
  readonly beganAt?: string
  readonly endedAt?: string
  /** Somebody asked it to stop before its time. */
  readonly isCancelled?: boolean
  /** A hash of the key and of who gave it: two clients may choose the same. */
  readonly idempotency?: { readonly key: string; readonly body: string }
  readonly child?: { readonly pid: number; readonly startTicks: number }
}

/** Of an ask that may be sent twice. */
export interface GivenKey {
  readonly key: string
  /** What was asked with it, before a target was chosen: another look may choose another one. */
  readonly body: unknown
}

export interface SessionLimits {
  readonly slots: number
  readonly queue: number
  readonly maxDiskBytes: number
  readonly budget: Budget
}

export interface SessionEvents {
  /** Something of it has changed. */
  changed(session: Session): void
  /** What its capture shows so far: redacted. */
  live(session: Session, view: unknown): void
  /** The flight recorder on this target, if one runs. */
  recorderOf(target: Target): Recorder | undefined
}

export class Sessions {
  readonly #sessions = new Map<string, Session>()
  readonly #running = new Map<string, RunningCapture>()
  /** Captures of a house before this one whose children still publish, and when they will be over. */
  readonly #orphans = new Map<string, Promise<void>>()
  readonly #store: Store
  readonly #limits: SessionLimits
  readonly #events: SessionEvents
  readonly #version: string
  #isDraining = false

  constructor(store: Store, limits: SessionLimits, events: SessionEvents, version: string) {
    this.#store = store
    this.#limits = limits
    this.#events = events
    this.#version = version
    const { sessions, damaged } = store.load()
    if (damaged > 0) log.warn({ damaged }, 'sessions cannot be read: they are left as they are')
    for (const session of sessions) {
      this.#sessions.set(session.id, session)
      if (!isOver(session.state)) this.#recover(session)
    }
  }

  /**
   * @param given the same ask again with the same key is the same session
   * @throws {ProfilerError} `SP_DRAINING`, `SP_QUEUE_FULL`, `SP_CAPTURE_RUNNING`, `SP_IDEMPOTENCY_REUSED`
   */
  submit(ask: SessionAsk, identity: Identity, given?: GivenKey): Session {
    const { name } = identity
    const same = this.known(identity, given)
    if (same !== undefined) return same
    if (this.#isDraining) throw new ProfilerError('SP_DRAINING', 'the daemon is about to end')
    const { pid, startTicks } = ask.target
    const rival = this.active().find(
      ({ ask: { target } }) => target.pid === pid && target.startTicks === startTicks,
    )
    if (rival !== undefined) {
      const message = `process ${pid} is captured already`
      throw new ProfilerError('SP_CAPTURE_RUNNING', message, { facts: { capture: rival.id } })
    }
    const waiting = this.active().length - this.#running.size
    if (this.#running.size >= this.#limits.slots && waiting >= this.#limits.queue) {
      const message = `${this.#running.size} captures run and ${waiting} wait`
      throw new ProfilerError('SP_QUEUE_FULL', message)
    }
    const now = new Date()
    const { mode, hertz } = ask.settings
    const session: Session = {
      id: newCaptureId(now, subjectOf(pid, mode, hertz)),
      ask,
      requester: name,
      createdAt: now.toISOString(),
      ...shownOf(ask.settings),
      state: { name: 'queued' },
      message: 'Waiting for its turn',
      ...(given !== undefined && { idempotency: hashed(identity, given) }),
    }
    // What is not on the disk is not accepted.
    this.#store.save(session)
    this.#put(session)
    this.#schedule()
    return this.get(session.id)
  }

  /** Somebody who may capture looks around, or is about to ask. */
  expect(): void {
    if (!this.#isDraining && this.#running.size < this.#limits.slots) makeReady()
  }

  /** The session that was begun with this key. @throws {ProfilerError} `SP_IDEMPOTENCY_REUSED` */
  known(identity: Identity, given: GivenKey | undefined): Session | undefined {
    if (given === undefined) return undefined
    const { key, body } = hashed(identity, given)
    const same = this.list().find(each => each.idempotency?.key === key)
    if (same === undefined || same.idempotency!.body === body) return same
    const message = 'this Idempotency-Key was given with another ask'
    throw new ProfilerError('SP_IDEMPOTENCY_REUSED', message, { facts: { capture: same.id } })
  }

  /** @throws {ProfilerError} `SP_CAPTURE_UNKNOWN` */
  get(id: string): Session {
    const session = this.#sessions.get(id)
    if (session !== undefined) return session
    throw new ProfilerError('SP_CAPTURE_UNKNOWN', 'there is no such capture')
  }

  /** Newest first. */
  list(): Session[] {
    return [...this.#sessions.values()].reverse()
  }

  active(): Session[] {
    return [...this.#sessions.values()].filter(({ state }) => !isOver(state))
  }

  /** Ends it early: what it has is kept, and published, or discarded. One that has not begun never begins. */
  cancel(id: string, keep = true): Session {
    const session = this.get(id)
    if (isOver(session.state)) return session
    this.#put({ ...session, isCancelled: true })
    const running = this.#running.get(id)
    if (running !== undefined) running.tell(keep ? { stop: true } : { discard: true })
    // A child of the house before this one stopped when that one ended, and publishes.
    else if (!this.#orphans.has(id))
      this.#fail(id, new ProfilerError('SP_CANCELLED', 'cancelled before it began'))
    return this.get(id)
  }

  /** Has it tell what is seen so far: `SessionEvents.live` follows, if anything is. */
  look(id: string): void {
    this.#running.get(id)?.tell({ look: true })
  }

  /** The flame graph so far; undefined where there is none, or none any more. */
  picture(id: string): Promise<Buffer | undefined> {
    this.get(id)
    return this.#running.get(id)?.picture() ?? Promise.resolve(undefined)
  }

  artefact(id: string, name: string): Artefact | undefined {
    this.get(id)
    return this.#store.openArtefact(id, name)
  }

  /** Takes nothing new, stops what runs, and waits until it is published. */
  async drain(): Promise<void> {
    this.#isDraining = true
    // What is being published is let to its end: stopped, it would only lie in the spool.
    for (const { id, state } of this.active()) if (state.name !== 'publishing') this.cancel(id)
    const over = [...this.#running.values()].map(running => running.over)
    await Promise.all([...over, ...this.#orphans.values()])
  }

  #schedule(): void {
    for (const { id, state } of this.active()) {
      if (this.#running.size >= this.#limits.slots) return
      if (state.name === 'queued' && !this.#running.has(id)) this.#begin(id)
    }
  }

  #begin(id: string): void {
    let running: RunningCapture
    try {
      running = new RunningCapture(this.#limits.budget, this.#eventsOf(id))
    } catch (error) {
      log.error({ err: error, capture: id }, 'a capture cannot be started')
      this.#fail(id, error)
      return
    }
    this.#running.set(id, running)
    const { pid } = running
    const startTicks = attempted(() => readStat(pid).startTicks) ?? 0
    const now = new Date().toISOString()
    this.#change(id, { to: 'planning' }, { beganAt: now, child: { pid, startTicks } })
    const { ask, requester } = this.get(id)
    const folder = this.#store.folderOf(id)
    const recorder = this.#events.recorderOf(ask.target)
    running.tell({ ask, id, requester, folder, version: this.#version, recorder })
  }

  #eventsOf(id: string): RunningEvents {
    // Its last words may come after its end.
    const isOut = () => isOver(this.get(id).state)
    return {
      planned: () => this.#grantTurns(),
      said: (name, words) => {
        if (isOut()) return
        const to = stateOf(name)
        if (to === undefined) this.#put({ ...this.get(id), message: words })
        else this.#change(id, { to }, { message: words })
      },
      live: view => {
        if (!isOut()) this.#events.live(this.get(id), view)
      },
      ended: (silent, unkept) => {
        this.#running.delete(id)
        this.#conclude(id, silent, unkept)
        this.#grantTurns()
        this.#schedule()
      },
    }
  }

  /** Who planned first goes first; what is held by one that captures is waited for. */
  #grantTurns(): void {
    const all = [...this.#running.values()]
    const held = new Set(all.filter(each => each.hasTurn).flatMap(each => each.exclusive ?? []))
    for (const each of all) {
      if (each.hasTurn || each.exclusive === undefined) continue
      if (each.exclusive.some(key => held.has(key))) continue
      for (const key of each.exclusive) held.add(key)
      each.giveTurn()
    }
  }

  /** The child has ended: its result says how, or `silent` is what is known. */
  #conclude(id: string, silent: ProfilerError, unkept?: CaptureResult): void {
    void cleanAfter(this.#store.folderOf(id))
    const result = this.#store.readResult(id) ?? unkept
    const endedAt = new Date().toISOString()
    if (result === undefined) this.#fail(id, silent)
    else if ('problem' in result) {
      this.#change(id, { to: 'failed', problem: result.problem }, { endedAt })
    } else {
      this.#change(id, { to: 'finished', receipt: result.receipt }, { endedAt })
    }
  }

  /** A capture of a daemon that is gone: its child may still be publishing, or it ended with it. */
  #recover({ id, child }: Session): void {
    if (!isChildAlive(child)) {
      this.#conclude(id, new ProfilerError('SP_CAPTURE_DIED', 'the capture ended with the daemon'))
      return
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#orphans.set(id, promise)
    const look = setInterval(() => {
      if (isChildAlive(child)) return
      clearInterval(look)
      this.#orphans.delete(id)
      this.#conclude(id, new ProfilerError('SP_CAPTURE_DIED', 'the capture ended without a result'))
      resolve()
    }, orphanLookMs)
  }

  #fail(id: string, error: unknown): void {
    const endedAt = new Date().toISOString()
    this.#change(id, { to: 'failed', problem: problemOf(error) }, { endedAt })
  }

  #change(id: string, change: Change, more: Partial<Session>): void {
    const session = this.get(id)
    this.#put({ ...session, ...more, state: next(session.state, change) })
  }

  #put(session: Session): void {
    try {
      this.#store.save(session)
    } catch (error) {
      // The disk is full: what happens goes on, and a house after this one will not know of it.
      log.error({ err: error, capture: session.id }, 'a session is not kept')
    }
    this.#sessions.set(session.id, session)
    this.#events.changed(session)
    if (isOver(session.state)) this.#prune()
  }

  #prune(): void {
    const over = [...this.#sessions.values()].filter(({ state }) => isOver(state))
    for (const gone of this.#store.prune(over, this.#limits.maxDiskBytes)) {
      this.#sessions.delete(gone)
    }
  }
}

const orphanLookMs = 500

/** What the pipeline says, as a state; undefined for what is said within one. */
function stateOf(said: string): 'capturing' | 'publishing' | undefined {
  return said === 'capturing' || said === 'publishing' ? said : undefined
}

/** An incident may be named after a customer. */
function shownOf({ incident, customerIds }: Settings): Pick<Session, 'incident'> {
  return incident === undefined ? {} : redactTexts({ incident }, redactionPolicy({ customerIds }))
}

/** Hashed: two clients may choose the same key, and what they ask may be long. */
function hashed({ name }: Identity, { key, body }: GivenKey) {
  return { key: digest([name, key]), body: digest(body) }
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}
