// The settings of `serve` alone: what the daemon listens on, whom it lets in, and
// what it may use. Part of the one schema in config.ts, which checks them with the rest.

import { z } from 'zod'

export const roles = ['viewer', 'capturer', 'admin'] as const
export type Role = (typeof roles)[number]

/** Host and port, an IPv6 host in brackets: `127.0.0.1:6110`, `[::]:6443`. */
const address = z
  .string()
  .regex(/^(?:[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]):\d{1,5}$/, 'expected HOST:PORT')
  .refine(value => Number(value.slice(value.lastIndexOf(':') + 1)) <= 65_535, 'no such port')

const file = z.string().min(1).max(4096)

// As a certificate's SAN says it. No comma and no quote: Node joins them by these, and a name that
// holds one could pass for two.
const identity = /^(?:URI|DNS):[A-Za-z0-9._~:/?#[\]@!$&()*+;=%-]{1,400}$/

/** `{"URI:spiffe://x/y": "capturer"}`, or as a flag `URI:spiffe://x/y=capturer`, commas between. */
const clients = z.preprocess(
  value =>
    typeof value === 'string'
      ? Object.fromEntries(
          value.split(',').map(each => {
            const at = each.lastIndexOf('=')
            return [each.slice(0, at).trim(), each.slice(at + 1).trim()]
          }),
        )
      : value,
  z.record(
    z.string().regex(identity, 'expected `URI:…=ROLE` or `DNS:…=ROLE`'),
    z.enum(roles, `expected a role: ${roles.join(', ')}`),
  ),
)

/** A moment: `2026-11-25T12:00:00Z`, or a duration from now on: `90m`, `4h`. */
const until = z.string().transform((value, context) => {
  const match = /^(\d{1,5})(s|m|h)$/.exec(value)
  const unit = { s: 1000, m: 60_000, h: 3_600_000 }
  const atMs =
    match === null
      ? /^\d{4}-\d\d-\d\dT/.test(value)
        ? Date.parse(value)
        : Number.NaN
      : Date.now() + Number(match[1]) * unit[match[2] as keyof typeof unit]
  if (atMs > Date.now()) return atMs
  context.addIssue('expected a time to come: 2026-11-25T12:00:00Z, or 90m')
  return z.NEVER
})

const seconds = z.coerce.number().int().min(1).max(3600)
const megabytes = z.coerce.number().int().min(16).max(1_048_576)

export const serveShape = {
  listen: z.union([z.literal('off'), address]),
  socket: file.optional(),
  state: file.optional(),
  tlsListen: address.optional(),
  tlsCert: file.optional(),
  tlsKey: file.optional(),
  tlsCa: file.optional(),
  tlsMin: z.enum(['1.2', '1.3']),
  clients,
  until: until.optional(),
  /** It ends when the first capture is over, and what it gave is sent. */
  once: z.preprocess(value => (value === 'true' || value === '1' ? true : value), z.boolean()),
  /** The flight recorder: of which process, or of the only busy one. */
  recorder: z.union(
    [z.enum(['off', 'busy']), z.coerce.number().int().min(1).max(4_194_304)],
    'expected `busy`, `off` or a PID',
  ),
  /** Seconds from SIGTERM to the end, whatever still runs. */
  grace: seconds,
  /** Captures that wait for their turn. */
  queue: z.coerce.number().int().min(0).max(1000),
  /** Captures at once; by default as many as the cores and the memory allow. */
  slots: z.coerce.number().int().min(1).max(64).optional(),
  /** What one capture may use before it is ended: of memory, and of one core in percent. */
  maxMemory: megabytes,
  maxCpu: z.coerce.number().int().min(1).max(6400),
  /** What finished captures may take on the disk; the oldest go first. */
  maxDisk: megabytes,
}

export const serveDefaults = {
  listen: '127.0.0.1:6110',
  tlsMin: '1.3',
  clients: {},
  recorder: 'off',
  once: false,
  // A pod has 30 s by default.
  grace: 25,
  queue: 16,
  // Naming a large target takes 300 MB at its peak; what takes more has run away.
  maxMemory: 768,
  // Reading a 999 Hz capture takes 5 % of a core, naming and drawing it two seconds of one.
  maxCpu: 150,
  maxDisk: 256,
}

interface ServeSettings {
  readonly tlsListen?: string | undefined
  readonly tlsCert?: string | undefined
  readonly tlsKey?: string | undefined
  readonly tlsCa?: string | undefined
  readonly clients: Readonly<Record<string, string>>
}

/** What is wrong with settings that are each right. */
export function* serveProblems(settings: ServeSettings): Generator<string> {
  const { tlsListen, clients } = settings
  const files = ['tlsCert', 'tlsKey', 'tlsCa'] as const
  if (tlsListen === undefined) {
    for (const name of files) {
      if (settings[name] !== undefined) yield `${name}: there is no tlsListen that would use it`
    }
    return
  }
  for (const name of files) {
    if (settings[name] === undefined) yield `${name}: tlsListen needs it`
  }
  if (Object.keys(clients).length === 0) {
    yield 'clients: tlsListen lets nobody in without one: `URI:spiffe://…=viewer`'
  }
}
