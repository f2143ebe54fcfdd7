import { describe, expect, test } from 'vitest'
import { canonical } from '../../agent/redact/canonical.ts'
import { encodedRuns } from '../../agent/redact/encoded-runs.ts'
import { random } from '../random.ts'

describe('the canonical view', () => {
  test.for([
    ['&#57;&#x38;', '98'],
    ['&amp;#57;', '9'],
    ['%39%2538', '98'],
    ['%E0%A5%AF', '9'],
    ['\\u0039\\x38\\067', '987'],
    ['\\xe0\\xa5\\xaf', '9'],
    ['\\u{1D7D7}', '9'],
    ['९८७', '987'],
    ['９８７', '987'],
    ['9\u200b8\u00ad7\u0336', '987'],
    ['АВСРК', 'ABCPK'],
    ['🅐🅑', 'AB'],
    ['1\u20132\u00a03\u00b74', '1-2 3.4'],
    ['aditi&commat;example', 'aditi@example'],
    ['$u39$8$u40$7$SP$6', '98@7@6'],
    ['aditi_00040example_0002ecom', 'aditi@example.com'],
    ['=39=38=40', '98@'],
    ['98765=343210', '9876543210'],
    ['f(=39876543210)', 'f(9876543210)'],
    ['98765\u001b[0m43210', '9876543210'],
    ['98765\\x1b[1;31m43210', '9876543210'],
  ])('of %s is %s', ([text, view]) => {
    expect(canonical(text!)?.text).toBe(view)
  })

  test.for([
    'std::vector<int>&&',
    'a && b',
    '100%',
    'C:\\temp',
    'operator%=',
    'n[1]',
    'x'.repeat(1000),
  ])('of %s is the text itself', text => {
    expect(canonical(text)).toBeUndefined()
  })

  test.for(['n=39876543210', 'run_00039876543210', 'Foo$u'])('of %s undoes nothing', text => {
    expect(canonical(text)?.text ?? text).toBe(text)
  })

  test('has for each character where it came from', () => {
    const text = 'a&#57;\u200b%39z'
    const view = canonical(text)!
    const ranges = view.from.map((from, index) => text.slice(from, view.to[index]!))
    expect(ranges).toEqual(['a', '&#57;', '%39', 'z'])
  })

  test('keeps its ranges in order and inside the text, whatever the text', () => {
    const { integer, pick } = random(7)
    const parts = [
      '&#',
      '57;',
      '&amp;',
      '%3',
      '9',
      '\\u00',
      '39',
      '\\x',
      '\ud835',
      '\udfd7',
      'é',
      '\u0301',
      'ﷺ',
      '\u0000',
      '…',
    ]
    for (let round = 0; round < 2000; round++) {
      const text = Array.from({ length: integer(12) }, () => pick(parts)).join('')
      const view = canonical(text)
      if (view === undefined) continue
      expect(view.from.length).toBe(view.text.length)
      let last = 0
      for (const [index, from] of view.from.entries()) {
        expect(from).toBeGreaterThanOrEqual(last)
        expect(view.to[index]!).toBeGreaterThan(from)
        expect(view.to[index]!).toBeLessThanOrEqual(text.length)
        last = from
      }
    }
  })
})

describe('an encoded run', () => {
  const value = 'pan ABCPK1234L'

  test.for([
    ['base64', Buffer.from(value).toString('base64')],
    ['base64url', Buffer.from(value).toString('base64url')],
    ['hex', Buffer.from(value).toString('hex')],
  ])('of %s is decoded, wherever it begins', ([, encoded]) => {
    for (const before of ['', 'x', 'xy', 'xyz', 'user_', '(']) {
      const runs = encodedRuns(`${before}${encoded})`)
      const run = runs.find(({ decoded }) => decoded.endsWith(value))
      expect(run?.end).toBe(before.length + encoded!.length)
    }
  })

  test('is not what a long name decodes to', () => {
    for (const name of [
      'java.util.concurrent.ThreadPoolExecutor',
      'v8::internal::HeapObject::SizeFromMap',
      'ext4_mballoc_prefetch_groups_count',
    ]) {
      expect(encodedRuns(name)).toEqual([])
    }
  })
})
