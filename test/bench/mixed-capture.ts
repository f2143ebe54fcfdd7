// The recording that reading, naming, folding and drawing are measured on: 300,000 samples of a
// whole machine under a mixed load. Made once, in .cache/bench; remove that folder for a new one.

import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { cache } from './measure.ts'

const seconds = 30
const hertz = 4999

export const recording = path.join(cache, 'mixed.data')
const mapsFolder = path.join(cache, 'perf-maps')

/** Makes the recording, if it is not there yet. */
export function makeRecording(): void {
  if (fs.existsSync(recording)) return
  fs.mkdirSync(mapsFolder, { recursive: true })
  console.log(`# recording ${seconds} s of a mixed load at ${hertz} Hz`)
  const before = new Set(perfMaps())
  const load = path.join(import.meta.dirname, 'mixed-load.ts')
  spawn(process.execPath, [load, `${seconds + 4}`], { stdio: 'ignore' })
  // Past the start of its programs.
  execFileSync('sleep', ['2'])
  execFileSync(
    'perf',
    [
      'record',
      '--quiet',
      '--all-cpus',
      '--call-graph=fp',
      `--freq=${hertz}`,
      `--output=${recording}.part`,
      '--',
      'sleep',
      `${seconds}`,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  for (const map of perfMaps()) {
    if (before.has(map)) continue
    fs.copyFileSync(`/tmp/${map}`, path.join(mapsFolder, map))
    fs.rmSync(`/tmp/${map}`)
  }
  fs.renameSync(`${recording}.part`, recording)
}

/** Puts the perf maps of the recording where everybody looks for them, until this process ends. */
export function putPerfMaps(): void {
  for (const map of fs.readdirSync(mapsFolder)) {
    const place = `/tmp/${map}`
    if (fs.existsSync(place)) continue
    fs.copyFileSync(path.join(mapsFolder, map), place)
    process.on('exit', () => fs.rmSync(place, { force: true }))
  }
}

/** The words that the peers are asked for: all that they need, and no look-up of inlined calls, which takes hours. */
export const perfScript = [
  'script',
  '--no-inline',
  '-F',
  'comm,pid,tid,cpu,time,period,event,ip,sym,dso',
  '-i',
  recording,
] as const

function perfMaps(): string[] {
  return fs.readdirSync('/tmp').filter(name => /^perf-\d+\.map$/.test(name))
}
