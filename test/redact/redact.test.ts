import { describe, expect, test } from 'vitest'
import { type Frame, ProfileBuilder } from '../../agent/profile/profile.ts'
import { type PersonalClass, personalClasses } from '../../agent/redact/classes.ts'
import { gate } from '../../agent/redact/gate.ts'
import { redactionPolicy } from '../../agent/redact/policy.ts'
import { redact, redactText } from '../../agent/redact/redact.ts'
import { random } from '../random.ts'
import { folded, hostileNames, stacks } from '../stacks.ts'
import { encodedInPlace, encodings, inPlace, makeValue } from './corpus.ts'
import { realNames } from './symbols.ts'

const policy = redactionPolicy({ key: Buffer.alloc(32, 7) })
const safe = (text: string) => redactText(text, policy).text

function profileOf(frame: Frame) {
  const builder = new ProfileBuilder()
  builder.add(builder.stack(-1, builder.frame(frame)), builder.column('cpu', 'samples'), 1)
  return builder.build()
}

describe('a replacement', () => {
  test('says the class, and nothing of the value', () => {
    expect(safe('handle(9876543210)')).toMatch(/^handle\(\[mobile:[0-9a-f]{6}\]\)$/)
  })

  test('is the same for the same value, however it is written', () => {
    const ways = [
      '9876543210',
      '98765 43210',
      '+91-9876543210',
      '9&#56;76543210',
      '९८७६५४३२१०',
      'OTg3NjU0MzIxMA',
    ]
    expect(new Set(ways.map(safe)).size).toBe(1)
  })

  test('differs by value, and by key', () => {
    const other = redactionPolicy()
    expect(safe('9876543210')).not.toBe(safe('9876543211'))
    expect(safe('9876543210')).not.toBe(redactText('9876543210', other).text)
  })

  test('is left as it is by a second pass', () => {
    const text = 'f([mobile:987654] 12345 67890, [aadhaar:234123] 123456789012, [in_pan:abcde1])'
    expect(safe(text)).toBe(text)
  })

  test('keeps equal frames equal', () => {
    const profile = stacks(`
      main;handle(9876543210);parse       3
      main;handle(98765 43210);parse      4
    `)
    const lines = folded(redact(profile, {}, policy).profile)
      .trim()
      .split('\n')
    expect(lines).toEqual([
      expect.stringMatching(/^main;handle\(\[mobile:[0-9a-f]{6}\]\);parse 7$/),
    ])
  })

  test('stands for the whole of a text that is nothing but values', () => {
    const { text, found } = redactText('9876543210 '.repeat(5000), policy)
    expect(text).toMatch(/^\[mobile:[0-9a-f]{6}\]$/)
    expect(found).toHaveLength(1)
  })
})

test('a frame without a value is left as it is, and is no copy', () => {
  const profile = stacks('main;handle(9876543210);parse 1')
  const { frames } = redact(profile, {}, policy).profile
  expect(frames.map((frame, index) => frame === profile.frames[index])).toEqual([true, false, true])
})

