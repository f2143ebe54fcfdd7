// Folding the text of perf script, against inferno on one thread: they read the same file.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { printFolded } from '../../agent/profile/folded.ts'
import { readPerfScript } from '../../agent/profile/perf-script.ts'
import { ProfileBuilder } from '../../agent/profile/profile.ts'
import { line } from './line.ts'
import { command, costOf, inTurns, scratchFolder } from './measure.ts'
import { makeRecording, perfScript, putPerfMaps } from './mixed-capture.ts'

// As much as 300,000 shallow samples give. All of it folds to more than the gate lets pass.
const megabytes = 106

const [task, input, output] = process.argv.slice(2)
if (task === 'fold') await fold(input!, output!)
else measure()

/** What inferno does, and nothing else: no redaction, no verdict, no gate. */
async function fold(input: string, output: string): Promise<void> {
  const builder = new ProfileBuilder()
  await readPerfScript(fs.createReadStream(input, { highWaterMark: 1 << 20 }), builder)
  fs.writeFileSync(output, Buffer.concat([...printFolded(builder.build())]))
}

function measure(): void {
  makeRecording()
  putPerfMaps()
  const folder = scratchFolder()
  const text = path.join(folder, 'script.txt')
  const cut = `perf ${perfScript.join(' ')} 2>/dev/null | head --bytes=${megabytes}MB >${text}`
  execFileSync('bash', ['-c', cut])

  const folded = path.join(folder, 'ours.folded')
  const { bare, whole, theirs } = inTurns(3, {
    bare: () => costOf(process.execPath, import.meta.filename, 'fold', text, folded),
    whole: () => costOf(command, 'render', text, '--output', folded, '--force'),
    theirs: () =>
      costOf('bash', '-c', `inferno-collapse-perf -n 1 ${text} >${folder}/theirs.folded`),
  })
  const least = Math.round(megabytes / theirs.seconds)
  for (const [name, ours] of [
    ['', bare],
    [', redacted and checked', whole],
  ] as const) {
    const peer = { name: 'inferno-collapse-perf -n 1', ratio: theirs.seconds / ours.seconds }
    const speed = megabytes / ours.seconds
    line(`folding ${megabytes} MB of perf script${name}`, speed, 'MB/s', { least }, peer)
  }
}
