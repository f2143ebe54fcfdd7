// A tool that gives nothing before it ends, run in turns while somebody looks: what
// becomes of its segments when a turn fails, is stopped, or nobody looks.

import { describe, expect, test } from 'vitest'
import {
  type CaptureEnd,
  type CaptureSignals,
  monotonicMs,
  type Segment,
} from '../../agent/capture/capture.ts'
import { captureInTurns, type Turn } from '../../agent/capture/turns.ts'

/** A tool that samples until it is stopped or its time is over, and then gives its number. */
function tool(fails: (turn: number) => 'never' | 'at its start' | 'at its end' = () => 'never') {
  const started: number[] = []
  const start = async (durationMs: number, { stop }: CaptureSignals): Promise<Turn> => {
    const number = started.push(durationMs)
    const how = fails(number)
    const startedMs = monotonicMs()
    const begun = how === 'at its start' ? new Promise<void>(() => {}) : Promise.resolve()
    const ended = new Promise<CaptureEnd>((resolve, reject) => {
      const end = () => {
        if (how !== 'never') reject(new Error(`turn ${number} failed`))
        resolve({ ...plainEnd, startedMs, endedMs: monotonicMs(), loss: new Map([['lost', 1]]) })
      }
      if (how === 'at its start' || stop.aborted) end()
      else {
        const timer = setTimeout(end, durationMs)
        stop.addEventListener('abort', () => {
          clearTimeout(timer)
          end()
        })
      }
    })
    ended.catch(() => {})
    return {
      begun,
      ended,
      segments: (async function* () {
        await ended
        yield { format: `turn ${number}`, chunks: (async function* () {})() }
      })(),
    }
  }
  return { started, start }
}

const plainEnd = {
  exitCode: 0,
  signal: undefined,
  killed: false,
  durationMs: 1000,
  stderrTail: '',
  endedByItself: false,
  notes: ['a note'],
}

async function run(
  { start }: ReturnType<typeof tool>,
  durationMs: number,
  more: Partial<CaptureSignals> = {},
) {
  const never = new AbortController().signal
  const signals = { stop: never, discard: never, ...more }
  const { segments, ended } = await captureInTurns(
    { durationMs, pause: false },
    signals,
    (turn, turnSignals) => start(turn.durationMs, turnSignals),
  )
  const formats: string[] = []
  const read = async () => {
    for await (const { format, startedMs, endedMs } of segments as AsyncIterable<Segment>) {
      expect(endedMs).toBeGreaterThanOrEqual(startedMs!)
      formats.push(format)
    }
  }
  const [end] = await Promise.all([ended, read()])
  return { formats, end }
}

const isWatched = () => true

describe('a tool in turns', () => {
  test('that nobody looks at has one', async () => {
    const one = tool()
    const { formats } = await run(one, 2600)
    expect(formats).toEqual(['turn 1'])
    expect(one.started).toEqual([2600])
  })

  test('gives each, for what is left of the time, and is one capture', async () => {
    const two = tool()
    const { formats, end } = await run(two, 4000, { isWatched })
    expect(formats).toEqual(['turn 1', 'turn 2'])
    expect(two.started[1]).toBeLessThanOrEqual(2000)
    expect(end.loss).toEqual(new Map([['lost', 2]]))
    expect(end.notes).toEqual(['a note'])
    expect(end.endedMs - end.startedMs).toBeGreaterThan(2000)
  })

  test('that cannot attach twice goes on in its first', async () => {
    const { formats, end } = await run(
      tool(turn => (turn === 2 ? 'at its start' : 'never')),
      4000,
      { isWatched },
    )
    expect(formats).toEqual(['turn 1'])
    expect(end.notes).toEqual(['a note'])
  })

  test('that fails in a later one keeps the ones before, and says so', async () => {
    const { formats, end } = await run(
      tool(turn => (turn === 2 ? 'at its end' : 'never')),
      4000,
      { isWatched },
    )
    expect(formats).toEqual(['turn 1'])
    expect(end.notes).toContain('The last seconds are missing: turn 2 failed.')
  })

  test('that fails in its first has failed', async () => {
    const failing = tool(() => 'at its end')
    await expect(run(failing, 300, { isWatched })).rejects.toThrow('turn 1 failed')
  })

  test('that is stopped begins no other', async () => {
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 300)
    const stopped = tool()
    const { formats } = await run(stopped, 60_000, { isWatched, stop: stop.signal })
    expect(formats).toEqual(['turn 1'])
    expect(stopped.started).toHaveLength(1)
  })
})
