import { describe, expect, test } from 'vitest'
import { environmentNameOf, readConfig } from '../agent/config.ts'

function problemsOf(
  flags: Record<string, unknown>,
  environment: Record<string, string> = {},
  file: unknown = {},
): string {
  try {
    readConfig(flags, environment, file)
    return ''
  } catch (error) {
    expect(error).toMatchObject({ code: 'SP_CONFIG_INVALID', exit: 2 })
    return (error as Error).message
  }
}

describe('settings', () => {
  test('have defaults that a capture can be made with', () => {
    const { settings } = readConfig({}, {})
    expect(settings).toMatchObject({
      duration: 30_000,
      hertz: 99,
      mode: 'cpu',
      to: 'file:flamegraphs',
    })
  })

  test('come from the flag, else the environment, else the file, else the default', () => {
    const file = { hertz: 10, duration: '1', incident: 'A' }
    const environment = { SP_FLAMEGRAPH_HERTZ: '20', SP_FLAMEGRAPH_DURATION: '2' }
    const { settings, sources } = readConfig({ hertz: '30' }, environment, file)
    expect(settings).toMatchObject({ hertz: 30, duration: 2000, incident: 'A' })
    expect(Object.fromEntries(sources)).toMatchObject({
      hertz: 'flag',
      duration: 'environment',
      incident: 'file',
      mode: 'default',
    })
  })

  test('are frozen', () => {
    expect(Object.isFrozen(readConfig({}, {}).settings)).toBe(true)
  })

  test.for([
    ['30', 30_000],
    ['0.5', 500],
    ['500ms', 500],
    ['2m', 120_000],
    ['15s', 15_000],
  ] as const)('a duration of %s is %d ms', ([text, durationMs]) => {
    expect(readConfig({ duration: text }, {}).settings.duration).toBe(durationMs)
  })

  test.for(['0', '-1', '1h', '', 'NaN', '1e3', '61m', '99ms', '5 5'])(
    'a duration of %j is refused',
    duration => {
      expect(problemsOf({ duration })).toContain('duration (flag)')
    },
  )

  test.for(['0', '1000', '9.5', 'fast', ''])('a rate of %j is refused', hertz => {
    expect(problemsOf({ hertz })).toContain('hertz (flag)')
  })

  test.for(['../up', 'a/b', '.hidden', 'a..b', 'a b', 'a\r\nb', '', 'x'.repeat(101), '№1'])(
    'an incident named %j is refused',
    incident => {
      expect(problemsOf({ incident })).toContain('incident (flag)')
    },
  )

  test.for([
    'file:x',
    's3://bucket',
    's3://my.bucket-1/',
    's3://bucket/a/b_c/d=1/',
    'gs://my_bucket/a',
  ])('a destination %j is taken', to => {
    expect(readConfig({ to }, {}).settings.to).toBe(to)
  })

  test.for([
    'file:',
    'x',
    's3://',
    's3:bucket',
    's3://b',
    's3://Bucket',
    's3://key:topsecret@bucket/x',
    's3://bucket/../x',
    's3://bucket/a/..',
    's3://bucket/./a',
    's3://bucket//a',
    's3://bucket/a b',
    's3://bucket/a\r\nb',
    's3://bucket/a?b',
    's3://bucket/%2e%2e/x',
    's3://büc-ket/x',
    'http://bucket',
  ])('a destination %j is refused, and not repeated', to => {
    const message = problemsOf({ to })
    expect(message).toContain('to (flag)')
    expect(message).not.toContain('topsecret')
  })

  test.for(['ftp://x', 'https://me:topsecret@host', 'https://host/?a', 'host:9000', ''])(
    'an endpoint %j is refused, and not repeated',
    s3Endpoint => {
      const message = problemsOf({ s3Endpoint })
      expect(message).toContain('s3Endpoint (flag)')
      expect(message).not.toContain('topsecret')
    },
  )

  test('tags are names and values, from a line or a map', () => {
    const tags = { team: 'payments', env: 'prod' }
    const { settings } = readConfig({}, { SP_FLAMEGRAPH_OBJECT_TAGS: 'team=payments,env=prod' })
    expect(settings.objectTags).toEqual(tags)
    expect(readConfig({}, {}, { objectTags: tags }).settings.objectTags).toEqual(tags)
    for (const objectTags of ['team', 'a=b,=c', 'a=\r\nb', 'a=b&c']) {
      expect(problemsOf({ objectTags }), objectTags).toContain('objectTags')
    }
  })

  test.for([
    ['1MB', 2 ** 20],
    ['2GB', 2 ** 31],
    [1_500_000, 1_500_000],
  ] as const)('a size of %j is %d bytes', ([spoolMaxBytes, bytes]) => {
    expect(readConfig({ spoolMaxBytes }, {}).settings.spoolMaxBytes).toBe(bytes)
  })

  test.for(['1', '1.5GB', '-1MB', 'many', '9000GB'])('a size of %j is refused', spoolMaxBytes => {
    expect(problemsOf({ spoolMaxBytes })).toContain('spoolMaxBytes (flag)')
  })

  test('that are wrong are all told at once', () => {
    const message = problemsOf(
      { hertz: '5000', duration: 'x' },
      { SP_FLAMEGRAPH_HERZ: '99' },
      { colour: 'red' },
    )
    for (const name of ['hertz', 'duration', 'SP_FLAMEGRAPH_HERZ', 'colour']) {
      expect(message).toContain(name)
    }
  })

  test('of the daemon say what was expected', () => {
    const message = problemsOf({ clients: 'spiffe://shop/oncall=viewer', recorder: 'all' })
    expect(message).toContain('expected `URI:…=ROLE` or `DNS:…=ROLE`')
    expect(message).toContain('expected `busy`, `off` or a PID')
  })

  test.for([[[]], ['text'], [null], [7]])('a file that holds %j is refused', ([file]) => {
    expect(problemsOf({}, {}, file)).toContain('not a JSON object')
  })

  test('named like parts of an object are unknown, not dangerous', () => {
    expect(problemsOf({}, {}, JSON.parse('{"__proto__": {"hertz": 1}}'))).toContain('__proto__')
    expect(problemsOf({}, {}, { constructor: 1 })).toContain('constructor')
  })
})

test('the environment variable of a setting is its name in capitals', () => {
  expect(environmentNameOf('hertz')).toBe('SP_FLAMEGRAPH_HERTZ')
  expect(environmentNameOf('customerIds')).toBe('SP_FLAMEGRAPH_CUSTOMER_IDS')
})
