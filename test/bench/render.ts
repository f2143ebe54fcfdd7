// From a recording of 300,000 samples to a picture with names, against perf script and inferno.

import fs from 'node:fs'
import path from 'node:path'
import { line } from './line.ts'
import { command, costOf, inTurns, scratchFolder } from './measure.ts'
import { makeRecording, perfScript, putPerfMaps, recording } from './mixed-capture.ts'

makeRecording()
putPerfMaps()
const folder = scratchFolder()
const picture = path.join(folder, 'ours.svg')
const pipe = `perf ${perfScript.join(' ')} 2>/dev/null | inferno-collapse-perf | inferno-flamegraph >${folder}/theirs.svg`

const { ours, theirs } = inTurns(5, {
  ours: () => costOf(command, 'render', recording, '--output', picture, '--force'),
  theirs: () => costOf('bash', '-c', pipe),
})
const ratio = theirs.seconds / ours.seconds
line('300k samples to SVG', ours.seconds, 's', { most: 1 })
line(
  '300k samples to SVG, against peers',
  ratio,
  'x',
  { least: 4 },
  { name: 'perf script + inferno', ratio },
)
line('300k samples to SVG, peak memory', ours.peakMegabytes, 'MB', { most: 150 })

const svg = fs.readFileSync(picture, 'utf8')
// Style and script are the same in every file.
const constant = svg.match(/<style>.*?<\/style>|<script>.*?<\/script>/gs)!.join('').length
const frames = svg.match(/<g><title>/g)!.length
line('SVG, frames drawn', frames, 'rects', { most: 3000 })
line('SVG, bytes a frame', (Buffer.byteLength(svg) - constant) / frames, 'B', { most: 160 })
