// What the daemon did and what it costs, in Prometheus' text format.
//
// https://prometheus.io/docs/instrumenting/exposition_formats/
//
// The house leaves when nobody needs it, and a counter must not fall back: the
// door keeps what was counted, and gives it to the next house.

/** Sums by metric and labels: `captures_total{state="finished"}` → 3. Plain data, for the door. */
export type Counted = Record<string, number>

export interface Metrics {
  count(name: CounterName, labels: Readonly<Record<string, string>>, by?: number): void
  counted(): Counted
  /** Everything, with the gauges as they are now. */
  print(): string
}

export type GaugeName = keyof typeof gauges
type CounterName = keyof typeof counters

const counters = {
  captures_total: 'Captures that ended, by state and runtime',
  capture_problems_total: 'Captures that failed, by code',
  stage_seconds_sum: 'Seconds that captures spent in each stage',
  stage_seconds_count: 'Captures that passed each stage',
  samples_total: 'Samples that were taken',
  samples_expected_total: 'Samples that the CPU time and the rate asked for',
  redacted_values_total: 'Personal values that were taken out, by class',
  requests_total: 'Requests, by status',
  requests_refused_total: 'Requests that were not let in, by code',
  house_starts_total: 'Times that the house was started',
} as const

const gauges = {
  captures_active: 'Captures that are not over, by state',
  spool_entries: 'Publications that wait for their store',
  watchers: 'Connections that watch events',
  resident_bytes: 'Resident memory of the process that answers',
  cpu_seconds: 'CPU time of the process that answers, since it started',
  certificate_expiry_seconds:
    'When our own certificate ends, in seconds since 1970; 0 while none is in use',
} as const

const prefix = 'sp_flamegraph_'

/** Without the prefix. */
export const metricNames: readonly string[] = [...Object.keys(counters), ...Object.keys(gauges)]

/** @param now the gauges: names with labels, as `Counted` */
export function startMetrics(before: Counted, now: () => Counted): Metrics {
  const sums: Counted = { ...before }
  return {
    count(name, labels, by = 1) {
      const key = keyOf(name, labels)
      sums[key] = (sums[key] ?? 0) + by
    },
    counted: () => sums,
    print() {
      const usage = process.resourceUsage()
      const all: Counted = {
        ...sums,
        ...now(),
        resident_bytes: process.memoryUsage.rss(),
        cpu_seconds: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
      }
      const lines: string[] = []
      for (const [kind, names] of [
        ['counter', counters],
        ['gauge', gauges],
      ] as const) {
        for (const [name, help] of Object.entries(names)) {
          const series = Object.entries(all).filter(([key]) => key.replace(/\{.*/, '') === name)
          if (series.length === 0) continue
          lines.push(`# HELP ${prefix}${name} ${help}`, `# TYPE ${prefix}${name} ${kind}`)
          for (const [key, value] of series) lines.push(`${prefix}${key} ${value}`)
        }
      }
      return `${lines.join('\n')}\n`
    },
  }
}

/** Labels are ours: codes, states, the names of runtimes; what else might come is cut to their letters. */
export function keyOf(
  name: CounterName | GaugeName,
  labels: Readonly<Record<string, string>>,
): string {
  const pairs = Object.entries(labels).map(
    ([label, value]) => `${label}="${value.replace(/[^A-Za-z0-9_. +#/-]/g, '').slice(0, 60)}"`,
  )
  return pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`
}
