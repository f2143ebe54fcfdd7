// Every setting, from flags, environment and file, checked once and whole.
//
// A flag wins over the environment (`SP_FLAMEGRAPH_HERTZ`), which wins over the
// file (`--config FILE`, JSON), which wins over the default. Unknown names are
// errors everywhere: a misspelt setting must not become a silent default at
// 3 a.m. All problems are told at once; what comes out is frozen.

import { z } from 'zod'
import { serveDefaults, serveProblems, serveShape } from './config-serve.ts'
import { windowsProblems, windowsShape } from './config-windows.ts'
import { ProfilerError } from './errors.ts'

export const formats = ['svg', 'folded', 'json', 'pprof', 'speedscope'] as const
export type Format = (typeof formats)[number]

/**
 * What is sampled: time on a core, all time, time off it, both of these from one window, bytes
 * allocated, bytes in use, time spent waiting for locks.
 */
export const modes = ['cpu', 'wall', 'off-cpu', 'both', 'alloc', 'heap', 'lock'] as const
export type Mode = (typeof modes)[number]

/** What does the sampling: programs, and protocols that we speak ourselves. */
export const tools = [
  'perf',
  'py-spy',
  'pprof',
  'eventpipe',
  'asprof',
  'jfr',
  'inspector',
  'rbspy',
  'phpspy',
  'erl-dist',
] as const
export type Tool = (typeof tools)[number]

/** How the callers of native code are found: by frame pointers, by copied stacks, or what suits it. */
export const callGraphs = ['auto', 'fp', 'dwarf'] as const
export type CallGraph = (typeof callGraphs)[number]

// 999 Hz: above it the target is slowed by more than 4 %. Not 100 or 1000, so that the
// samples do not fall in step with timers that tick at round rates.
const maxHertz = 999
const defaultHertz = 99
const defaultDurationMs = 30_000
// An hour at 999 Hz on 64 cores is 230 million samples: the model holds it, the person does not.
const maxDurationMs = 3_600_000

const duration = z.union([z.number(), z.string()]).transform((value, context) => {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(String(value).trim())
  const unit = { ms: 1, s: 1000, m: 60_000 }[match?.[2] ?? 's']!
  const durationMs = match === null ? Number.NaN : Number(match[1]) * unit
  if (durationMs >= 100 && durationMs <= maxDurationMs) return Math.round(durationMs)
  context.addIssue('expected seconds, or a number with ms, s or m, from 100ms to 60m')
  return z.NEVER
})

const list = z.preprocess(
  value => (typeof value === 'string' ? value.split(',').map(each => each.trim()) : value),
  z.array(z.enum(formats)).min(1),
)

const flag = z.preprocess(
  value =>
    value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value,
  z.boolean(),
)

// What an object name may hold on every store: no slash, no dot at the start, no `..`.
const incident = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
    'expected letters, digits, `.`, `_`, `-`, at most 100',
  )
  .refine(value => !value.includes('..'), 'expected no `..`')

// A bucket, and below it what every store and shell takes as it is. No user and no password: a URL is
// printed, logged and written into manifests.
const bucketPath = String.raw`(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._=+-]+)*\/?`
const destinations = [
  /^file:.+$/s,
  new RegExp(String.raw`^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]${bucketPath}$`),
  new RegExp(String.raw`^gs:\/\/[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]${bucketPath}$`),
]
/** Whether `--to` would take it. */
export function isDestination(value: string): boolean {
  return value.length <= maxDestination && destinations.some(each => each.test(value))
}
const maxDestination = 4000

const destination = z
  .string()
  .refine(
    isDestination,
    'expected `file:DIR`, `s3://BUCKET/PREFIX` or `gs://BUCKET/PREFIX`, without user and password',
  )

const endpoint = z.string().refine(value => {
  const { protocol, username, password, search, hash } = URL.parse(value) ?? {}
  return /^https?:$/.test(protocol ?? '') && `${username}${password}${search}${hash}` === ''
}, 'expected `https://HOST:PORT`, without user and password')

// What S3 allows in a tag, less what a list on one line cannot hold.
const tagText = /^[\p{L}\p{N} +\-._:/@]{1,128}$/u
const tags = z.preprocess(
  value =>
    typeof value === 'string'
      ? Object.fromEntries(value.split(',').map(each => each.split(/=(.*)/s).slice(0, 2)))
      : value,
  z
    .record(z.string().regex(tagText), z.string().regex(tagText))
    .refine(value => Object.keys(value).length <= 10, 'expected at most 10 tags'),
)

const size = z.union([z.number(), z.string()]).transform((value, context) => {
  const match = /^(\d+)(KB|MB|GB)?$/.exec(String(value).trim())
  const unit = { KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 }[match?.[2] ?? ''] ?? 1
  const bytes = match === null ? Number.NaN : Number(match[1]) * unit
  if (bytes >= 2 ** 20 && bytes <= 2 ** 40) return bytes
  context.addIssue('expected bytes, or a number with KB, MB or GB, from 1MB to 1024GB')
  return z.NEVER
})

const customerId = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_]{0,31}$/),
  pattern: z.string().min(1).max(200),
  examples: z.array(z.string().min(1).max(200)).min(1),
})

