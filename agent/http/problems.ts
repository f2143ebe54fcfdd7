// Errors as answers: RFC 9457 problem details with our codes.

import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { errorKinds, ProfilerError } from '../errors.ts'
import { log } from '../log.ts'
import type { Problem } from '../session/state.ts'
import { isTls } from './authorize.ts'
import { loginHtml, pagePolicy } from './page.ts'
import type { ProblemBody } from './wire.ts'

export const problemType = 'application/problem+json'

// When the next try has a chance: the shortest capture that people ask for.
const retryAfterSeconds = 5

export function bodyOf({ code, message, hint, facts }: Problem): ProblemBody {
  const known = code as keyof typeof errorKinds
  const hasFacts = Object.keys(facts).length > 0
  return {
    type: 'about:blank',
    title: message,
    status: errorKinds[known].status,
    detail: hint,
    code: known,
    ...(hasFacts && { facts: mutable(facts) }),
  }
}

/** The error handler of the server. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const known = asOurs(error)
  if (known.code === 'SP_INTERNAL') log.error({ err: error, requestId: request.id }, 'our fault')
  // What went wrong inside is for the log: a message may hold anything.
  const { message } =
    known.code === 'SP_INTERNAL' ? { message: 'something went wrong here' } : known
  if (known.status === 429 || known.status === 503) {
    reply.header('retry-after', String(retryAfterSeconds))
  }
  if (known.status === 401) reply.header('www-authenticate', 'Bearer')
  // A browser that has no token yet is asked for it.
  const isPage = request.url === '/' && request.headers.accept?.includes('text/html') === true
  if (known.status === 401 && isPage && !isTls(request.raw.socket)) {
    reply.code(401).type('text/html; charset=utf-8').header('content-security-policy', pagePolicy)
    reply.send(loginHtml)
    return
  }
  reply
    .code(known.status)
    .type(problemType)
    .send(JSON.stringify(bodyOf({ ...describe(known), message })))
}

function describe({ code, message, hint, facts }: ProfilerError): Problem {
  return { code, message, hint, facts }
}

const fastifyCodes: ReadonlyMap<
  string,
  readonly ['SP_REQUEST_TOO_LARGE' | 'SP_MEDIA_TYPE', string]
> = new Map([
  ['FST_ERR_CTP_BODY_TOO_LARGE', ['SP_REQUEST_TOO_LARGE', 'the body is too large']],
  ['FST_ERR_CTP_INVALID_MEDIA_TYPE', ['SP_MEDIA_TYPE', 'the body is not JSON']],
])

function asOurs(error: unknown): ProfilerError {
  if (error instanceof ProfilerError) return error
  const { code, statusCode = 500 } = error as Partial<FastifyError>
  const [ours, message] = fastifyCodes.get(code ?? '') ?? []
  if (ours !== undefined) return new ProfilerError(ours, message!, { cause: error })
  if (statusCode < 500) {
    const what =
      code === undefined ? 'the request is malformed' : `the request is refused (${code})`
    return new ProfilerError('SP_REQUEST_INVALID', what, { cause: error })
  }
  return new ProfilerError('SP_INTERNAL', String(error), { cause: error })
}

function mutable(facts: Problem['facts']): NonNullable<ProblemBody['facts']> {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [
      name,
      typeof value === 'object' ? [...value] : value,
    ]),
  )
}
