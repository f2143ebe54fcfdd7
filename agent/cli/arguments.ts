// The command line: which flags there are, and what they set.

import fs from 'node:fs'
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { type Config, configVariable, readConfig } from '../config.ts'
import { ProfilerError } from '../errors.ts'
import { type PatchKind, patchKinds } from './patch.ts'

/** Of all subcommands: which of them takes which stands in its help. */
export const flags = {
  duration: { type: 'string', short: 'd' },
  hertz: { type: 'string', short: 'F' },
  mode: { type: 'string', short: 'm' },
  tool: { type: 'string' },
  'call-graph': { type: 'string' },
  stat: { type: 'boolean' },
  native: { type: 'boolean' },
  format: { type: 'string', short: 'f', multiple: true },
  output: { type: 'string', short: 'o' },
  to: { type: 'string' },
  live: { type: 'string' },
  'keep-raw': { type: 'string' },
  spool: { type: 'string' },
  incident: { type: 'string', short: 'i' },
  windows: { type: 'string' },
  every: { type: 'string' },
  pause: { type: 'boolean' },
  alone: { type: 'boolean' },
  'allow-remote-eval': { type: 'boolean' },
  force: { type: 'boolean' },
  json: { type: 'boolean' },
  debug: { type: 'boolean' },
  config: { type: 'string' },
  'print-config': { type: 'boolean' },
  'print-patch': { type: 'string' },
  all: { type: 'boolean' },
  listen: { type: 'string' },
  socket: { type: 'string' },
  state: { type: 'string' },
  'tls-listen': { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'tls-ca': { type: 'string' },
  'tls-min': { type: 'string' },
  client: { type: 'string', multiple: true },
  until: { type: 'string' },
  once: { type: 'boolean' },
  recorder: { type: 'string' },
  grace: { type: 'string' },
  queue: { type: 'string' },
  slots: { type: 'string' },
  'max-memory': { type: 'string' },
  'max-cpu': { type: 'string' },
  'max-disk': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const satisfies ParseArgsConfig['options']

export interface Arguments {
  readonly positionals: readonly string[]
  readonly config: Config
  readonly wants: {
    readonly help: boolean
    readonly version: boolean
    readonly config: boolean
    /** Of `doctor`: which YAML. */
    readonly patch: PatchKind | undefined
    /** Of `record`: every busy process. */
    readonly all: boolean
  }
}

/** @throws {ProfilerError} `SP_USAGE`, `SP_CONFIG_INVALID`, `SP_INPUT_UNREADABLE` */
export function readArguments(argv: readonly string[]): Arguments {
  const { values, positionals } = parse(argv)
  const { config: file = process.env[configVariable], help, version, format, ...rest } = values
  const { 'print-config': printConfig, 'print-patch': patch, all, client, ...settings } = rest
  return {
    positionals,
    config: readConfig(
      {
        ...Object.fromEntries(
          Object.entries(settings).map(([name, value]) => [inCamelCase(name), value]),
        ),
        ...(format !== undefined && { format: format.join(',') }),
        ...(client !== undefined && { clients: client.join(',') }),
      },
      process.env,
      file === undefined ? {} : readConfigFile(file),
    ),
    wants: {
      help: help === true,
      version: version === true,
      config: printConfig === true,
      patch: readPatchKind(patch),
      all: all === true,
    },
  }
}

/** The setting of a flag: `tls-cert` → `tlsCert`. */
function inCamelCase(flag: string): string {
  return flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}

/** Whether a flag stands on the command line: for what must be known before it parses. */
export function hasFlag(argv: readonly string[], flag: '--json' | '--debug'): boolean {
  const end = argv.indexOf('--')
  return (end < 0 ? argv : argv.slice(0, end)).includes(flag)
}

function readPatchKind(text: string | undefined): PatchKind | undefined {
  const kind = patchKinds.find(each => each === text)
  if (kind !== undefined || text === undefined) return kind
  throw new ProfilerError('SP_USAGE', `--print-patch takes ${patchKinds.join(', ')}, not ${text}`)
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: flags, allowPositionals: true, strict: true })
  } catch (cause) {
    // Node's own words name the flag; only what follows the first sentence is about its API.
    const message = (cause as Error).message.split('. ')[0]!
    throw new ProfilerError('SP_USAGE', message, { cause })
  }
}

function readConfigFile(file: string): unknown {
  let text: string
  try {
    text = fs.readFileSync(file, 'utf8')
  } catch (cause) {
    throw new ProfilerError('SP_INPUT_UNREADABLE', `${file} cannot be read`, { cause })
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ProfilerError('SP_CONFIG_INVALID', `${file} is not JSON`, { cause })
  }
}
