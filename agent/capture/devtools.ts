// The DevTools protocol: JSON requests with a number, answers with the same
// number, and events with none. https://chromedevtools.github.io/devtools-protocol/v8/
//
// A session is the conversation with one thread. That with a worker travels
// inside that with the main thread, as strings. Nothing here waits without end:
// a thread that is blocked in native code answers when it is free, or never.

import { ProfilerError } from '../errors.ts'

export interface Session {
  /**
   * Asks, and gives the answer's `result`.
   *
   * @throws {ProfilerError} `SP_TOOL_FAILED` when it refuses, does not answer in time, or is gone
   */
  ask(method: string, params: object, timeoutMs: number): Promise<Answer>
  /** Asks, and does not care. */
  tell(method: string, params: object): void
  /** A message that came for it. */
  receive(message: string): void
  /** Its other end is gone: whoever waits is told so. */
  end(): void
  readonly hasEnded: boolean
}

/** What the other side says: anything at all. */
export type Answer = Readonly<Record<string, unknown>>

export function createSession(
  send: (message: string) => void,
  onEvent: (method: string, params: Answer) => void,
): Session {
  const waiting = new Map<number, (answer: Answer | undefined, why: string) => void>()
  let lastId = 0
  let hasEnded = false
  return {
    ask(method, params, timeoutMs) {
      const id = ++lastId
      return new Promise((resolve, reject) => {
        // The connection keeps us running, and a deadline does not.
        const timer = setTimeout(() => settle(undefined, 'does not answer'), timeoutMs).unref()
        const settle = (answer: Answer | undefined, why: string) => {
          clearTimeout(timer)
          waiting.delete(id)
          if (answer !== undefined) resolve(answer)
          else reject(new ProfilerError('SP_TOOL_FAILED', `the inspector ${why} (${method})`))
        }
        if (hasEnded) {
          settle(undefined, 'has gone')
          return
        }
        waiting.set(id, settle)
        send(JSON.stringify({ id, method, params }))
      })
    },
    tell(method, params) {
      if (!hasEnded) send(JSON.stringify({ id: ++lastId, method, params }))
    },
    receive(message) {
      const value = parse(message)
      const { id, result, method, params } = value
      if (typeof id === 'number') waiting.get(id)?.(recordOf(result), 'refuses')
      else if (typeof method === 'string') onEvent(method, recordOf(params) ?? {})
    },
    end() {
      hasEnded = true
      for (const settle of [...waiting.values()]) settle(undefined, 'has gone')
    },
    get hasEnded() {
      return hasEnded
    },
  }
}

function parse(message: string): Answer {
  try {
    return recordOf(JSON.parse(message)) ?? {}
  } catch {
    // No message at all: as if it had not come.
    return {}
  }
}

export function recordOf(value: unknown): Answer | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Answer)
    : undefined
}
