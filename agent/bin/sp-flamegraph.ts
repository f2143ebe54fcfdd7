#!/usr/bin/env node
// The command: parse, dispatch to cli/, print.

import { hasFlag } from '../cli/arguments.ts'
import { asProfilerError, openTerminal } from '../cli/terminal.ts'
import { ProfilerError } from '../errors.ts'

const argv = process.argv.slice(2)
const terminal = openTerminal(hasFlag(argv, '--json'), hasFlag(argv, '--debug'))

// A reader that has seen enough (`| head`) is no error.
process.stdout.on('error', error => {
  process.exit((error as NodeJS.ErrnoException).code === 'EPIPE' ? 0 : 1)
})

try {
  await dispatch()
} catch (error) {
  terminal.error(error)
  process.exitCode = asProfilerError(error).exit
}

/** Each subcommand is loaded only when it is asked for: `--help` needs no profiler. */
async function dispatch(): Promise<void> {
  const first = argv[0]?.startsWith('-') === false ? argv[0] : undefined
  const isPid = first !== undefined && /^\d+$/.test(first)
  const command = first === undefined || isPid ? '' : first
  const rest = command === '' ? argv : argv.slice(1)
  const { help } = await import('../cli/help.ts')
  if (!help.has(command)) {
    throw new ProfilerError('SP_USAGE', `there is no subcommand ${command}`)
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(help.get(command)!)
    return
  }
  const { readArguments } = await import('../cli/arguments.ts')
  const parsed = readArguments(rest)
  if (parsed.wants.version) {
    const { version } = await import('../cli/version.ts')
    terminal.print(`sp-flamegraph ${version()}`)
    terminal.emit({ version: version() })
    return
  }
  if (parsed.wants.config) {
    const { printConfig } = await import('../cli/print-config.ts')
    printConfig(parsed.config, terminal)
    return
  }
  const { positionals, config } = parsed
  if (command === '' && !isPid) {
    const { overview } = await import('../cli/overview.ts')
    await overview(config.settings, terminal)
    return
  }
  const { formatsFor } = await import('../publish/output.ts')
  const run =
    command === 'render'
      ? (await import('../cli/render.ts')).render
      : (await import('../cli/record.ts')).record
  await run(positionals, config.settings, formatsFor(config), terminal)
}
