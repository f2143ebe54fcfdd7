// Whether there is memory beside a target: what is said, and what is refused.

import { expect, test } from 'vitest'
import { checkMemory, memoryNotes } from '../../agent/plan/memory.ts'
import type { Memory } from '../../agent/target/limits.ts'

const none = Number.POSITIVE_INFINITY

/** In MiB. */
function memory(used: number, limit = none, smallest = limit): Memory {
  const bytes = (each: number) => each * 2 ** 20
  return {
    limitBytes: bytes(limit),
    smallestLimitBytes: bytes(smallest),
    usedBytes: bytes(used),
  }
}

test('far from every limit nothing is said', () => {
  for (const [ours, theirs] of [
    [memory(20), memory(300)],
    [memory(20), memory(300, 512)],
    [memory(20, 768), memory(450, 512)],
    [memory(20, none, 1024), memory(600, 768, 768)],
  ] as const) {
    expect(memoryNotes(ours, theirs)).toEqual([])
    expect(() => checkMemory(ours, theirs)).not.toThrow()
  }
  expect(memoryNotes(memory(20), undefined)).toEqual([])
})

test('a pod near its limit is said, and is not captured where an application might be killed', () => {
  const ours = memory(30, none, 512)
  expect(memoryNotes(ours, memory(400))).toEqual([
    'the memory limit of the pod is near: 82 MiB are left of 512; a capture takes 40 to 128 MiB, and the kernel may end the application for it',
  ])
  expect(() => checkMemory(ours, memory(400))).not.toThrow()
  expect(() => checkMemory(ours, memory(450))).toThrow(
    expect.objectContaining({
      code: 'SP_BUDGET',
      message: expect.stringMatching(/32 MiB are left of 512; nothing is captured/),
    }),
  )
  // What the target says of itself may be anything: it never makes more of what is left.
  expect(() => checkMemory(memory(500, none, 512), memory(0))).toThrow(/12 MiB are left/)
  expect(() => checkMemory(ours, memory(1e9))).toThrow(/ 0 MiB are left/)
})

test('where we have no limit, that of the target is near for us too, but perhaps not the last one', () => {
  const theirs = memory(500, 512)
  expect(memoryNotes(memory(30), theirs)).toEqual([
    'the memory limit of its container is near: 12 MiB are left of 512; a capture takes 40 to 128 MiB, and counts for its pod, for we have no limit of our own: use the sidecar, or raise the limit of the application',
  ])
  expect(() => checkMemory(memory(30), theirs)).not.toThrow()
})

test('where we have a limit of our own, only what collects in the target is told', () => {
  const [note] = memoryNotes(memory(30, 768), memory(500, 512))
  expect(note).toMatch(/12 MiB are left of 512; what collects in the process itself/)
})
