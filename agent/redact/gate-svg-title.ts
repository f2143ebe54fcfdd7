// Titles and labels of frames: `NAME [KIND] (WEIGHT, SHARE)`, and the name as far as it fits.

import { refusal } from './gate-scan.ts'

/** The title without the weight at its end, which is numbers and the words of units, exactly. */
export function withoutWeight(title: string): string {
  const start = title.lastIndexOf(' (')
  return start >= 0 && weight.test(title.slice(start)) ? title.slice(0, start) : title
}

const weight =
  /^ \((?:\d{1,3}(?:,\d{3}){0,110} (?:sample|byte|event)s?|\d{1,22}(?:\.\d{1,2})? (?:s|ms|µs|ns)), \d{1,3}\.\d{2,3} %\)$/

/**
 * Holds that a label is the title, or its beginning and its end around the mark of a cut. Then it
 * says nothing that the title does not, and is not looked at again: half a digest can look like
 * anything.
 */
export function checkLabel(label: string, title: string, place: () => string): void {
  const name = title.replace(kind, '')
  if (label === name) return
  // A name may have the mark in it as well.
  for (const { index } of label.matchAll(/\u2026/g)) {
    if (name.startsWith(label.slice(0, index)) && name.endsWith(label.slice(index + 1))) return
  }
  throw refusal('a frame shows what is not its title', place())
}

const kind = / \[(?:thread|kernel|native|jit|inlined|interpreted|unknown(?:: [A-Za-z -]{1,40})?)\]$/
