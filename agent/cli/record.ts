// `sp-flamegraph record`: whom, then the pipeline, then the receipt. Where a
// daemon runs, it is the daemon's pipeline.

import type { Config, Format } from '../config.ts'
import { record as runPipeline } from '../pipeline.ts'
import { checkOutput } from '../publish/output.ts'
import { version } from '../version.ts'
import { chooseTarget } from './choose.ts'
import { findDaemon } from './daemon.ts'
import { showLive } from './live.ts'
import { printingReceipt } from './receipt.ts'
import { onInterrupt } from './signals.ts'
import type { Terminal } from './terminal.ts'

export async function record(
  positionals: readonly string[],
  config: Config,
  formats: readonly Format[],
  terminal: Terminal,
): Promise<void> {
  const { settings } = config
  await checkOutput(settings)
  const daemon = findDaemon(config, terminal)
  if (daemon !== undefined) {
    const { recordByDaemon } = await import('./record-by-daemon.ts')
    if (await recordByDaemon(daemon, positionals, config, formats, terminal)) return
  }
  const target = await chooseTarget(positionals, settings, terminal)
  const show = showLive(settings, terminal)
  const { signals, release } = onInterrupt(words => terminal.state('stopping', words))
  try {
    const ask = {
      target,
      settings,
      formats,
      signals,
      version: version(),
      ...(show.onLive && { onLive: show.onLive }),
    }
    const capturing = runPipeline(ask, terminal).then(async receipt => {
      await show.finish()
      return receipt
    })
    await printingReceipt(capturing, settings, terminal)
  } finally {
    show.stop()
    release()
  }
}
