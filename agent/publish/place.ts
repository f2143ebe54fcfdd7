// Where a capture goes: the object names, the same for every store.

import { randomBytes } from 'node:crypto'
import type { Format, Mode } from '../config.ts'

/** `INC-20261123-1142`, in UTC, for a capture that belongs to no incident yet. */
export function defaultIncident(now: Date): string {
  const [date, time] = now.toISOString().split('T') as [string, string]
  return `INC-${date.replaceAll('-', '')}-${time.slice(0, 5).replace(':', '')}`
}

/**
 * Sorts by time, names what was captured, and is never given twice.
 * `20261123T114200Z-pid12-99hz-1a2b3c`
 */
export function newCaptureId(now: Date, subject: string): string {
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '')
  return `${time}-${subject}-${randomBytes(3).toString('hex')}`
}

/** What a capture is of, for its id: `pid12-99hz`, `pid12-off-cpu`. */
export function subjectOf(pid: number, mode: Mode, hertz: number): string {
  return `pid${pid}-${mode === 'cpu' ? `${hertz}hz` : mode}`
}

/** @param incident redacted: of `INC-[mobile:7f3a9c]`, what every store and shell takes is left */
export function placeOf(incident: string, captureId: string): string {
  return `incidents/${incident.replace(/[[\]]/g, '').replaceAll(':', '-')}/${captureId}`
}

export const artefactNames: Readonly<Record<Format, string>> = {
  svg: 'flame.svg',
  folded: 'profile.folded',
  json: 'summary.json',
  pprof: 'profile.pb.gz',
  speedscope: 'profile.speedscope.json',
}

/** Of every file that is published. */
export function contentTypeOf(name: string): string {
  const found = contentTypes.find(([ending]) => name.endsWith(ending))
  return found?.[1] ?? 'application/octet-stream'
}

const contentTypes: readonly (readonly [string, string])[] = [
  ['.svg', 'image/svg+xml'],
  ['.html', 'text/html; charset=utf-8'],
  ['.json', 'application/json'],
  ['.folded', 'text/plain; charset=utf-8'],
  // Not as an encoding: a client would unpack it, and its digest would be another.
  ['.gz', 'application/gzip'],
]
