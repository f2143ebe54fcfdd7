// What a session is asked for: already checked, and with a target that was chosen.

import type { Recorder } from '../capture/recorder.ts'
import type { Format, Settings } from '../config.ts'
import type { Target } from '../target/find.ts'
import type { CaptureResult } from './state.ts'

export interface SessionAsk {
  readonly target: Target
  readonly formats: readonly Format[]
  readonly settings: Settings
  /** Its files stay with the daemon, and are published nowhere else. */
  readonly isKeptOnly?: boolean
}

/** Who asks: `token`, or the SAN of a certificate. */
export interface Identity {
  readonly name: string
  readonly role: 'viewer' | 'capturer' | 'admin'
}

/** To the child that captures. */
export type ToChild =
  | {
      readonly ask: SessionAsk
      readonly id: string
      readonly requester: string
      /** The folder where its files and its result are kept. */
      readonly folder: string
      readonly version: string
      /** The one that runs on this target. */
      readonly recorder: Recorder | undefined
    }
  /** What it holds for itself alone is free. */
  | { readonly turn: true }
  /** Somebody watches: what is seen so far, and the picture of it. */
  | { readonly look: true }
  | { readonly draw: true }
  | { readonly stop: true }
  | { readonly discard: true }

/** From it. */
export type FromChild =
  /** What it needs for itself alone, such as a port. */
  | { readonly planned: { readonly exclusive: readonly string[] } }
  | { readonly said: { readonly name: string; readonly words: string } }
  | { readonly live: unknown }
  /** Base64 of an SVG that passed the gate; undefined before there is one. */
  | { readonly picture: string | undefined }
  /** With its result, where that could not be written. */
  | { readonly ended: { readonly unkept?: CaptureResult | undefined } }
