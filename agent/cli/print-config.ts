// `--print-config`: every setting, its value, and where it came from.

import { type Config, environmentNameOf } from '../config.ts'
import type { Terminal } from './terminal.ts'

export function printConfig({ settings, sources }: Config, terminal: Terminal): void {
  for (const [name, value] of Object.entries(settings)) {
    // Of a customer's patterns the examples are not shown: they are made up, but look personal.
    const isTime = ['duration', 'every', 'uploadDeadline'].includes(name)
    const shown = isTime ? `${value}ms` : JSON.stringify(value, withoutExamples)
    const source = sources.get(name) ?? 'default'
    terminal.print(`${name.padEnd(15)} ${shown}   (${source}; ${environmentNameOf(name)})`)
  }
  terminal.emit({ settings, sources: Object.fromEntries(sources) })
}

function withoutExamples(key: string, value: unknown): unknown {
  return key === 'examples' ? undefined : value
}
