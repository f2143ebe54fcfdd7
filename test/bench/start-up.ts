// What a person waits for before anything is done.

import { line } from './line.ts'
import { command, costOf, inTurns } from './measure.ts'

const { version, overview } = inTurns(7, {
  version: () => costOf(command, '--version'),
  overview: () => costOf(command),
})
// A tenth of a second is what people call at once.
line('start-up, --version', version.seconds, 's', { most: 0.15 })
// It looks twice at every process, 0.4 s apart, to tell who is busy.
line('start-up, overview', overview.seconds, 's', { most: 1.2 })
