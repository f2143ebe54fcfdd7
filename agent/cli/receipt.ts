// The receipt on a terminal: verdict first, then how far to trust it, then where it is.

import { roundPercent } from '../profile/numbers.ts'
import { describeCounters } from '../profile/perf-stat.ts'
import { plainReceipt, type Receipt } from '../publish/receipt.ts'
import type { Difference } from '../publish/window-files.ts'
import { describeWindow } from '../render/page.ts'
import type { Terminal } from './terminal.ts'

export function printReceipt(receipt: Receipt, terminal: Terminal): void {
  const { tally, files, place, windows, differences } = receipt
  terminal.print('')
  // Two files have each a shape and a quality of their own.
  const isComparison = windows?.[0]?.name !== undefined
  if (!isComparison) printVerdict(receipt, terminal)
  for (const window of windows ?? []) {
    terminal.print(`Window:  ${describeWindow(window)}`)
  }
  for (const { before, after, headline, changes } of differences ?? []) {
    terminal.print(`Changed: ${before} → ${after}. ${headline}`)
    for (const change of isComparison ? changes : []) terminal.print(`  ${changeWords(change)}`)
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

function printVerdict({ verdict, quality, record }: Receipt, terminal: Terminal): void {
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
}

/** `+48 %  12 % →  60 %  parse` */
function changeWords({ name, before, after }: Difference['changes'][number]): string {
  const points = (after - before) * 100
  const change = `${points < 0 ? '−' : '+'}${Math.abs(points).toFixed(1)} %`
  const shares = [before, after].map(share => roundPercent(share).padStart(6)).join(' → ')
  return `${change.padStart(8)}  ${shares}  ${name}`
}

function sizeWords(bytes: number): string {
  return bytes < 1 << 20 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / (1 << 20)).toFixed(1)} MB`
}
