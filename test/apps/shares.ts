// Holds the shares that were found against those that a program is known to have.

import { expect } from 'vitest'
import type { Published } from '../command.ts'

/**
 * Each share, within a quarter, or within three standard deviations where little was seen.
 * On a busy machine a process waits for a core, and samples of one wait repeat each other: what is
 * independent are the times that it was given one.
 */
export function expectShares(
  { folded, receipt }: Published,
  shares: Readonly<Record<string, number>>,
  nameOf: (name: string) => string | RegExp,
): void {
  const independent = Math.min(folded.total, turnsPerSecond * receipt.record.cpuSeconds)
  for (const [name, expected] of Object.entries(shares)) {
    const deviation = Math.sqrt((expected * (1 - expected)) / independent)
    const tolerance = Math.max(0.25 * expected, 3 * deviation)
    const found = folded.share(nameOf(name))
    expect(Math.abs(found - expected), `${name} has ${found}`).toBeLessThan(tolerance)
  }
}

// Of CPU time. A turn is 4 ms and more, and the waits between are of all lengths, so it is fewer that count.
const turnsPerSecond = 100
