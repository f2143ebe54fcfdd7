// One picture of two profiles: what V8 saw and what perf saw in the same window.

import { expect, test } from 'vitest'
import { totals } from '../../agent/profile/call-tree.ts'
import { mergeNative } from '../../agent/profile/merge-native.ts'
import { type Frame, noCaller, type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { folded } from '../stacks.ts'

const kinds: Record<string, Frame['kind']> = { T: 'thread', J: 'jit', K: 'kernel', U: 'unknown' }

/** `T:main;J:parse` → frames; the first number is nanoseconds of V8, the second samples of perf at 1000 Hz. */
function both(lines: Record<string, readonly [v8: number, perf: number]>): Profile {
  const builder = new ProfileBuilder()
  const v8 = builder.column('cpu', 'nanoseconds')
  const perf = builder.column('cpu-clock', 'samples')
  for (const [path, weights] of Object.entries(lines)) {
    let stack = noCaller
    for (const word of path.split(';')) {
      const kind = kinds[word.split(':')[0]!]
      const name = kind === undefined ? word : word.slice(2)
      const reason = kind === 'unknown' ? { reason: 'JIT without map' as const } : {}
      stack = builder.stack(stack, builder.frame({ name, kind: kind ?? 'native', ...reason }))
    }
    if (weights[0] > 0) builder.add(stack, v8, weights[0])
    if (weights[1] > 0) builder.add(stack, perf, weights[1])
  }
  return builder.build()
}

const ms = 1e6

const whole = () =>
  both({
    'T:main thread;J:serve;J:parse': [60 * ms, 0],
    'T:main thread;J:serve': [20 * ms, 0],
    'T:main thread;(program)': [30 * ms, 0],
    'T:main thread;(garbage collector)': [10 * ms, 0],
    'T:node;main;uv_run;Builtins_JSEntry;U:[anon]': [0, 50],
    'T:node;main;uv_run;Builtins_JSEntry;U:[anon];K:tcp_sendmsg': [0, 30],
    'T:node;main;uv_run;K:epoll_wait': [0, 5],
    'T:node;main;Builtins_JSEntry;v8::internal::Heap::CollectGarbage(x);mark': [0, 8],
    'T:worker;v8::internal::ConcurrentMarking::Run()': [0, 7],
  })

test('JavaScript has the names of V8 and the width of perf, all else is of perf', () => {
  const merged = mergeNative(whole(), 1000)
  expect(merged.columns).toHaveLength(1)
  expect(folded(merged).trim().split('\n').sort()).toEqual([
    'main thread;serve_[j] 20000000',
    'main thread;serve_[j];parse_[j] 60000000',
    'node;(garbage collector);v8::internal::Heap::CollectGarbage(x);mark 8000000',
    'node;main;uv_run;epoll_wait_[k] 5000000',
    'worker;(garbage collector);v8::internal::ConcurrentMarking::Run() 7000000',
  ])
})

test('the whole is the CPU time that perf saw, and nothing is counted twice', () => {
  const merged = mergeNative(whole(), 1000)
  const roots = totals(merged).filter((_, stack) => merged.stacks.caller[stack] === noCaller)
  expect(roots.reduce((a, b) => a + b)).toBe(100 * ms)
  expect(merged.notes.join()).toContain('JavaScript used 80 % of the CPU time')
})

test('JavaScript that waited for a core is made as wide as the time that it ran', () => {
  const merged = mergeNative(both({ 'T:m;J:a': [300 * ms, 0], 'T:n;U:[anon]': [0, 100] }), 1000)
  expect(folded(merged)).toBe('m;a_[j] 100000000\n')
})

test('a program without symbols is said to be one', () => {
  const merged = mergeNative(both({ 'T:m;J:a': [10 * ms, 0], 'T:n;U:[anon]': [0, 10] }), 1000)
  expect(merged.notes.join()).toContain('has no symbols')
})

test('a profile that only one of the two gave stays as it is', () => {
  const alone = new ProfileBuilder()
  alone.column('cpu', 'nanoseconds')
  const profile = alone.build()
  expect(mergeNative(profile, 999)).toBe(profile)
})

test('a function that is called as V8 calls what it has no name for is a function', () => {
  const merged = mergeNative(
    both({ 'T:m;J:a;J:(program)': [10 * ms, 0], 'T:n;U:[anon]': [0, 10] }),
    1000,
  )
  expect(folded(merged)).toContain('a_[j];(program)_[j] 10000000')
})
