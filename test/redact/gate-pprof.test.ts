import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ProfilerError } from '../../agent/errors.ts'
import { personalClasses } from '../../agent/redact/classes.ts'
import { gate } from '../../agent/redact/gate.ts'
import { random } from '../random.ts'
import { pass, policy, pprof } from './artefacts.ts'
import { inPlace, makeValue } from './corpus.ts'

function refusalOf(bytes: Uint8Array): ProfilerError {
  try {
    pass(bytes, 'pprof')
  } catch (error) {
    if (error instanceof ProfilerError && error.code === 'SP_REDACTION_REFUSED') return error
    throw error
  }
  throw new Error('the gate lets it pass')
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))]
}

function field(number: number, content: string | readonly number[]): Buffer {
  const bytes = Buffer.from(content as string)
  return Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes])
}

function numberField(number: number, value: number): Buffer {
  return Buffer.from([...varint(number * 8), ...varint(value)])
}

const message = gunzipSync(pprof)
const stringCount = 1000

/** Our profile, and more fields after it. */
function withFields(...fields: Buffer[]): Buffer {
  return gzipSync(Buffer.concat([message, ...fields]))
}

test('more strings, comments and labels pass', () => {
  pass(
    withFields(
      field(6, 'a comment'),
      field(13, [1, 2]),
      numberField(13, 3),
      field(2, [...field(3, [...numberField(1, 2), ...numberField(3, 99)])]),
    ),
    'pprof',
  )
})

test.for([
  [8, 2],
  [40, 10],
  [200, 16],
])('%i MB inside of a few KB have %i times the time of 4 MB, and no more', ([megabytes, times]) => {
  // Samples of nothing. The budget of 1 ms is over long before their end, and the refusal says what it was.
  const samples = Buffer.alloc((megabytes! << 20) - message.length, Buffer.from([0x12, 0]))
  const hurried = { ...policy, cpuBudgetMs: 1 }
  const bytes = withFields(samples)
  expect(bytes.length).toBeLessThan(1 << 20)
  expect(() => gate({ name: 'x', bytes, format: 'pprof' }, hurried)).toThrow(
    `takes more than ${times} ms`,
  )
})

describe('a value is refused', () => {
  test.for(personalClasses)('in the string table: %s', name => {
    const generator = random(4)
    for (let index = 0; index < 20; index++) {
      const value = makeValue(name, generator)
      const error = refusalOf(withFields(field(6, inPlace(name, value, index))))
      expect(error.facts).toMatchObject({
        class: expect.any(String),
        place: expect.stringMatching(/^string \d+$/),
      })
      expect(error.message).not.toContain(value)
    }
  })

  test.for([
    ['a field that the format does not have', field(16, '9876543210')],
    ['a field of numbers', field(9, '9876543210')],
    ['an unknown field of a function', field(5, [...field(6, '9876543210')])],
    ['an unknown field of a sample', field(2, [...field(9, '9876543210')])],
    ['a number with more bytes than it needs', Buffer.from([9 * 8, 0x81, 0x80, 0x00])],
    ['a fixed number', Buffer.from([9 * 8 + 1, ...Buffer.from('98765432')])],
    ['a group', Buffer.from([9 * 8 + 3])],
    ['a field that is cut', field(6, 'main').subarray(0, 4)],
    ['a string that is not UTF-8', field(6, [0xff, 0xfe])],
    ['a line of no file', field(4, [...field(4, [...numberField(2, 9876543210)])])],
  ])('in %s', ([, more]) => {
    refusalOf(withFields(more as Buffer))
  })

  test('in the number of a label whose key says so', () => {
    const strings = message.length
    expect(strings).toBeGreaterThan(0)
    const padding = Array.from({ length: stringCount }, () => field(6, 'mobile'))
    const labelled = field(2, [
      ...field(3, [...numberField(1, stringCount - 1), ...numberField(3, 9876543210)]),
    ])
    expect(refusalOf(withFields(...padding, labelled)).facts).toMatchObject({ class: 'mobile' })
  })

  test('in the gzip around it', () => {
    const named = Buffer.concat([
      Buffer.from([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3]),
      Buffer.from('9876543210\0'),
      pprof.subarray(10),
    ])
    expect(gunzipSync(named).equals(message)).toBe(true)
    refusalOf(named)
    refusalOf(Buffer.concat([pprof, Buffer.from('9876543210')]))
    refusalOf(Buffer.concat([pprof, gzipSync('9876543210')]))
    refusalOf(gzipSync(message).subarray(0, -1))
    refusalOf(Buffer.concat([pprof.subarray(0, -9), Buffer.from('9876543210'), pprof.subarray(-9)]))
  })

  test('and so is what is no pprof', () => {
    refusalOf(message)
    refusalOf(gzipSync(''))
    refusalOf(gzipSync('9876543210'))
  })

  test('and so is a bomb', () => {
    expect(refusalOf(gzipSync(Buffer.alloc(300 * 1024 * 1024))).message).toContain('unpack to more')
  })
})
