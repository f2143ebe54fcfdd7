import fs from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { keyOf, metricNames, startMetrics } from '../../agent/http/metrics.ts'

const docs = path.resolve(import.meta.dirname, '../../docs')

test('the documents name only metrics that there are', () => {
  for (const file of ['serve.md', 'prometheus/alerts.yml']) {
    const text = fs.readFileSync(path.join(docs, file), 'utf8')
    const named = [...text.matchAll(/\bsp_flamegraph_(\w+)/g)].map(([, name]) => name)
    expect(named.length).toBeGreaterThan(0)
    for (const name of named) expect(metricNames).toContain(name)
  }
})

test('what was counted before goes on, and a label cannot break its line', () => {
  const key = keyOf('capture_problems_total', { code: 'A"\n}sp_x{b="c' })
  const metrics = startMetrics({ [key]: 2 }, () => ({ watchers: 3 }))
  metrics.count('capture_problems_total', { code: 'A"\n}sp_x{b="c' })
  const lines = metrics.print().split('\n')
  expect(lines).toContain('sp_flamegraph_capture_problems_total{code="Asp_xbc"} 3')
  expect(lines).toContain('sp_flamegraph_watchers 3')
  expect(lines.filter(line => line.startsWith('# TYPE')).length).toBe(4)
})
