// Folding the text of perf script, against inferno on one thread: it reads the same file.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { line } from './line.ts'
import { command, costOf, inTurns, scratchFolder } from './measure.ts'
import { makeRecording, perfScript, putPerfMaps } from './mixed-capture.ts'

makeRecording()
putPerfMaps()
const folder = scratchFolder()
const text = path.join(folder, 'script.txt')
execFileSync('perf', perfScript, { stdio: ['ignore', fs.openSync(text, 'w'), 'ignore'] })
const megabytes = fs.statSync(text).size / 1e6

const { ours, theirs } = inTurns(3, {
  ours: () => costOf(command, 'render', text, '--output', path.join(folder, 'a.folded'), '--force'),
  theirs: () => costOf('bash', '-c', `inferno-collapse-perf -n 1 ${text} >${folder}/b.folded`),
})
const ratio = theirs.seconds / ours.seconds
line(
  `folding ${megabytes.toFixed(0)} MB of perf script, redacted`,
  megabytes / ours.seconds,
  'MB/s',
  { least: Number((megabytes / theirs.seconds).toFixed(0)) },
  { name: 'inferno-collapse-perf -n 1', ratio },
)
