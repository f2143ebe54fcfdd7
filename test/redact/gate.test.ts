import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ProfilerError } from '../../agent/errors.ts'
import { printFolded } from '../../agent/profile/folded.ts'
import { printPprof } from '../../agent/profile/pprof-print.ts'
import { ProfileBuilder } from '../../agent/profile/profile.ts'
import { printSpeedscope } from '../../agent/profile/speedscope.ts'
import { personalClasses } from '../../agent/redact/classes.ts'
import { type ArtefactFormat, gate } from '../../agent/redact/gate.ts'
import { redactionPolicy } from '../../agent/redact/policy.ts'
import { redact } from '../../agent/redact/redact.ts'
import type { Redacted } from '../../agent/redact/redacted.ts'
import type { Page } from '../../agent/render/page.ts'
import { renderSvg } from '../../agent/render/svg.ts'
import { damaged, type Random, random } from '../random.ts'
import { folded, manifest, page, pass, policy, pprof, speedscope, svg } from './artefacts.ts'
import { encodedInPlace, encodings, inPlace, makeValue } from './corpus.ts'

const artefacts: readonly (readonly [ArtefactFormat, string | Uint8Array])[] = [
  ['svg', svg],
  ['folded', folded],
  ['json', manifest],
  ['manifest', manifest],
  ['speedscope', speedscope],
  ['pprof', pprof],
  ['text', 'Wide leaf. validate_card takes 92.1 %.\nPublished 5 files.\n'],
]

/** Why the gate refuses; fails when it does not. */
function refusalOf(act: () => unknown): ProfilerError {
  try {
    act()
  } catch (error) {
    if (error instanceof ProfilerError && error.code === 'SP_REDACTION_REFUSED') return error
    throw error
  }
  throw new Error('the gate lets it pass')
}

test('the gate shares the detectors with redaction, and no way of reading', () => {
  const folder = path.resolve(import.meta.dirname, '../../agent/redact')
  const gates = fs.readdirSync(folder).filter(file => file.startsWith('gate'))
  expect(gates.length).toBeGreaterThan(4)
  for (const file of gates) {
    const text = fs.readFileSync(path.join(folder, file), 'utf8')
    expect(text, file).not.toMatch(
      /from '\.\/(?:canonical|encoded-runs|find|redact|replacement)\.ts'/,
    )
  }
})

