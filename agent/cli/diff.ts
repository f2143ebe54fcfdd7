// `sp-flamegraph diff`: what changed between two profiles, whatever made them,
// through the same redaction, gate and publishing as a capture.

import { monotonicMs } from '../capture/capture.ts'
import type { Config, Format } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { describeComparison, type ReadInput } from '../publish/describe-comparison.ts'
import { checkOutput, formatsFor } from '../publish/output.ts'
import { publishDraft } from '../publish/publish.ts'
import { version } from '../version.ts'
import { printingReceipt } from './receipt.ts'
import { readNamed } from './render.ts'
import type { Terminal } from './terminal.ts'

export async function diff(
  inputs: readonly string[],
  config: Config,
  terminal: Terminal,
): Promise<void> {
  const { settings } = config
  const [before, after, ...others] = inputs
  if (before === undefined || after === undefined || others.length > 0) {
    throw new ProfilerError('SP_USAGE', 'diff takes two profiles: the one before, the one after')
  }
  if (before === '-' && after === '-') {
    throw new ProfilerError('SP_USAGE', 'only one of the two can be standard input')
  }
  const formats = diffFormats(config)
  await checkOutput(settings)
  const startedAt = new Date()
  const beganMs = monotonicMs()
  const read: ReadInput[] = []
  for (const input of [before, after]) {
    terminal.state('reading', `Reading ${input}`)
    read.push({ input, rendering: await readNamed([input]) })
  }
  const context = { settings, startedAt, version: version() }
  const draft = describeComparison(read as [ReadInput, ReadInput], context)
  const ask = { settings, formats, progress: terminal }
  await printingReceipt(publishDraft(draft, ask, beganMs), settings, terminal)
}

function diffFormats(config: Config): readonly Format[] {
  const { settings, sources } = config
  const isFree = sources.get('format') === 'default'
  if (isFree && settings.output === undefined) return ['folded', 'json']
  if (isFree && settings.output === '-') return ['folded']
  const formats = formatsFor(config)
  const others = formats.filter(format => format !== 'folded' && format !== 'json')
  if (others.length === 0) return formats
  throw new ProfilerError('SP_USAGE', `a diff is folded or json, not ${others.join(', ')}`)
}
