// Every route: who may, what it takes, what it answers, and what it does. The
// OpenAPI document is made of the same table.

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Role } from '../config-serve.ts'
import { type ErrorCode, ProfilerError } from '../errors.ts'
import { viewerScriptSha256 } from '../render/viewer.ts'
import type { Identity } from '../session/ask.ts'
import { isOver } from '../session/state.ts'
import { checkVersion, readAsk } from './ask.ts'
import { maxWatchers } from './events.ts'
import type { House } from './house-parts.ts'
import { pageHtml, pagePolicy } from './page.ts'
import { viewOf } from './view.ts'
import {
  artefactName,
  askerVersion,
  cancelQuery,
  captureAsk,
  captureId,
  captureList,
  captureView,
  diagnosis,
  doctorQuery,
  idempotencyKey,
  loginForm,
  type Schema,
  targets,
  wrongness,
} from './wire.ts'

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** With `:id` for what stands in the path. */
  readonly path: string
  readonly summary: string
  /** None: it says nothing that is not known already. */
  readonly role: Role | undefined
  readonly params?: Schema
  readonly query?: Schema
  readonly body?: Schema
  readonly headers?: Readonly<Record<string, Schema>>
  readonly answer: {
    readonly status: number
    readonly type: string
    readonly schema?: Schema
  }
  readonly errors: readonly ErrorCode[]
  handle(call: Call): unknown
}