describe('what we make passes', () => {
  test.for(artefacts)('%s', ([format, artefact]) => {
    const bytes = Buffer.from(artefact)
    const passed = pass(bytes, format, `incidents/INC-20260425-1142/flame.${format}`)
    expect(Buffer.from(passed.bytes).equals(bytes)).toBe(true)
    expect(passed.sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
  })

  test('as it was looked at, whoever changes the original afterwards', () => {
    const bytes = Buffer.from('main 1\n')
    const passed = gate({ name: 'x', bytes, format: 'folded' }, policy)
    bytes.fill('9')
    expect(Buffer.from(passed.bytes).toString()).toBe('main 1\n')
  })
})

// The places of each format that can hold text: the artefact with the value in it.
const spoilt: readonly (readonly [
  string,
  ArtefactFormat,
  (value: string) => string | Uint8Array,
])[] = [
  ['a frame', 'folded', value => folded.replace('parse', `parse ${value}`)],
  ['a root', 'folded', value => `${value};main 1\n${folded}`],
  ['a frame of a diff', 'folded-diff', value => `main;pay ${value} 1 2\n`],
  ['a function of a diff', 'diff', value => JSON.stringify({ bySelf: [{ name: value }] })],
  ['a line', 'text', value => `Published.\n${value}\n`],
  ['a string', 'json', value => JSON.stringify({ a: [{ b: value }] })],
  ['a key', 'json', value => JSON.stringify({ a: { [value]: 1 } })],
  ['the first of two equal keys', 'json', value => `{"a":${JSON.stringify(value)},"a":1}`],
  [
    'a string in \\u escapes',
    'json',
    value =>
      `["${[...value].map(one => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"]`,
  ],
  ['a digest that is none', 'manifest', value => JSON.stringify({ sha256: value })],
  [
    'a frame',
    'speedscope',
    value => speedscope.replace('"parse"', JSON.stringify(`parse ${value}`)),
  ],
  ['the title', 'speedscope', value => speedscope.replaceAll('"shop"', JSON.stringify(value))],
]

describe('a value in the clear is refused', () => {
  for (const [place, format, spoil] of spoilt) {
    test.for(personalClasses)(`in ${place} of ${format}: %s`, name => {
      const generator = random(5)
      for (let index = 0; index < 20; index++) {
        const value = makeValue(name, generator)
        const text = inPlace(name, value, index).replaceAll(';', ',')
        const error = refusalOf(() => pass(spoil(text), format))
        expect(error.facts).toMatchObject({ place: expect.any(String), count: expect.any(Number) })
        expectSilence(error, value)
      }
    })
  }

  test('in the name of the file', () => {
    const error = refusalOf(() => pass('main 1\n', 'folded', 'flame-9876543210.folded'))
    expect(error.facts).toEqual({ class: 'mobile', place: 'the name of the file', count: 1 })
  })

  test('with all classes counted', () => {
    const error = refusalOf(() => pass('9876543210 ABCPK1234L\n9876543211\n', 'text'))
    expect(error.message).toContain('2 of class mobile, 1 of class in_pan; the first at line 1')
  })
})

describe('a hidden value is refused', () => {
  test.for(encodings)('$name', encoding => {
    const generator = random(6)
    for (const name of encoding.classes) {
      for (let index = 0; index < 20; index++) {
        const text = encodedInPlace(encoding, name, generator, index)
        refusalOf(() => pass(text, 'text'))
        refusalOf(() => pass(JSON.stringify([text]), 'json'))
      }
    }
  })

  test.for(['svg', 'folded', 'json', 'text', 'speedscope', 'manifest'] as const)(
    '%s of another encoding',
    format => {
      const text = artefacts.find(([one]) => one === format)![1] as string
      refusalOf(() => pass(Buffer.from(`\ufeff${text}`, 'utf16le'), format))
      refusalOf(() => pass(Buffer.from(text, 'utf16le'), format))
      refusalOf(() => pass(`\ufeff${text}`, format))
      refusalOf(() => pass(gzipSync(text), format))
      refusalOf(() => pass(Buffer.concat([Buffer.from(text), Buffer.from([0xff])]), format))
      refusalOf(() => pass(`${text}\u0000`, format))
    },
  )

  test('in characters that show nothing', () => {
    refusalOf(() => pass('handle\u{e0039}\u{e0038} 1\n', 'folded'))
  })
})

describe('folded', () => {
  test('a value cut between two frames is refused', () => {
    expect(refusalOf(() => pass('main;handle98765;43210 1\n', 'folded')).facts).toMatchObject({
      class: 'mobile',
      place: 'line 1, between frames 2 and 3',
    })
    refusalOf(() => pass('main;ABCPK;1234L 1\n', 'folded'))
    refusalOf(() => pass('main;aditi;@example.com 1\n', 'folded'))
  })

  test('its counts are of any size', () => {
    pass('main 9876543210\nmain;f 234123412346\nmain;g 4111111111111111.5\n', 'folded')
  })

  test.for(['main', 'main x', 'main 1e5', ' 1', 'a 1\n\nb 2', '# a comment'])(
    '%j is refused',
    line => {
      refusalOf(() => pass(`${line}\n`, 'folded'))
    },
  )
})

describe('folded with two counts', () => {
  test('passes, whatever its counts are', () => {
    pass('main 9876543210 0\nmain;a b 0 4111111111111111.5\n', 'folded-diff')
  })

  test('is looked at frame by frame, and between them', () => {
    refusalOf(() => pass('main;pay 9876543210 1 2\n', 'folded-diff'))
    refusalOf(() => pass('main;handle98765;43210 1 2\n', 'folded-diff'))
  })

  test.for(['main', 'main 1', 'main 1 x', 'main x 1', ' 1 2', '1 2', 'main 1 -2', 'main 1  2'])(
    '%j is refused',
    line => {
      refusalOf(() => pass(`${line}\n`, 'folded-diff'))
    },
  )
})

describe('JSON', () => {
  test.for([
    '',
    '{',
    '[1,]',
    '{"a":1,}',
    '{a:1}',
    "['a']",
    '[1] x',
    '[01]',
    '[1 2]',
    '{"a" 1}',
    '["\n"]',
    '["\\x39"]',
    '["a]',
    '// x\n[]',
    '[NaN]',
    '[]]',
    '['.repeat(100_000),
  ])('%j is refused', text => {
    refusalOf(() => pass(text, 'json'))
  })

  test.for([
    '0',
    '[]',
    '{}',
    '[[],{}]',
    ' { "a" : [ 1 , -2.5e-3 , true , null , "\\"\\u00e9" ] } \n',
    '"\\\\"',
  ])('%s passes', text => {
    pass(text, 'json')
  })

  test('a number is nobody’s, unless its key says so', () => {
    pass('{"weight":9876543210,"values":[234123412346,4111111111111111]}', 'json')
    expect(refusalOf(() => pass('{"x":[{"mobile":9876543210}]}', 'json')).facts).toEqual({
      class: 'mobile',
      place: 'key .x[0].mobile',
      count: 1,
    })
  })

  test('a place never says a hostile key', () => {
    const error = refusalOf(() => pass('{"user 9876543210":{"a":"98765 43211"}}', 'json'))
    expectSilence(error, '9876543210')
    expectSilence(error, '43211')
  })

  test('what is let through is read as JSON.parse reads it', () => {
    const generator = random(3)
    for (let round = 0; round < 3000; round++) {
      const text = damaged(Buffer.from(manifest), generator).toString('latin1')
      let isJson = true
      try {
        JSON.parse(text)
      } catch {
        isJson = false
      }
      if (!isJson) refusalOf(() => pass(Buffer.from(text), 'json'))
    }
  })
})

describe('limits', () => {
  test('more than 64 MB are refused unread', () => {
    const error = refusalOf(() => pass(Buffer.alloc(64 * 1024 * 1024 + 1), 'text'))
    expect(error.message).toContain('larger than 64 MB')
  })

  test('so is what takes too long', () => {
    const hurried = redactionPolicy({ cpuBudgetMs: 0 })
    const lines = Array.from({ length: 5000 }, (_, index) => `f${index}(&#1;) 1\n`).join('')
    const act = () => gate({ name: 'x', bytes: Buffer.from(lines), format: 'folded' }, hurried)
    expect(refusalOf(act).message).toContain('takes more than 0 ms')
  })

  test('a text that no name is', () => {
    const error = refusalOf(() => pass(`${'x'.repeat(3 * 1024 * 1024)} 1\n`, 'folded'))
    expect(error.message).toContain('a text of more than 2 MB')
  })

  test('a megabyte of anything is read to its end', () => {
    for (const piece of ['OTg3NjU0', 'a ', '&#97;', '\u0969', '"\\']) {
      pass(JSON.stringify(piece.repeat(1e6 / piece.length)), 'json')
    }
  })

  test('and nothing at all', () => {
    refusalOf(() => pass('', 'text'))
  })
})

test('whatever redaction leaves passes, in every format', () => {
  const generator = random(21)
  for (let round = 0; round < 60; round++) {
    const names = Array.from({ length: 40 }, () => hostileName(generator))
    const builder = new ProfileBuilder()
    const column = builder.column('cpu', 'samples')
    for (const name of names) {
      const kind = generator.pick(['native', 'jit', 'kernel', 'thread'] as const)
      const [module, file] = [generator.pick(names), generator.pick(names)]
      builder.add(builder.stack(-1, builder.frame({ name, kind, module, file })), column, 5)
    }
    const { profile } = redact(builder.build(), {}, policy)
    const { profile: words } = redact(builder.build(), page, policy)
    pass(renderSvg(words, page as Redacted<Page>), 'svg')
    pass(Buffer.concat([...printFolded(profile)]), 'folded')
    pass(Buffer.concat([...printSpeedscope(profile)]), 'speedscope')
    pass(printPprof(profile), 'pprof')
    pass(JSON.stringify(profile.frames), 'json')
  }
})

/** Pieces of values, of what hides them and of what stands around them, in any order. */
function hostileName(generator: Random): string {
  if (generator.integer(4) === 0) {
    const encoding = generator.pick(encodings)
    return encodedInPlace(
      encoding,
      generator.pick(encoding.classes),
      generator,
      generator.integer(99),
    )
  }
  const length = 1 + generator.integer(9)
  return Array.from({ length }, () => generator.pick(pieces)).join('')
}

const pieces =
  '9 98 765 43210 9876543210 2341 4111 1111 - . _ / : ( ) +91 pan PAN ABCPK 1234 L abcpk1234l @ aditi example.com [at] _40_ %39 % &#57; & amp; ; \\u0039 \\x39 \\ \u200b \u00ad \u096f \u0410 \u00e9 \u0301 \u2026 .. x xxxx **** 0x 7f h :: eyJhbGciOiJIUzI1NiJ9 cust_ AbCdEfGhIjKl12 /home/ C:\\Users\\ [mobile:123456] \n \t \u0000 \ud835 \udfd7 \u{1f525} aadhaar mobile OTg3NjU0MzIxMA 3938 = < > " \' , \u{e0039} \ufdfa \u2460 [ ] { } tel pid 2026-04-25 QUJDUEsx'
    .split(' ')
    .concat(' ')

test('damaged artefacts are refused or have no value in them', () => {
  const generator = random(11)
  for (let round = 0; round < 600; round++) {
    const [format, artefact] = generator.pick(artefacts)
    const bytes = damaged(Buffer.from(artefact), generator)
    const at = generator.integer(bytes.length + 1)
    const spoilt = Buffer.concat([
      bytes.subarray(0, at),
      Buffer.from(' aditi@example.com '),
      bytes.subarray(at),
    ])
    refusalOf(() => pass(spoilt, format))
    try {
      pass(bytes, format)
    } catch (error) {
      expect(error).toMatchObject({ code: 'SP_REDACTION_REFUSED' })
    }
  }
})

/** No part of an error tells the value. */
function expectSilence(error: ProfilerError, value: string): void {
  const told = `${error.message} ${JSON.stringify(error.facts)} ${error.stack} ${error.cause ?? ''}`
  expect(told.includes(value)).toBe(false)
}
