// What the OpenAPI document promises, held against what the daemon answers.
// schemathesis asks much more; this is what must not come undone.

import { expect, test } from 'vitest'
import { startDaemon } from './daemon.ts'

// biome-ignore lint/suspicious/noExplicitAny: a document, looked at here and there
type Document = any

test('every answer is one that the document has, of the type that it says', async () => {
  const daemon = await startDaemon()
  const document: Document = (await daemon.ask('GET', '/openapi.json')).json
  const operations = Object.entries<Document>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Document>(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  expect(operations.length).toBeGreaterThan(10)
  for (const { path, method, operation } of operations) {
    const target = path.replace('{id}', 'abc').replaceAll(/\{\w+\}/g, 'flame.svg')
    const body = operation.requestBody === undefined ? {} : { body: {} }
    for (const how of [{}, { token: '' }, { headers: { host: 'attacker.example' } }]) {
      const answer = await daemon.ask(method.toUpperCase(), target, { ...how, ...body })
      const said = operation.responses[answer.status]
      expect(said, `${method} ${path} answered ${answer.status}`).toBeDefined()
      expect(answer.status).toBeLessThan(500)
      const [type] = (answer.headers['content-type'] ?? '').split(';')
      expect(Object.keys(said.content)).toContain(type)
      expect(answer.headers['x-content-type-options']).toBe('nosniff')
      if (answer.status >= 400) expect(answer.json.code).toMatch(/^SP_/)
    }
  }
  // Each reference leads somewhere.
  for (const [, name] of JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)) {
    expect(name).toMatch(/^#\/components\/schemas\//)
    expect(document.components.schemas).toHaveProperty(name!.split('/').at(-1)!)
  }
})