const schema = z.strictObject({
  duration,
  hertz: z.coerce.number().int().min(1).max(maxHertz),
  mode: z.enum(modes),
  tool: z.enum(tools).optional(),
  callGraph: z.enum(callGraphs),
  stat: flag,
  native: flag,
  format: list,
  output: z.string().min(1).optional(),
  to: destination,
  /** Where the picture so far is written while it samples. */
  live: z.string().min(1).optional(),
  /** Where the bytes that the tool gives are kept, as they are: nothing is redacted in them. */
  keepRaw: z.string().min(1).optional(),
  /** Of an S3-compatible server; else AWS_ENDPOINT_URL, else AWS. */
  s3Endpoint: endpoint.optional(),
  /** Else AWS_REGION, else that of the profile. */
  s3Region: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/)
    .optional(),
  /** `https://HOST/BUCKET/…` instead of `https://BUCKET.HOST/…`; by default where there is an endpoint. */
  s3PathStyle: flag.optional(),
  s3Encryption: z
    .string()
    .regex(/^(?:AES256|aws:kms(?::[A-Za-z0-9:/_-]{1,512})?)$/, 'expected AES256 or aws:kms:KEYID')
    .optional(),
  /** Of a private way to Google Cloud Storage; else storage.googleapis.com. */
  gcsEndpoint: endpoint.optional(),
  objectTags: tags.optional(),
  /** For all files of a capture together, retries included. */
  uploadDeadline: duration,
  /** The folder in which the private folder of what waits to be sent is made; else the temporary one. */
  spool: z.string().min(1).max(4000).optional(),
  spoolMaxBytes: size,
  spoolMaxEntries: z.coerce.number().int().min(1).max(10_000),
  incident: incident.optional(),
  customerIds: z.array(customerId).max(50),
  /** Whether a tool may stop the target for the moment of each sample. */
  pause: flag,
  /** Not to ask a daemon, even where there is one. */
  alone: flag,
  /** Whether a protocol may be used that lets us run anything in the target, to ask it for its stacks. */
  allowRemoteEval: flag,
  force: flag,
  json: flag,
  debug: flag,
  ...windowsShape,
  ...serveShape,
})

export type Settings = Readonly<z.infer<typeof schema>>
export type SettingName = keyof Settings
export type SettingSource = 'default' | 'file' | 'environment' | 'flag'

const defaults = {
  duration: `${defaultDurationMs}ms`,
  hertz: defaultHertz,
  mode: 'cpu',
  callGraph: 'auto',
  stat: false,
  native: false,
  format: ['svg', 'folded', 'json', 'pprof'],
  to: 'file:flamegraphs',
  uploadDeadline: '30s',
  spoolMaxBytes: '256MB',
  spoolMaxEntries: 100,
  customerIds: [],
  pause: false,
  alone: false,
  allowRemoteEval: false,
  force: false,
  json: false,
  debug: false,
  ...serveDefaults,
}

export interface Config {
  readonly settings: Settings
  /** Where each setting that has a value came from. */
  readonly sources: ReadonlyMap<string, SettingSource>
}

const environmentPrefix = 'SP_FLAMEGRAPH_'

/** The environment variable of a setting: `customerIds` → `SP_FLAMEGRAPH_CUSTOMER_IDS`. */
export function environmentNameOf(setting: string): string {
  return environmentPrefix + setting.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()
}

/**
 * Merges and checks the settings.
 *
 * @param file the parsed content of the configuration file, if one was named
 * @throws {ProfilerError} `SP_CONFIG_INVALID`, with every problem in the message
 */
export function readConfig(
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
  file: unknown = {},
): Config {
  const problems: string[] = []
  const values = new Map<string, unknown>()
  const sources = new Map<string, SettingSource>()
  const take = (source: SettingSource, entries: Iterable<readonly [string, unknown]>) => {
    for (const [name, value] of entries) {
      if (value === undefined) continue
      values.set(name, value)
      sources.set(name, source)
    }
  }
  take('default', Object.entries(defaults))
  if (typeof file !== 'object' || file === null || Array.isArray(file)) {
    problems.push('the configuration file is not a JSON object')
  } else {
    take('file', Object.entries(file))
  }
  take('environment', environmentSettings(environment, problems))
  take('flag', Object.entries(flags))

  const parsed = schema.safeParse(Object.fromEntries(values))
  for (const issue of parsed.error?.issues ?? []) {
    const name = String(issue.path[0] ?? '')
    const from = sources.get(name)
    // Of a key of a record, what is wrong with it stands within.
    const { message } = issue.code === 'invalid_key' ? issue.issues[0]! : issue
    problems.push(
      `${issue.path.join('.')}${from ? ` (${from})` : ''}: ${message}`.replace(/^: /, ''),
    )
  }
  if (parsed.success) {
    problems.push(...serveProblems(parsed.data), ...windowsProblems(parsed.data))
  }
  if (!parsed.success || problems.length > 0) {
    throw new ProfilerError('SP_CONFIG_INVALID', `Settings are wrong: ${problems.join('; ')}.`)
  }
  return { settings: Object.freeze(parsed.data), sources }
}

function* environmentSettings(
  environment: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Generator<readonly [string, unknown]> {
  const names = new Map(Object.keys(schema.shape).map(name => [environmentNameOf(name), name]))
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(environmentPrefix) || variable === configVariable) continue
    const name = names.get(variable)
    if (name === undefined) {
      problems.push(`${variable}: there is no such setting`)
    } else if (name === 'customerIds' || (name === 'clients' && value?.startsWith('{'))) {
      try {
        yield [name, JSON.parse(value ?? '')]
      } catch {
        problems.push(`${variable}: expected JSON`)
      }
    } else {
      yield [name, value]
    }
  }
}

/** Names the configuration file, as `--config` does. */
export const configVariable = 'SP_FLAMEGRAPH_CONFIG'
