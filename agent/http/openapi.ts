// The OpenAPI document, of the routes and their schemas.
//
// https://spec.openapis.org/oas/v3.0.3

import { errorKinds } from '../errors.ts'
import { problemType } from './problems.ts'
import type { Route } from './routes.ts'
import { jsonSchema, problem } from './wire.ts'

// What any route may answer, whatever it is asked.
const anyTime = ['SP_REQUEST_INVALID', 'SP_INTERNAL'] as const
const whereGuarded = ['SP_UNAUTHENTICATED', 'SP_FORBIDDEN'] as const

export function openApi(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) }
  }
  return {
    openapi: '3.0.3',
    info: { title: 'sp-flamegraph', version, license: { name: 'Apache-2.0' } },
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'On loopback and the unix socket' },
      },
    },
    security: [{ token: [] }],
  }
}

function operation(route: Route): object {
  const { summary, role, body, answer, params, query, headers = [] } = route
  return {
    summary,
    ...(role === undefined ? { security: [] } : { description: `For a ${role} and above.` }),
    parameters: [
      ...parameters(params, 'path'),
      ...parameters(query, 'query'),
      ...headers.map(name => ({ name, in: 'header', schema: { type: 'string' } })),
    ],
    ...(body !== undefined && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: jsonSchema(body, 'input') } },
      },
    }),
    responses: {
      [answer.status]: {
        description: summary,
        content: {
          [answer.type.split(';')[0]!]: {
            schema: answer.schema === undefined ? {} : jsonSchema(answer.schema, 'output'),
          },
        },
      },
      ...problems(route),
    },
  }
}

/** By status: several codes share one. */
function problems({ role, errors }: Route): Record<string, object> {
  const codes = [...anyTime, ...(role === undefined ? [] : whereGuarded), ...errors]
  const byStatus = Map.groupBy(new Set(codes), code => errorKinds[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, all]) => [
      status,
      {
        description: all.join(', '),
        content: { [problemType]: { schema: jsonSchema(problem, 'output') } },
      },
    ]),
  )
}

function parameters(schema: Route['params'], where: 'path' | 'query'): object[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, object>
    required?: string[]
  }
  return Object.entries(properties).map(([name, each]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    schema: each,
  }))
}
