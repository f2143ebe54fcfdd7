// What the door and the house say to each other.

import type { ListenOptions } from 'node:net'
import type { Recorder } from '../capture/recorder.ts'
import type { Settings } from '../config.ts'
import type { RecorderStart } from '../session/recorder.ts'
import type { Counted } from './metrics.ts'

/** The variable that holds what door and house are to do: paths and numbers, never a secret. */
export const settingsVariable = 'SP_DAEMON'

export interface DaemonSettings {
  /** The file that our programs are started from. */
  readonly program: string
  readonly settings: Settings
  /** The folder that is ours alone. */
  readonly state: string
  readonly tokenFile: string
  readonly socket: string
  /** The flight recorder that runs. */
  readonly recorder: Recorder | undefined
  /** Something waits to be sent: the house comes without being asked. */
  readonly isWorkLeft: boolean
  /** Of the houses before this one. */
  readonly counted: Counted
}

export type ToHouse =
  /** With the connection itself; `head` is what was read of it, base64. */
  | {
      readonly connection: {
        readonly number: number
        readonly head: string
        readonly isTls: boolean
      }
    }
  /** The recorder that was asked for runs. */
  | { readonly recorder: Recorder }
  | { readonly drain: true }
  | { readonly leave: true }

export type FromHouse =
  /** The number of the connection that it has now. */
  | { readonly took: number }
  | {
      readonly leaving: {
        /** Connections that it was given. */
        readonly given: number
        readonly counted: Counted
        /** There is something to be done then, whoever asks. */
        readonly wakeInMs?: number | undefined
      }
    }
  | { readonly record: RecorderStart }
  /** What it was started for is done (`--once`). */
  | { readonly done: true }

/** `127.0.0.1:6110`, `[::]:6443` */
export function addressOf(text: string): ListenOptions {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) }
}