describe('every string of a profile', () => {
  const number = '9876543210'
  const frame: Frame = {
    name: `handle(${number})`,
    kind: 'jit',
    module: `/srv/${number}/lib.so`,
    file: `/home/aditi/${number}.py`,
    line: 12,
  }

  test('of a frame', () => {
    const [redacted] = redact(profileOf(frame), {}, policy).profile.frames
    expect(JSON.stringify(redacted)).not.toMatch(/9876543210|aditi/)
    expect(redacted).toMatchObject({ kind: 'jit', line: 12 })
    expect(redacted!.file).toMatch(/^\/home\/\[user_path:\w{6}\]\/\[mobile:\w{6}\]\.py$/)
  })

  test('of columns, notes and loss', () => {
    const builder = new ProfileBuilder()
    builder.column(`probe:${number}`, 'samples')
    builder.lose(`of ${number}`, 1)
    builder.lose('of 98765 43210', 2)
    builder.note(`Lost ${number}.`)
    const { profile } = redact(builder.build(), {}, policy)
    expect(JSON.stringify([profile.columns, [...profile.loss], profile.notes])).not.toMatch(/98765/)
    expect([...profile.loss.values()]).toEqual([3])
  })

  test('of the texts around it, keys and all', () => {
    const texts = {
      title: `shop ${number}`,
      tags: new Map([[`user ${number}`, [number, 5, true, undefined]]]),
      [`by ${number}`]: { deep: [number] },
    }
    const { texts: redacted } = redact(profileOf(frame), texts, policy)
    expect(JSON.stringify([redacted, [...redacted.tags]])).not.toContain(number)
    expect([...redacted.tags.values()][0]).toHaveLength(4)
  })

  test('or it is an error', () => {
    expect(() => redact(profileOf(frame), { at: new Date() }, policy)).toThrow('neither text')
  })

  test('an address, and a line that no file has, are dropped', () => {
    const module = {
      kind: 'file',
      path: `/srv/${number}`,
      pid: 1,
      start: 0,
      end: 1,
      fileOffset: 0,
    } as const
    const address = { module, value: 5, isReturn: false }
    const { frames } = redact(
      profileOf({ ...frame, line: Number(number), address }),
      {},
      policy,
    ).profile
    expect(frames[0]).not.toHaveProperty('address')
    expect(frames[0]).not.toHaveProperty('line')
  })

  test('a thread whose name the kernel cut', () => {
    const thread = (name: string) =>
      redact(profileOf({ name, kind: 'thread' }), {}, policy).profile.frames[0]!.name
    expect(thread('aditi.s@example')).toMatch(/^\[email:\w{6}\]$/)
    expect(thread('card 4111111111')).toMatch(/^card \[mobile:\w{6}\]$/)
    expect(thread('kworker/u16:3-e')).toBe('kworker/u16:3-e')
  })

  test('tag characters, which show nothing, are dropped', () => {
    const hidden = [...number]
      .map(digit => String.fromCodePoint(0xe0000 + digit.charCodeAt(0)))
      .join('')
    expect(safe(`handle${hidden}`)).toBe('handle')
    const { frames } = redact(profileOf({ name: hidden, kind: 'native' }), {}, policy).profile
    expect(frames[0]!.name).toBe('[unknown]')
  })

  test('what no artefact can hold as it is becomes what it can', () => {
    expect(safe('a\tb\r\nc\u0000d\ud800e')).toBe('a b c\ufffdd\ufffde')
    expect(safe('98765\n43210\u0000')).toMatch(/^\[mobile:\w{6}\]/)
    expect(safe('98765\u000143210')).toMatch(/^\[mobile:\w{6}\]$/)
  })

  test('the colours of a terminal, which show nothing here, are dropped', () => {
    expect(safe('\u001b[1;31mhandle\u001b[0m')).toBe('handle')
    expect(safe('98765\u001b[0m43210')).toMatch(/^\[mobile:\w{6}\]$/)
  })

  test('a text of megabytes is cut, and so is the value at the cut', () => {
    const text = safe(`${'x'.repeat(1024 * 1024 - 8)}9876543210 and more`)
    expect(text).toMatch(/x\[mobile:\w{6}\]…$/)
    expect(text.length).toBeLessThan(1024 * 1024 + 32)
  })

  test.for(hostileNames)('a hostile name is a name: %s', name => {
    const { frames } = redact(profileOf({ name, kind: 'native' }), {}, policy).profile
    expect(frames[0]!.name).toBe(name)
  })
})

test('the tally counts distinct values and changed frames by class', () => {
  const profile = stacks(`
    main;handle(9876543210)                          1
    main;handle(98765-43210);pay(4111111111111111)   1
    main;handle(9876543211,ABCPK1234L)               1
  `)
  const { tally } = redact(profile, { title: '9876543212' }, policy)
  expect([...tally]).toEqual([
    ['mobile', { values: 4 - 1, frames: 3 }],
    ['card', { values: 1, frames: 1 }],
    ['in_pan', { values: 1, frames: 1 }],
  ])
})

// The figures of redaction.md §B6.
describe('a thousand values of each class, in names', () => {
  test.for(personalClasses)('%s: every one is found, and nothing of it is left', name => {
    const generator = random(personalClasses.indexOf(name) + 1)
    const missed: string[] = []
    for (let index = 0; index < 1000; index++) {
      const value = makeValue(name, generator)
      const text = inPlace(name, value, index)
      const { text: redacted, found } = redactText(text, policy)
      if (found.length === 0 || redacted.includes(value) || !passes(redacted)) missed.push(text)
    }
    expect(missed).toEqual([])
  })

  test.for(encodings)('hidden by $name: 95 % are found, the gate refuses the rest', encoding => {
    const generator = random(99)
    for (const name of encoding.classes) {
      let found = 0
      for (let index = 0; index < 100; index++) {
        const text = encodedInPlace(encoding, name, generator, index)
        const redaction = redactText(text, policy)
        if (redaction.found.length > 0) found++
        if (redaction.found.length > 0) expect(passes(redaction.text), redaction.text).toBe(true)
      }
      expect(found, name).toBeGreaterThanOrEqual(95)
    }
  })

  function passes(text: string): boolean {
    try {
      return gate({ name: 'x', bytes: Buffer.from(text), format: 'text' }, policy).name === 'x'
    } catch {
      return false
    }
  }
})

test('not one of a hundred thousand real names is changed', () => {
  let count = 0
  const changed: (readonly [string, string, PersonalClass])[] = []
  for (const [source, names] of realNames()) {
    for (const name of names) {
      count++
      const { found } = redactText(name, policy)
      if (found.length > 0) changed.push([source, name, found[0]!.class])
    }
  }
  expect(changed).toEqual([])
  expect(count).toBeGreaterThan(100_000)
})

describe('no value is kept', () => {
  test('in what redaction says of what it found', () => {
    const { found } = redactText('9876543210 aditi@example.com', policy)
    expect(JSON.stringify(found)).not.toMatch(/98765|aditi/)
  })
})
