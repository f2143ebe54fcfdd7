// The receipt on a terminal: verdict first, then how far to trust it, then where it is.

import type { Settings } from '../config.ts'
import { roundPercent } from '../profile/numbers.ts'
import { describeCounters } from '../profile/perf-stat.ts'
import { plainReceipt, type Receipt, UnpublishedError } from '../publish/receipt.ts'
import type { Difference } from '../publish/window-files.ts'
import { describeWindow } from '../render/page.ts'
import type { Terminal } from './terminal.ts'

/** Prints what comes of a capture. The verdict is known, and wanted, also where it could not be published. */
export async function printingReceipt(
  coming: Promise<Receipt>,
  { output }: Settings,
  terminal: Terminal,
): Promise<Receipt> {
  // What goes to standard output is the picture itself: nothing else may.
  const print = (receipt: Receipt) => output !== '-' && printReceipt(receipt, terminal)
  try {
    const receipt = await coming
    print(receipt)
    return receipt
  } catch (error) {
    if (error instanceof UnpublishedError) print(error.receipt)
    throw error
  }
}

export function printReceipt(receipt: Receipt, terminal: Terminal): void {
  const { tally, files, place, isPublished, waitsFor, windows, differences } = receipt
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
  if (isPublished) terminal.print(`Published: ${place}`)
  else terminal.print(`Kept:    ${place}${waitsFor === undefined ? '' : `, to go to ${waitsFor}`}`)
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

export function sizeWords(bytes: number): string {
  return bytes < 1 << 20 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / (1 << 20)).toFixed(1)} MB`
}
