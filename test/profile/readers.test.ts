import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ProfilerError } from '../../agent/errors.ts'
import { weightOf } from '../../agent/profile/call-tree.ts'
import { printPprof } from '../../agent/profile/pprof.ts'
import { type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { readers, readProfile } from '../../agent/profile/readers.ts'
import { printSpeedscope } from '../../agent/profile/speedscope.ts'
import { fixture, fixturesIn } from '../goldens.ts'
import { damaged, random } from '../random.ts'
import { folded } from '../stacks.ts'

const formats = {
  'perf-script/6.1': 'perf script',
  'py-spy/0.4.3': 'py-spy raw',
  'rbspy/0.55': 'rbspy collapsed',
  'phpspy/documented': 'phpspy',
  'erl-dist/otp-25': 'erl-dist',
  'pprof/go1.26': 'pprof',
  'cpuprofile/node-20': 'cpuprofile',
  'cpuprofile/node-24': 'cpuprofile',
  'speedscope/py-spy-0.4.3': 'speedscope',
  'nettrace/3.1': 'nettrace',
  'nettrace/8.0': 'nettrace',
  'jfr/jdk-11': 'jfr',
  'jfr/jdk-17': 'jfr',
  'jfr/jdk-21': 'jfr',
  'jfr/jdk-25': 'jfr',
  'jfr/asprof-4.5': 'jfr',
  folded: 'folded',
}

const fixtures = Object.entries(formats).flatMap(([folder, format]) =>
  fixturesIn(folder).map(name => ({ name, format, golden: `${name}.folded.golden` })),
)

async function readAll(
  chunks: Iterable<Uint8Array>,
): Promise<{ format: string; profile: Profile }> {
  const builder = new ProfileBuilder()
  const { format } = await readProfile(chunks, builder)
  return { format, profile: builder.build() }
}

function* oneByOne(bytes: Uint8Array): Generator<Uint8Array> {
  for (const byte of bytes) yield Uint8Array.of(byte)
}

const isText = ({ format }: { format: string }) => !['pprof', 'nettrace', 'jfr'].includes(format)

describe('blind: without its name', () => {
  test.for(fixtures)('$name is $format', async ({ name, format, golden }) => {
    const found = await readAll([fixture(name)])
    expect(found.format).toBe(format)
    expect(folded(found.profile)).toBe(fixture(golden).toString())
  })

  test.for(fixtures)('$name is read in gzip', async ({ name, format, golden }) => {
    const found = await readAll([gzipSync(fixture(name))])
    expect(found.format).toBe(format)
    expect(folded(found.profile)).toBe(fixture(golden).toString())
  })

  test.for(fixtures.filter(isText))(
    '$name is read in UTF-16 of both orders',
    async ({ name, golden }) => {
      const text = fixture(name)
        .toString()
        .replace(/^\ufeff/, '')
      const little = Buffer.from(`\ufeff${text}`, 'utf16le')
      const big = Buffer.from(little).swap16()
      for (const bytes of [little, big, gzipSync(little)]) {
        expect(folded((await readAll([bytes])).profile)).toBe(fixture(golden).toString())
      }
    },
  )
})

test.for(fixtures)('$name is read the same byte by byte', async ({ name, format, golden }) => {
  const found = await readAll(oneByOne(fixture(name)))
  expect(found.format).toBe(format)
  expect(folded(found.profile)).toBe(fixture(golden).toString())
})

describe('backwards: printed and read again', () => {
  test.for(fixtures)('$name says the same as pprof and as speedscope', async ({ name, golden }) => {
    const { profile } = await readAll([fixture(name)])
    const asPprof = await readAll([printPprof(profile)])
    expect(asPprof.format).toBe('pprof')
    // pprof has integers only.
    if (Number.isInteger(weightOf(profile))) {
      expect(folded(asPprof.profile)).toBe(fixture(golden).toString())
    }
    const asSpeedscope = await readAll(printSpeedscope(profile))
    expect(asSpeedscope.format).toBe('speedscope')
    for (const column of profile.columns.keys()) {
      expect(folded(asSpeedscope.profile, column)).toBe(folded(profile, column))
    }
  })
})

describe('what is no profile', () => {
  test('is refused with the bytes that it begins with', async () => {
    await expect(readAll([Buffer.from('\x7fELF\x02\x01\x01\0\0\0')])).rejects.toMatchObject({
      code: 'SP_FORMAT_UNKNOWN',
      message: expect.stringContaining('7f 45 4c 46 02 01 01 00'),
    })
  })

  test.for([
    ['nothing', Buffer.alloc(0)],
    ['nothing, in gzip', gzipSync('')],
    ['prose', Buffer.from('To whom it may concern:\nhello\n')],
    ['an HTML page', Buffer.from('<!doctype html><title>502</title>\n')],
    ['a JSON array', Buffer.from('[1,2,3]')],
    ['zeros', Buffer.alloc(100_000)],
    ['only comments', Buffer.from('\n\n')],
  ] as const)('%s is refused', async ([_, bytes]) => {
    await expect(readAll([bytes])).rejects.toBeInstanceOf(ProfilerError)
  })

  test('gzip in gzip in gzip in gzip is refused', async () => {
    const wrapped = gzipSync(gzipSync(gzipSync(gzipSync('a 1\n'))))
    await expect(readAll([wrapped])).rejects.toMatchObject({ code: 'SP_FORMAT_UNKNOWN' })
  })
})

test('a gzip stream that is cut gives what came before, and says so', async () => {
  const text = Array.from({ length: 50_000 }, (_, index) => `main;f${index % 999} ${index}`).join(
    '\n',
  )
  const bytes = gzipSync(text)
  const { profile } = await readAll([bytes.subarray(0, bytes.length / 2)]).catch(error => {
    // The cut may fall inside of a line, which folded text cannot forgive.
    expect(error).toMatchObject({ code: 'SP_FOLDED_MALFORMED' })
    return readAll([gzipSync('a 1\n'.repeat(9)).subarray(0, -6)])
  })
  expect(profile.notes).toEqual([
    'The gzip stream of the input is cut: what came after is missing.',
  ])
  expect(weightOf(profile)).toBeGreaterThan(0)
})

test('a gzip stream that is damaged is refused', async () => {
  const bytes = gzipSync('main;f 1\n'.repeat(9999))
  bytes.writeUInt32LE(0, bytes.length - 8)
  await expect(readAll([bytes])).rejects.toMatchObject({ code: 'SP_INPUT_DAMAGED' })
})

test('an error of who streams is passed on as it is', async () => {
  const failing = (function* () {
    yield gzipSync('main;f 1\n'.repeat(9999)).subarray(0, 50)
    throw new Error('disk gone')
  })()
  await expect(readAll(failing)).rejects.toThrow('disk gone')
})

test('a file of ever new names is refused before it fills the memory', async () => {
  const names = (function* () {
    for (let line = 0; ; line++) yield Buffer.from(`${line}${'x'.repeat(1_000_000)} 1\n`)
  })()
  await expect(readAll(names)).rejects.toMatchObject({ code: 'SP_LIMIT' })
})

test('more distinct names than anybody looks at are refused, and the limit is said', async () => {
  const names = (function* () {
    for (let from = 0; ; from += 10_000) {
      yield Buffer.from(Array.from({ length: 10_000 }, (_, at) => `f${from + at} 1\n`).join(''))
    }
  })()
  await expect(readAll(names)).rejects.toMatchObject({
    code: 'SP_LIMIT',
    message: 'the profile has more than 1048576 distinct names of functions',
  })
})

test('who brings an unwinder is asked for every copied stack of a recording', async () => {
  let asked = 0
  const unwinder = {
    unwind(stack: { readonly instruction: number }, _: unknown, into: number[]) {
      asked++
      into.push(stack.instruction)
      return 'cut' as const
    },
  }
  const bytes = fixture('perf/6.1/dwarf.data')
  const { perf } = await readProfile([bytes], new ProfileBuilder(), { unwinder })
  expect(asked).toBeGreaterThan(0)
  expect(perf!.unwound).toEqual({ whole: 0, cut: asked, lost: 0 })
})

test('every format is listed once', () => {
  expect(new Set(readers.map(({ format }) => format)).size).toBe(readers.length)
  for (const format of Object.values(formats)) {
    expect(readers.map(reader => reader.format)).toContain(format)
  }
})

test('a lone column of zeros is no error of the reader', async () => {
  const { profile } = await readAll([Buffer.from('main;f 0\n')])
  expect([weightOf(profile), folded(profile)]).toEqual([0, ''])
})

test.for(fixtures)(
  '$name damaged is an error with a code, or a profile that adds up',
  async ({ name, format }) => {
    const { read } = readers.find(reader => reader.format === format)!
    const numbers = random(20)
    const whole = fixture(name).subarray(0, 30_000)
    for (let round = 0; round < 40; round++) {
      const builder = new ProfileBuilder()
      try {
        await read([damaged(whole, numbers)], builder)
      } catch (error) {
        expect(error).toBeInstanceOf(ProfilerError)
        continue
      }
      const profile = builder.build()
      for (const { self } of profile.columns) expect(self.every(Number.isFinite)).toBe(true)
      for (let node = 0; node < profile.stacks.length; node++) {
        expect(profile.stacks.caller[node]!).toBeLessThan(node)
      }
      for (const frame of profile.frames) expect(frame.name).not.toBe('')
    }
  },
)
