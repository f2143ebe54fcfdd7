// What the routes work on.

import type { Settings } from '../config.ts'
import type { log } from '../log.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Doorkeeper } from './authorize.ts'
import type { EventHub } from './events.ts'
import type { Metrics } from './metrics.ts'

export interface House {
  readonly settings: Settings
  readonly sessions: Sessions
  readonly doorkeeper: Doorkeeper
  readonly hub: EventHub
  readonly metrics: Metrics
  readonly version: string
  readonly log: typeof log
  isDraining(): boolean
  /** What a running capture shows so far. */
  liveOf(id: string): unknown
  targets(everything: undefined): Promise<unknown>
  doctor(query: { readonly pid?: number; readonly mode?: Settings['mode'] }): Promise<unknown>
}
