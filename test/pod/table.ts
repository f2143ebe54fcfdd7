// What worked in which pod, as a table for whoever reads the run.

import fs from 'node:fs'
import path from 'node:path'
import type { Capture } from './asked.ts'

const file = path.resolve(import.meta.dirname, '../../.cache/pods.md')
const rows: string[] = []

/** @param capture undefined: doctor said that nothing works, and nothing did */
export function row(
  app: string,
  locked: string,
  rights: string,
  capture: Capture | undefined,
  outside?: Capture,
): void {
  const what = capture === undefined ? 'blocked, as doctor said' : wordsOf(capture)
  const over = outside === undefined ? '' : wordsOf(outside)
  rows.push(`| ${[app, locked, rights, what, over].join(' | ')} |`)
}

export function writeTable(): void {
  const head =
    '| app | its container | profiler | in the shell | over mTLS |\n| - | - | - | - | - |'
  fs.writeFileSync(file, `${head}\n${rows.join('\n')}\n`)
}

function wordsOf({ tool, status, receipt }: Capture): string {
  const { quality } = receipt
  const rate = quality.achievedHertz === undefined ? '' : `, ${quality.achievedHertz} Hz`
  return `${tool} ${status === 'degraded' ? '(degraded)' : 'works'}${rate}, ${quality.samples} samples`
}
