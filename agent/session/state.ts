// One capture's life, as a union of states with one transition function.
//
//     queued → planning → capturing → publishing → finished
//        └────────┴───────────┴────────────┴─────→ failed
//
// What does not follow from a state is a fault of ours, and is told as one: a
// state that is wrong must not be shown as if it were true.

import { ProfilerError } from '../errors.ts'
import type { PlainReceipt } from '../publish/receipt.ts'

/** An error as it is told: RFC 9457, with our code and hint. */
export interface Problem {
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly facts: ProfilerError['facts']
}

/** What the child that captured leaves behind. */
export type CaptureResult = { readonly receipt: PlainReceipt } | { readonly problem: Problem }

export type State =
  | { readonly name: 'queued' }
  | { readonly name: 'planning' }
  | { readonly name: 'capturing' }
  | { readonly name: 'publishing' }
  | { readonly name: 'finished'; readonly receipt: PlainReceipt }
  | { readonly name: 'failed'; readonly problem: Problem }

export type Change =
  | { readonly to: 'planning' | 'capturing' | 'publishing' }
  | { readonly to: 'finished'; readonly receipt: PlainReceipt }
  | { readonly to: 'failed'; readonly problem: Problem }

const order = ['queued', 'planning', 'capturing', 'publishing', 'finished']

/** @throws {ProfilerError} `SP_INTERNAL` for a change that does not follow */
export function next(state: State, change: Change): State {
  if (isOver(state)) throw impossible(state, change)
  switch (change.to) {
    case 'finished':
      return { name: 'finished', receipt: change.receipt }
    case 'failed':
      return { name: 'failed', problem: change.problem }
    default:
      // A tool that fails before it has given anything is followed by the next one: capturing, again.
      if (order.indexOf(change.to) < order.indexOf(state.name)) throw impossible(state, change)
      return { name: change.to }
  }
}

export function isOver(state: State): boolean {
  return state.name === 'finished' || state.name === 'failed'
}

export function problemOf(error: unknown): Problem {
  const { code, message, hint, facts } =
    error instanceof ProfilerError
      ? error
      : new ProfilerError('SP_INTERNAL', error instanceof Error ? error.message : String(error))
  return { code, message, hint, facts }
}

function impossible(state: State, { to }: Change): ProfilerError {
  return new ProfilerError('SP_INTERNAL', `a capture that is ${state.name} cannot become ${to}`)
}
