// The command: parse, dispatch to cli/, print.

import { ProfilerError, systemCode } from '../errors.ts'
import { hasFlag } from './arguments.ts'
import { asProfilerError, openTerminal } from './terminal.ts'

const argv = process.argv.slice(2)
const terminal = openTerminal(hasFlag(argv, '--json'), hasFlag(argv, '--debug'))

// A reader that has seen enough (`| head`) is no error.
process.stdout.on('error', cause => {
  const code = systemCode(cause)
  if (code === 'EPIPE') process.exit(0)
  const message = `standard output cannot be written: ${code}`
  const error = new ProfilerError('SP_OUTPUT_FAILED', message, { cause })
  openTerminal(false, false).error(error)
  process.exit(error.exit)
})

try {
  await dispatch()
} catch (error) {
  terminal.error(error)
  process.exitCode = asProfilerError(error).exit
}

/** Each subcommand is loaded only when it is asked for: `--help` needs no profiler. */
async function dispatch(): Promise<void> {
  const { help } = await import('./help.ts')
  // Mostly it stands first. It may follow flags, but which of those take a value only the parser knows.
  const first = argv[0]?.startsWith('-') === false ? commandOf(argv[0], help) : undefined
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(help.get(first ?? '')!)
    return
  }
  const { readArguments } = await import('./arguments.ts')
  const { positionals, config, wants } = readArguments(argv)
  if (wants.version) {
    const { version } = await import('../version.ts')
    terminal.print(`sp-flamegraph ${version()}`)
    terminal.emit({ version: version() })
    return
  }
  if (wants.config) {
    const { printConfig } = await import('./print-config.ts')
    printConfig(config, terminal)
    return
  }
  const [word, ...others] = positionals
  if (word === undefined) {
    const { overview } = await import('./overview.ts')
    await overview(config.settings, terminal)
    return
  }
  const command = commandOf(word, help)
  const subjects = command === word ? others : positionals
  if (command === 'doctor') {
    const { doctor } = await import('./doctor.ts')
    await doctor(subjects, config.settings, wants.patch, terminal)
    return
  }
  if (command === 'serve') {
    const { serve } = await import('./serve.ts')
    await serve(subjects, config.settings, terminal)
    return
  }
  if (command === 'spool') {
    const { spool } = await import('./spool.ts')
    await spool(subjects, config.settings, terminal)
    return
  }
  if (command === 'completion') {
    const { completion } = await import('./completion.ts')
    completion(subjects)
    return
  }
  const { formatsFor } = await import('../publish/output.ts')
  if (command === 'record' && !wants.all) {
    const { record } = await import('./record.ts')
    await record(subjects, config, formatsFor(config), terminal)
    return
  }
  if (command === 'diff') {
    const { diff } = await import('./diff.ts')
    await diff(subjects, config, terminal)
    return
  }
  const run =
    command === 'render'
      ? (await import('./render.ts')).render
      : (await import('./record-all.ts')).recordAll
  await run(subjects, config.settings, formatsFor(config), terminal)
}

/** A pid alone is a capture of it. */
function commandOf(word: string, help: ReadonlyMap<string, string>): string {
  if (/^\d+$/.test(word)) return 'record'
  if (word !== '' && help.has(word)) return word
  throw new ProfilerError('SP_USAGE', `there is no subcommand ${word}`)
}
