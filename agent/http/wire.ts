// What comes in and what goes out, as zod schemas: a body is checked by them, and
// the OpenAPI document is made of them, so the two cannot disagree.

import { z } from 'zod'
import { callGraphs, formats, modes, tools } from '../config.ts'
import { maxWindows } from '../config-windows.ts'
import { errorKinds } from '../errors.ts'

const seriesSeconds = z.number().min(0).max(86_400)

/** A series: the same process, captured several times. */
const windowsAsk = z
  .union(
    [
      z.number().int().min(1).max(maxWindows),
      z.array(seriesSeconds).min(2).max(maxWindows),
      z.strictObject({ count: z.number().int().min(1).max(maxWindows), every: seriesSeconds }),
      z.strictObject({ every: seriesSeconds, until: z.literal('stopped') }),
    ],
    'expected a number, a list of seconds, {count, every}, or {every, until: "stopped"}',
  )
  .describe(
    'How many, one after another; or when each begins, in seconds from the ask; or how many and ' +
      'how often; or how often until it is stopped (DELETE). Each is `seconds` long.',
  )

/** Digits for seconds, as in `record --duration`; the limits are those of config.ts, which checks again. */
export const captureAsk = z
  .strictObject({
    target: z
      .strictObject({ pid: z.number().int().min(1).max(4_194_304) })
      .optional()
      .describe('The process. Without it the only busy one is taken.'),
    mode: z.enum(modes).optional(),
    hertz: z.number().int().min(1).max(999).optional(),
    seconds: z.number().min(0.1).max(3600).optional(),
    tool: z.enum(tools).optional(),
    callGraph: z.enum(callGraphs).optional(),
    native: z.boolean().optional(),
    stat: z.boolean().optional(),
    pause: z.boolean().optional(),
    windows: windowsAsk.optional(),
    incident: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/)
      .optional(),
    formats: z.array(z.enum(formats)).min(1).max(formats.length).optional(),
    to: z
      .string()
      .max(1024)
      .regex(/^(?:file|s3|gs):[\u0020-\u007e\u00a0-\uffff]+$/, 'expected `file:DIR`, or a bucket')
      .optional()
      .describe('Where to publish. Over mTLS only at or below the destination of the daemon.'),
    publish: z
      .boolean()
      .optional()
      .describe('False: the files stay with the daemon, to be fetched from there.'),
  })
  .meta({ id: 'CaptureAsk' })
export type CaptureAsk = z.infer<typeof captureAsk>

const codes = Object.keys(errorKinds) as [keyof typeof errorKinds]

const fact = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])

/** https://www.rfc-editor.org/rfc/rfc9457 */
export const problem = z
  .object({
    type: z.string().describe('`about:blank`: the code says all'),
    title: z.string().describe('What happened'),
    status: z.number().int(),
    detail: z.string().describe('What to do about it'),
    code: z.enum(codes),
    facts: z.record(z.string(), fact).optional(),
  })
  .meta({ id: 'Problem' })
export type ProblemBody = z.infer<typeof problem>

const artefact = z.object({
  name: z.string(),
  bytes: z.number().int(),
  sha256: z.string(),
  href: z.string(),
})

export const captureView = z
  .object({
    id: z.string(),
    href: z.string(),
    state: z.enum(['queued', 'planning', 'capturing', 'publishing', 'finished', 'failed']),
    message: z.string().describe('What it said last, redacted'),
    isCancelled: z.boolean(),
    requester: z.string(),
    target: z.object({ pid: z.number().int() }),
    asked: z.object({
      mode: z.enum(modes),
      hertz: z.number(),
      seconds: z.number(),
      windows: windowsAsk.optional(),
      incident: z.string().optional(),
      to: z.string(),
    }),
    createdAt: z.iso.datetime(),
    beganAt: z.iso.datetime().optional(),
    endedAt: z.iso.datetime().optional(),
    live: z.unknown().optional().describe('Samples, rate, top frames and quality so far'),
    artefacts: z.array(artefact),
    receipt: z.unknown().optional().describe('Quality, verdict, redaction tally, place, manifest'),
    problem: problem.optional(),
  })
  .meta({ id: 'Capture' })
export type CaptureView = z.infer<typeof captureView>

export const captureList = z.object({ captures: z.array(captureView) })
export const targets = z.object({ targets: z.array(z.unknown()), to: z.string() })
export const diagnosis = z.object({
  us: z.unknown(),
  notes: z.array(z.string()),
  targets: z.array(z.unknown()),
})

export const captureId = z.object({ id: z.string().regex(/^[A-Za-z0-9-]{1,120}$/) })
export const artefactName = captureId.extend({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/),
})
export const doctorQuery = z.strictObject({
  pid: z.coerce.number().int().min(1).max(4_194_304).optional(),
  mode: z.enum(modes).optional(),
})

export const cancelQuery = z.strictObject({
  keep: z
    .enum(['true', 'false'])
    .optional()
    .describe('False: what was captured is discarded, unless it is published already.'),
})

/** Of the page's form, by which a browser gives the token. */
export const loginForm = z.strictObject({ token: z.string().min(1).max(200) })

// As a header may hold it, and a log: visible ASCII.
export const idempotencyKey = z.string().regex(/^[\x21-\x7e]{1,200}$/, 'expected visible ASCII')

/** Of the command that asks: another one may take what it was sent for something else. */
export const askerVersion = z.string().max(100)

/** Every way in which a value is wrong, in a sentence. */
export function wrongness(error: z.ZodError): string {
  return error.issues
    .slice(0, 20)
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`))
    .join('; ')
}

/** A JSON schema of each, for the OpenAPI document. */
export function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io,
    target: 'openapi-3.0',
    unrepresentable: 'any',
  })
  return rest
}
export type Schema = z.ZodType
