// Who was not let in, for the log: whom the CA has named, or from where.
//
// Whoever is refused may ask on and on. The metrics count all of it, the log has
// the first of each while, and how many were left out.

import { ProfilerError } from '../errors.ts'
import type { House } from './house-parts.ts'

const whileMs = 10_000
const mostLines = 20

export function refusalLog({
  log,
  metrics,
}: Pick<House, 'log' | 'metrics'>): (error: unknown, where: object) => void {
  let sinceMs = Number.NEGATIVE_INFINITY
  let lines = 0
  return (error, where) => {
    const { code, facts } =
      error instanceof ProfilerError ? error : { code: 'SP_INTERNAL', facts: {} }
    metrics.count('requests_refused_total', { code })
    const now = performance.now()
    if (now - sinceMs > whileMs) {
      if (lines > mostLines) log.warn({ leftOut: lines - mostLines }, 'more requests were refused')
      sinceMs = now
      lines = 0
    }
    if (++lines <= mostLines) log.warn({ code, ...facts, ...where }, 'request refused')
  }
}
