// When the windows of a series begin.

import { describe, expect, test } from 'vitest'
import { readConfig } from '../agent/config.ts'
import { maxWindows, samplingMs, seriesOf } from '../agent/config-windows.ts'

function settingsOf(flags: Record<string, unknown>) {
  return readConfig({ duration: '5s', ...flags }, {}).settings
}

describe('a series', () => {
  test('is none where none is asked for', () => {
    expect(seriesOf(settingsOf({}))).toBeUndefined()
    expect(seriesOf(settingsOf({ windows: '1' }))).toBeUndefined()
    expect(samplingMs(settingsOf({}))).toBe(5000)
  })

  test.for([
    [{ windows: '3' }, [0, 5000, 10_000]],
    [{ windows: 3, every: '1m' }, [0, 60_000, 120_000]],
    [{ windows: '5s,2m,300' }, [5000, 120_000, 300_000]],
    [{ windows: [0, '10s'] }, [0, 10_000]],
  ] as const)('of %j begins at %j', ([flags, offsetsMs]) => {
    const settings = settingsOf(flags)
    expect(seriesOf(settings)).toEqual({ offsetsMs, isOpen: false })
    expect(samplingMs(settings)).toBe(offsetsMs.at(-1)! + 5000)
  })

  test('goes on until it is stopped, but not for ever', () => {
    const { offsetsMs, isOpen } = seriesOf(settingsOf({ every: '60s' }))!
    expect(isOpen).toBe(true)
    expect(offsetsMs).toHaveLength(maxWindows)
    expect(offsetsMs[2]).toBe(120_000)
  })

  test.for([
    [{ windows: '0' }, 'windows (flag)'],
    [{ windows: '33' }, 'windows (flag)'],
    [{ windows: 'three' }, 'windows (flag)'],
    [{ windows: '5s' }, 'two times'],
    [{ windows: '0s,25h' }, 'windows (flag)'],
    [{ windows: '0s,-5s' }, 'windows (flag)'],
    [{ windows: '10s,0s' }, 'has to begin 5 s'],
    [{ windows: '0s,4s' }, 'has to begin 5 s'],
    [{ windows: '3', every: '4s' }, 'does not fit into 4 s'],
    [{ windows: '0s,9s', every: '9s' }, 'says already'],
    [{ every: 'now' }, 'every (flag)'],
    [{ windows: '2', keepRaw: 'perf.data' }, 'a series is several'],
  ] as const)('of %j is refused', ([flags, words]) => {
    expect(() => settingsOf(flags)).toThrow(words)
  })
})
