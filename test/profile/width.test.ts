import { expect, test } from 'vitest'
import { noCaller, type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { isCpuTime, isOccurrence, otherEvents, widthFirst } from '../../agent/profile/width.ts'

function profileOf(...events: string[]): Profile {
  const builder = new ProfileBuilder()
  const stack = builder.stack(noCaller, builder.frame({ name: 'main', kind: 'native' }))
  for (const [index, event] of events.entries()) {
    builder.add(stack, builder.column(event, 'samples'), index + 1)
  }
  return builder.build()
}

test('CPU time is drawn first, wherever it was recorded', () => {
  const { columns } = widthFirst(profileOf('context-switches', 'cpu-clock:u', 'page-faults'))
  expect(columns.map(({ event, self }) => [event, self[0]])).toEqual([
    ['cpu-clock:u', 2],
    ['context-switches', 1],
    ['page-faults', 3],
  ])
})

test('events without CPU time stay in their order', () => {
  const { columns } = widthFirst(profileOf('sched:sched_switch', 'page-faults'))
  expect(columns.map(({ event }) => event)).toEqual(['sched:sched_switch', 'page-faults'])
})

test.for(['cycles:ppp', 'cpu_core/cycles/', 'task-clock', 'cpu', 'cpu-cycles'])(
  '%s is CPU time',
  event => {
    expect(isCpuTime(event)).toBe(true)
  },
)

test.for(['context-switches', 'sched:cpu', 'cpuset:x', 'alloc_space', 'cache-misses'])(
  '%s is not',
  event => {
    expect(isCpuTime(event)).toBe(false)
  },
)

test.for(['sched:sched_switch', 'context-switches', 'page-faults:u', 'L1-dcache-load-misses'])(
  '%s is something that happens',
  event => {
    expect(isOccurrence(event)).toBe(true)
  },
)

test.for(['cpu-clock:u', 'cycles:ppp', 'samples', 'alloc_space', 'wall'])(
  '%s does not happen',
  event => {
    expect(isOccurrence(event)).toBe(false)
  },
)

test('what is not drawn can be told', () => {
  expect(otherEvents(profileOf('cpu-clock', 'page-faults'))).toEqual(['page-faults'])
})
