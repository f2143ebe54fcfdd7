// What a body asks for, as settings.

import { describe, expect, test } from 'vitest'
import { readConfig } from '../../agent/config.ts'
import { seriesOf } from '../../agent/config-windows.ts'
import { readAsk } from '../../agent/http/ask.ts'
import { captureAsk } from '../../agent/http/wire.ts'

const daemon = readConfig({}, {}).settings
const identity = { name: 'token', role: 'admin' } as const

// Any process that lives would do.
const target = { pid: process.pid }

describe('windows', () => {
  test.for([
    [undefined, undefined],
    [1, undefined],
    [2, [0, 5000]],
    [
      [5, 120.5],
      [5000, 120_500],
    ],
    [{ count: 3, every: 7.5 }, [0, 7500, 15_000]],
  ] as const)('%j begin at %j', async ([windows, offsetsMs]) => {
    const body = captureAsk.parse({ target, seconds: 5, ...(windows && { windows }) })
    const { settings } = await readAsk(body, daemon, identity)
    expect(seriesOf(settings)?.offsetsMs).toEqual(offsetsMs)
  })

  test('go on until they are stopped', async () => {
    const body = captureAsk.parse({ target, seconds: 5, windows: { every: 60, until: 'stopped' } })
    const { settings } = await readAsk(body, daemon, identity)
    expect(seriesOf(settings)).toMatchObject({ isOpen: true })
  })

  test.for([
    0,
    33,
    1.5,
    '3',
    [5],
    [-1, 5],
    Array.from({ length: 33 }, (_, at) => at * 60),
    {},
    { count: 2 },
    { every: 60 },
    { every: 60, until: 'later' },
    { count: 2, every: 60, until: 'stopped' },
    { every: 1e9, until: 'stopped' },
  ])('%j are refused', windows => {
    expect(captureAsk.safeParse({ windows }).error?.issues[0]?.path).toEqual(
      expect.arrayContaining(['windows']),
    )
  })

  test('that overlap are refused', async () => {
    const body = captureAsk.parse({ target, seconds: 5, windows: [0, 4] })
    await expect(readAsk(body, daemon, identity)).rejects.toThrow('has to begin 5 s')
  })
})

test.for([true, false])(
  'what may be run in a target is as the daemon was started: %s',
  async is => {
    const { settings } = readConfig({ allowRemoteEval: is }, {})
    const ask = await readAsk({ target, seconds: 5 }, settings, identity)
    expect(ask.settings).toMatchObject({ allowRemoteEval: is, duration: 5000 })
  },
)

test('an ask has no word for it', () => {
  expect(captureAsk.safeParse({ target, allowRemoteEval: true }).success).toBe(false)
  expect(captureAsk.safeParse({ target }).success).toBe(true)
})
