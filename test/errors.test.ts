import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ErrorCode, errorKinds, ProfilerError } from '../agent/errors.ts'

const root = path.resolve(import.meta.dirname, '..')
const codes = Object.keys(errorKinds) as ErrorCode[]

describe('the table of errors', () => {
  test('and the Troubleshooting of the README name the same codes', () => {
    const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8')
    const section = readme.slice(readme.indexOf('## Troubleshooting'))
    const named = [...section.matchAll(/`(SP_[A-Z_]+)`/g)].map(match => match[1]!)
    expect([...new Set(named)].sort()).toEqual([...codes].sort())
  })

  test('has no code that nothing throws', () => {
    const sources = fs
      .readdirSync(path.join(root, 'agent'), { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.ts') && file !== 'errors.ts')
      .map(file => fs.readFileSync(path.join(root, 'agent', file), 'utf8'))
      .join('\n')
    expect(codes.filter(code => !sources.includes(`'${code}'`))).toEqual([])
  })

  test.for(codes)('%s has a hint that is a sentence', code => {
    expect(errorKinds[code].hint).toMatch(/^[A-Z][^\n]+[.]$/)
  })
})

test('an error carries its hint, exit code and facts', () => {
  const error = new ProfilerError('SP_TARGET_GONE', 'there is no process 7', { facts: { pid: 7 } })
  expect(error).toMatchObject({ code: 'SP_TARGET_GONE', exit: 5, status: 404, facts: { pid: 7 } })
  expect(error.hint).toBe(errorKinds.SP_TARGET_GONE.hint)
})
