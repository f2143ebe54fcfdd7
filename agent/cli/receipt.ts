// The receipt on a terminal: verdict first, then how far to trust it, then where it is.

import { describeCounters } from '../profile/perf-stat.ts'
import { plainReceipt, type Receipt } from '../publish/receipt.ts'
import type { Terminal } from './terminal.ts'

export function printReceipt(receipt: Receipt, terminal: Terminal): void {
  const { record, verdict, quality, tally, files, place } = receipt
  terminal.print('')
  terminal.print(`Verdict: ${verdict.headline}`)
  for (const sentence of verdict.evidence) terminal.print(`  ${sentence}`)
  terminal.print(`Trust:   ${quality.level}`)
  for (const sentence of [...quality.reasons, ...record.remarks]) terminal.print(`  ${sentence}`)
  for (const { why, command } of verdict.next) {
    terminal.print(`Next:    ${command}`)
    terminal.print(`  ${why}`)
  }
  if (record.counters !== undefined) {
    terminal.print(`Counted: ${describeCounters(record.counters)}`)
  }
  const classes = [...tally].map(([name, { values, frames }]) => {
    return `${name} ${values} (in ${frames} ${frames === 1 ? 'frame' : 'frames'})`
  })
  terminal.print(
    `Redacted: ${classes.length === 0 ? 'nothing looked personal' : classes.join(', ')}`,
  )
  terminal.print(`Published: ${place}`)
  for (const { name, bytes, sha256 } of files) {
    terminal.print(
      `  ${name.padEnd(24)} ${sizeWords(bytes).padStart(8)}  sha256:${sha256.slice(0, 16)}…`,
    )
  }
  terminal.emit({ receipt: plainReceipt(receipt) })
}

function sizeWords(bytes: number): string {
  return bytes < 1 << 20 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / (1 << 20)).toFixed(1)} MB`
}
