// Work that costs CPU time and that anybody who looks may ask for: one at a time,
// and those who ask for the same get the same.

import { ProfilerError } from '../errors.ts'

// More than wait here would have given up before their turn.
const maxWaiting = 16

/** @throws {ProfilerError} `SP_QUEUE_FULL`, beside what the work throws */
export function oneAtATime<Question, Answer>(
  work: (question: Question) => Promise<Answer>,
): (question: Question) => Promise<Answer> {
  const running = new Map<string, Promise<Answer>>()
  let last: Promise<unknown> = Promise.resolve()
  return question => {
    const key = JSON.stringify(question) ?? ''
    const same = running.get(key)
    if (same !== undefined) return same
    if (running.size >= maxWaiting) {
      return Promise.reject(
        new ProfilerError('SP_QUEUE_FULL', `${maxWaiting} wait for this already`),
      )
    }
    const answer = last.then(() => work(question)).finally(() => running.delete(key))
    running.set(key, answer)
    last = answer.catch(() => {})
    return answer
  }
}
