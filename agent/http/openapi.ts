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
  const named = new Map<string, object>()
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, named) }
  }
  return {
    openapi: '3.0.3',
    info: { title: 'sp-flamegraph', version, license: { name: 'Apache-2.0' } },
    paths,
    components: {
      schemas: Object.fromEntries(named),
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'On loopback and the unix socket' },
      },
    },
    security: [{ token: [] }],
  }
}

function operation(route: Route, named: Map<string, object>): object {
  const { summary, role, body, answer, params, query, headers = {} } = route
  return {
    summary,
    ...(role === undefined ? { security: [] } : { description: `For a ${role} and above.` }),
    parameters: [
      ...parameters(params, 'path'),
      ...parameters(query, 'query'),
      ...Object.entries(headers).map(([name, schema]) => ({
        name,
        in: 'header',
        schema: jsonSchema(schema, 'input'),
      })),
    ],
    ...(body !== undefined && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: hoisted(jsonSchema(body, 'input'), named) } },
      },
    }),
    responses: {
      [answer.status]: {
        description: summary,
        content: {
          [answer.type.split(';')[0]!]: {
            schema:
              answer.schema === undefined
                ? {}
                : hoisted(jsonSchema(answer.schema, 'output'), named),
          },
        },
      },
      ...problems(route, named),
    },
  }
}

/** By status: several codes share one. */
function problems({ role, errors }: Route, named: Map<string, object>): Record<string, object> {
  const codes = [...anyTime, ...(role === undefined ? [] : whereGuarded), ...errors]
  const byStatus = Map.groupBy(new Set(codes), code => errorKinds[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, all]) => [
      status,
      {
        description: all.join(', '),
        content: { [problemType]: { schema: hoisted(jsonSchema(problem, 'output'), named) } },
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

/** zod keeps what has a name beside each schema; OpenAPI has one place for all of them. */
function hoisted(schema: object, named: Map<string, object>): object {
  const { definitions = {}, ...rest } = schema as { definitions?: Record<string, object> }
  const inPlace = (each: object): object => {
    return JSON.parse(JSON.stringify(each).replaceAll('"#/definitions/', '"#/components/schemas/'))
  }
  for (const [name, each] of Object.entries(definitions)) named.set(name, inPlace(each))
  return inPlace(rest)
}
