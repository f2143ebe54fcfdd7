// Numbers as people read them: `12.34 %`, `29,970 samples`, `1.50 s`.
//
// One grammar for all, because the redaction gate must tell our own numbers
// from a phone number in a frame's name: it knows exactly these forms. Digits
// are ASCII and grouped by commas whatever the locale of the machine.

import type { Unit } from './profile.ts'

/** Not by `Intl`, whose tables take 13 ms to load. */
export function formatCount(count: number): string {
  // From here on a number prints itself with an exponent.
  const isLong = Number.isFinite(count) && Math.abs(count) >= 1e21
  const digits = isLong ? BigInt(count).toString() : count.toFixed(0)
  return digits.replace(/\B(?=(?:\d{3})+$)/g, ',')
}

/** A share of 1 as `12.34 %`; the third decimal only where two would read as nothing. */
export function formatPercent(share: number): string {
  return `${(share * 100).toFixed(share > 0 && share < 0.00005 ? 3 : 2)} %`
}

/** A share in a sentence, where a reader wants no more than `12.3 %`. */
export function roundPercent(share: number): string {
  return `${(share * 100).toFixed(share > 0 && share < 0.0005 ? 2 : 1).replace(/\.0$/, '')} %`
}

const words = { samples: 'sample', bytes: 'byte', count: 'event' } as const

/** A weight with its unit: `1,234 samples`, `1 byte`, `5.60 ms`. */
export function formatWeight(weight: number, unit: Unit): string {
  if (unit === 'nanoseconds') return formatNanoseconds(weight)
  const digits = formatCount(weight)
  return `${digits} ${words[unit]}${digits === '1' ? '' : 's'}`
}

function formatNanoseconds(nanoseconds: number): string {
  if (nanoseconds >= 1e9) return `${(nanoseconds / 1e9).toFixed(2)} s`
  if (nanoseconds >= 1e6) return `${(nanoseconds / 1e6).toFixed(2)} ms`
  if (nanoseconds >= 1e3) return `${(nanoseconds / 1e3).toFixed(2)} µs`
  return `${nanoseconds.toFixed(0)} ns`
}

/**
 * A weight in a sentence, short: `1.2 GB`, `3,021 samples`, `12.34 s`.
 *
 * Outside the frames' own numbers nothing may look like an account or a phone
 * number, so counts of ten digits and more are scaled.
 */
export function roundWeight(weight: number, unit: Unit): string {
  if (unit === 'bytes' && weight >= 1000) return scaled(weight, ['kB', 'MB', 'GB', 'TB', 'PB'])
  if (unit !== 'nanoseconds' && weight >= 1e9) {
    return `${scaled(weight, ['thousand', 'million', 'billion', 'trillion'])} ${words[unit]}s`
  }
  // A thousand CPUs for a quarter of an hour: hours from there on.
  if (weight >= 1e15) return `${(weight / 3.6e12).toPrecision(3)} h`
  return formatWeight(weight, unit)
}

function scaled(weight: number, names: readonly string[]): string {
  let power = 0
  let value = weight / 1000
  while (value >= 1000 && power < names.length - 1) {
    value /= 1000
    power++
  }
  return `${value < 1e6 ? value.toFixed(1) : value.toExponential(1)} ${names[power]}`
}