export interface Call {
  readonly house: House
  readonly identity: Identity
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, unknown>>
  readonly body: unknown
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

const json = 'application/json'
const text = 'text/plain; version=0.0.4; charset=utf-8'

export const routes: readonly Route[] = [
  {
    method: 'GET',
    path: '/healthz',
    summary: 'That the daemon lives',
    role: undefined,
    answer: { status: 200, type: 'text/plain; charset=utf-8' },
    errors: [],
    handle: () => 'ok\n',
  },
  {
    method: 'GET',
    path: '/readyz',
    summary: 'That it takes captures',
    role: undefined,
    answer: { status: 200, type: 'text/plain; charset=utf-8' },
    errors: ['SP_DRAINING'],
    handle({ house }) {
      if (house.isDraining()) throw new ProfilerError('SP_DRAINING', 'the daemon is about to end')
      return 'ready\n'
    },
  },
  {
    method: 'GET',
    path: '/metrics',
    summary: 'What it did and what it costs, for Prometheus',
    role: 'viewer',
    answer: { status: 200, type: text },
    errors: [],
    handle: ({ house }) => house.metrics.print(),
  },
  {
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document',
    role: 'viewer',
    answer: { status: 200, type: json },
    errors: [],
    handle: ({ house }) => document(house.version),
  },
  {
    method: 'GET',
    path: '/',
    summary: 'The page: what runs, what is captured, what was',
    role: 'viewer',
    answer: { status: 200, type: 'text/html; charset=utf-8' },
    errors: [],
    handle({ reply }) {
      reply.header('content-security-policy', pagePolicy)
      return pageHtml
    },
  },
  {
    method: 'POST',
    path: '/login',
    summary:
      'Takes the token of a form, for a browser on loopback, and gives a cookie that may look',
    role: undefined,
    body: loginForm,
    answer: { status: 303, type: 'text/plain; charset=utf-8' },
    errors: ['SP_UNAUTHENTICATED', 'SP_REQUEST_TOO_LARGE', 'SP_MEDIA_TYPE'],
    handle({ house, body, reply }) {
      const { token } = loginForm.parse(body)
      reply.header('set-cookie', house.doorkeeper.cookieFor(token)).header('location', '/')
      return ''
    },
  },
  {
    method: 'GET',
    path: '/v1/targets',
    summary: 'Processes in the pod: runtime, version, and what would work',
    role: 'viewer',
    answer: { status: 200, type: json, schema: targets },
    errors: ['SP_NOT_SHARED', 'SP_QUEUE_FULL'],
    handle({ house, identity }) {
      if (identity.role !== 'viewer') house.sessions.expect()
      return house.targets(undefined)
    },
  },
  {
    method: 'GET',
    path: '/v1/doctor',
    summary: 'For each target and strategy: works, degraded, or blocked, and what to grant',
    role: 'viewer',
    query: doctorQuery,
    answer: { status: 200, type: json, schema: diagnosis },
    errors: ['SP_NOT_SHARED', 'SP_TARGET_GONE', 'SP_USAGE', 'SP_QUEUE_FULL'],
    handle: ({ house, query }) => house.doctor(query),
  },
  {
    method: 'GET',
    path: '/v1/captures',
    summary: 'Captures that are known, newest first',
    role: 'viewer',
    answer: { status: 200, type: json, schema: captureList },
    errors: [],
    handle: ({ house }) => ({
      captures: house.sessions.list().map(session => viewOf(session, house.liveOf(session.id))),
    }),
  },
  {
    method: 'POST',
    path: '/v1/captures',
    summary: 'Asks for a capture',
    role: 'capturer',
    body: captureAsk,
    headers: { 'idempotency-key': idempotencyKey, 'sp-flamegraph-version': askerVersion },
    answer: { status: 202, type: json, schema: captureView },
    errors: [
      'SP_CONFIG_INVALID',
      'SP_USAGE',
      'SP_TARGET_GONE',
      'SP_TARGET_AMBIGUOUS',
      'SP_NOT_SHARED',
      'SP_CAPTURE_RUNNING',
      'SP_IDEMPOTENCY_REUSED',
      'SP_QUEUE_FULL',
      'SP_SPOOL_FULL',
      'SP_OUTPUT_FAILED',
      'SP_DRAINING',
      'SP_VERSION_DIFFERS',
      'SP_REQUEST_TOO_LARGE',
      'SP_MEDIA_TYPE',
      'SP_FORBIDDEN',
      'SP_OUTPUT_FAILED',
    ],
    async handle({ house, identity, body, request, reply }) {
      checkVersion(request.headers['sp-flamegraph-version'], house.version)
      const key = request.headers['idempotency-key']
      const checked = idempotencyKey.optional().safeParse(key)
      if (!checked.success) {
        const why = `Idempotency-Key: ${wrongness(checked.error)}`
        throw new ProfilerError('SP_REQUEST_INVALID', why)
      }
      const wanted = captureAsk.parse(body)
      const given = checked.data === undefined ? undefined : { key: checked.data, body: wanted }
      // Asked again, it may be over and its target gone.
      const known = house.sessions.known(identity, given)
      // Begins beside the look for a target.
      if (known === undefined) house.sessions.expect()
      const session =
        known ??
        house.sessions.submit(await readAsk(wanted, house.settings, identity), identity, given)
      house.log.info(
        { capture: session.id, by: identity.name, role: identity.role },
        'capture asked',
      )
      const view = viewOf(session, house.liveOf(session.id))
      reply.header('location', view.href)
      return view
    },
  },
  {
    method: 'GET',
    path: '/v1/captures/:id',
    summary: 'State, progress, quality, verdict, receipt',
    role: 'viewer',
    params: captureId,
    answer: { status: 200, type: json, schema: captureView },
    errors: ['SP_CAPTURE_UNKNOWN'],
    handle: ({ house, params }) => viewOf(house.sessions.get(params.id!), house.liveOf(params.id!)),
  },
  {
    method: 'GET',
    path: '/v1/captures/:id/events',
    summary: 'Server-sent events: `state` as it changes, `live` once a second',
    role: 'viewer',
    params: captureId,
    answer: { status: 200, type: 'text/event-stream' },
    errors: ['SP_CAPTURE_UNKNOWN', 'SP_QUEUE_FULL'],
    handle({ house, params, reply }) {
      const session = house.sessions.get(params.id!)
      if (house.hub.watchers >= maxWatchers) {
        throw new ProfilerError('SP_QUEUE_FULL', `${maxWatchers} watch already`)
      }
      reply.hijack()
      for (const [name, value] of Object.entries(reply.getHeaders())) {
        if (value !== undefined) reply.raw.setHeader(name, value)
      }
      const view = viewOf(session, house.liveOf(session.id))
      house.hub.watch(session.id, reply.raw, view, isOver(session.state))
      return reply
    },
  },
  {
    method: 'GET',
    path: '/v1/captures/:id/live.svg',
    summary: 'The flame graph so far: redacted, and passed by the gate',
    role: 'viewer',
    params: captureId,
    answer: { status: 200, type: 'image/svg+xml' },
    errors: ['SP_CAPTURE_UNKNOWN'],
    async handle({ house, params, reply }) {
      const picture = await house.sessions.picture(params.id!)
      if (picture === undefined) {
        throw new ProfilerError('SP_CAPTURE_UNKNOWN', 'there is no picture of it now')
      }
      reply.header('content-security-policy', artefactPolicy)
      return picture
    },
  },
  {
    method: 'GET',
    path: '/v1/captures/:id/artefacts/:name',
    summary: 'A file of the capture: redacted, and passed by the gate',
    role: 'viewer',
    params: artefactName,
    answer: { status: 200, type: 'application/octet-stream' },
    errors: ['SP_CAPTURE_UNKNOWN'],
    handle({ house, params, reply }) {
      const { id, name } = params as { id: string; name: string }
      const file = house.sessions.artefact(id, name)
      if (file === undefined) {
        throw new ProfilerError('SP_CAPTURE_UNKNOWN', 'the capture has no such file')
      }
      reply
        .type(typeOf(name))
        .header('content-security-policy', artefactPolicy)
        .header('x-frame-options', 'SAMEORIGIN')
        .header('content-length', file.bytes)
      return file.stream()
    },
  },
  {
    method: 'DELETE',
    path: '/v1/captures/:id',
    summary: 'Ends it early; what it has is kept and published',
    role: 'capturer',
    params: captureId,
    query: cancelQuery,
    answer: { status: 202, type: json, schema: captureView },
    errors: ['SP_CAPTURE_UNKNOWN'],
    handle({ house, params, query, identity }) {
      const session = house.sessions.cancel(params.id!, query.keep !== 'false')
      house.log.info({ capture: session.id, by: identity.name }, 'capture cancelled')
      return viewOf(session, house.liveOf(session.id))
    },
  },
]

let made: Promise<object> | undefined

/** It takes a moment of a core, and is always the same. */
function document(version: string): Promise<object> {
  made ??= import('./openapi.ts').then(({ openApi }) => openApi(routes, version))
  return made
}

// The picture's own script may run, and nothing else: no origin of ours is lent to it.
const artefactPolicy = [
  'sandbox allow-scripts',
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  `script-src 'sha256-${viewerScriptSha256}'`,
  "frame-ancestors 'self'",
].join('; ')

const types: Readonly<Record<string, string>> = {
  svg: 'image/svg+xml',
  json: 'application/json',
  html: 'text/html; charset=utf-8',
  folded: 'text/plain; charset=utf-8',
  gz: 'application/gzip',
}

function typeOf(name: string): string {
  return types[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream'
}
