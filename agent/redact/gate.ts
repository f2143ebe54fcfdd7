// The gate: the last look at the bytes of an artefact, which pass as they are or not at all.
//
// It does not trust redaction. It reads the finished artefact by a grammar of its own for each
// format, decodes what it finds in its own way, and shares only the detectors. A value that is
// still there, bytes that the grammar does not allow, more bytes or more time than the limits: the
// artefact is refused, by class, place and count. Never by value, and no place says one either.

import { createHash } from 'node:crypto'
import { ProfilerError } from '../errors.ts'
import { scanJson } from './gate-json.ts'
import { scanPprof } from './gate-pprof.ts'
import { refusal, type Scan, startScan } from './gate-scan.ts'
import { scanSvg } from './gate-svg.ts'
import { scanFolded, scanFoldedDiff, scanText } from './gate-text.ts'
import type { RedactionPolicy } from './policy.ts'

export type ArtefactFormat =
  | 'svg'
  | 'folded'
  | 'json'
  | 'pprof'
  | 'speedscope'
  | 'manifest'
  | 'diff'
  | 'folded-diff'
  | 'text'

export interface Artefact {
  /** As it will be published, path included. */
  readonly name: string
  readonly bytes: Uint8Array
  readonly format: ArtefactFormat
}

declare const passed: unique symbol

/** An artefact that may leave: a copy of the bytes that were looked at. Only `gate` makes one. */
export interface Passed {
  readonly name: string
  readonly bytes: Uint8Array
  /** In hex. */
  readonly sha256: string
  readonly [passed]: true
}

// Larger is no picture for people, and V8's strings end at 512 MB.
const maxBytes = 64 * 1024 * 1024

/**
 * Passes an artefact, or refuses it.
 *
 * @throws {ProfilerError} `SP_REDACTION_REFUSED`, with `class`, `place` and `count` as facts; the
 * class is `unreadable` where the grammar or a limit was broken.
 */
export function gate(artefact: Artefact, policy: RedactionPolicy): Passed {
  if (artefact.bytes.length > maxBytes) throw refusal('it is larger than 64 MB', 'its size')
  // Whoever holds the original cannot change what was looked at.
  const bytes = Uint8Array.from(artefact.bytes)
  const scan = startScan(policy, bytes.length)
  scan.text(artefact.name, () => 'the name of the file')
  if (bytes.length === 0) throw refusal('it is empty', 'its first byte')
  read(artefact.format, bytes, scan, policy)
  refuseFound(scan)
  return { name: artefact.name, bytes, sha256: digestOf(bytes) } as Passed
}

/**
 * Takes back what was passed before, and was kept since where only we can write.
 *
 * @returns undefined where the bytes are not those any more
 */
export function passedBefore(name: string, bytes: Uint8Array, sha256: string): Passed | undefined {
  return digestOf(bytes) === sha256 ? ({ name, bytes, sha256 } as Passed) : undefined
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function read(
  format: ArtefactFormat,
  bytes: Uint8Array,
  scan: Scan,
  policy: RedactionPolicy,
): void {
  try {
    readers[format](bytes, scan, policy)
  } catch (error) {
    if (error instanceof ProfilerError) throw error
    // Whatever went wrong, the artefact was not read to its end. What it was may tell a value.
    throw refusal('reading it failed', 'its bytes')
  }
}

const readers: Readonly<
  Record<ArtefactFormat, (bytes: Uint8Array, scan: Scan, policy: RedactionPolicy) => void>
> = {
  svg: scanSvg,
  folded: scanFolded,
  json: scanJson,
  speedscope: scanJson,
  manifest: scanJson,
  diff: scanJson,
  'folded-diff': scanFoldedDiff,
  pprof: scanPprof,
  text: scanText,
}

function refuseFound({ found }: Scan): void {
  const [first] = found
  if (first === undefined) return
  const [name, { place, count }] = first
  const all = [...found].map(([name, { count }]) => `${count} of class ${name}`).join(', ')
  throw new ProfilerError(
    'SP_REDACTION_REFUSED',
    `personal values are left: ${all}; the first at ${place}`,
    {
      facts: { class: name, place, count },
    },
  )
}
