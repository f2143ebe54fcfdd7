import { describe, expect, test } from 'vitest'
import { nameRows, workOf } from '../../agent/profile/marks.ts'
import { noCaller, type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { classify, shapeThresholds } from '../../agent/profile/shape.ts'
import { profileOf } from '../render/example.ts'

describe('the shape', () => {
  test('is a hairball from 40 % unnamed leaves on', () => {
    expect(classify(profileOf('main;unknown:a 40\nmain;b 60')).shape).toBe('hairball')
    expect(classify(profileOf('main;unknown:a 39\nmain;b 61')).shape).toBe('wide leaf')
  })

  test('is a hairball where two frames in a row have no name, whatever the leaf', () => {
    const { shape, unknown } = classify(profileOf('main;unknown:a;unknown:b;parse 50\nmain;c 50'))
    expect(shape).toBe('hairball')
    expect(unknown).toEqual({ unreadable: 0.5, leaf: 0, anywhere: 0.5 })
  })

  test('is none for one unnamed frame at the bottom of every stack', () => {
    const { shape, unknown } = classify(profileOf('unknown:x;main;a 50\nunknown:x;main;b 50'))
    expect(shape).toBe('mixed')
    expect(unknown).toEqual({ unreadable: 0, leaf: 0, anywhere: 1 })
  })

  test('is a wide leaf from 60 % self on, over all the stacks that end in it', () => {
    const { shape, headline, leaves } = classify(profileOf('a;hash 30\nb;hash 30\nb;sort 40'))
    expect(shape).toBe('wide leaf')
    expect(headline).toBe('hash is 60 % by itself. Start there.')
    expect(leaves[0]).toEqual({ name: 'hash', kind: 'native', self: 0.6, total: 0.6 })
  })

  test.for([
    ['_PyEval_EvalFrameDefault', 'Python'],
    ['execute_ex', 'PHP'],
    ['vm_exec_core.isra.0', 'Ruby'],
  ])('of which most is %s does not say to start there', ([name, language]) => {
    const { headline } = classify(profileOf(`main;${name} 90\nmain;b 10`))
    expect(headline).toBe(
      `${name}, the interpreter of ${language}, has 90 %: which functions it ran, this does not show.`,
    )
  })

  test('is wide and flat when no function is above 5 %', () => {
    const flat = Array.from({ length: 20 }, (_, index) => `main;f${index} 5`).join('\n')
    expect(classify(profileOf(flat)).shape).toBe('wide and flat')
    expect(classify(profileOf(`${flat}\nmain;f0 1`)).shape).toBe('mixed')
  })

  test('is none without samples', () => {
    expect(() => classify(new ProfileBuilder().build())).toThrowError(/no samples/)
  })
})

describe('beside the shape', () => {
  test('collection counts a sample once, however many of its frames collect', () => {
    const { seen } = classify(
      profileOf('main;runtime.gcBgMarkWorker;runtime.gcDrain;runtime.scanobject 20\nmain;work 80'),
    )
    expect(seen).toEqual([{ what: 'garbage collection', share: 0.2 }])
  })

  test('a futex is a lock and, by its leaf, kernel', () => {
    const { seen } = classify(profileOf('main;lock;kernel:do_futex;kernel:x 30\nmain;work 70'))
    expect(seen).toEqual([
      { what: 'locks', share: 0.3 },
      { what: 'kernel', share: 0.3 },
    ])
  })

  test('recursion has a name, a depth, and its stack counted once', () => {
    const { seen } = classify(profileOf('main;walk;walk;visit;walk 10\nmain;walk 10\nmain;x 20'))
    expect(seen).toEqual([{ what: 'recursion', share: 0.5, name: 'walk', depth: 3 }])
  })

  test('the loop of an interpreter is not recursion', () => {
    const loop = Array(9).fill('_PyEval_EvalFrameDefault').join(';')
    expect(classify(profileOf(`main;${loop};work 10`)).seen).toEqual([])
  })

  test('what is less than its threshold is not mentioned', () => {
    const share = shapeThresholds.work * 100
    expect(classify(profileOf(`m;epoll_wait ${share - 1}\nm;work 96`)).seen).toEqual([])
    expect(classify(profileOf(`m;epoll_wait ${share}\nm;work 95`)).seen).toHaveLength(1)
  })
})

describe('the next command', () => {
  test('has the pid of the target', () => {
    for (const stacks of ['m;unknown:a 1', 'm;hash 1', 'm;epoll_wait 1', 'm;a 1\nm;b 1']) {
      const { next } = classify(profileOf(stacks), 0, { pid: 4242 })
      expect(next.length).toBeGreaterThan(0)
      for (const { command } of next) expect(command).toMatch(/\b4242\b/)
    }
  })

  test('says PID when there is none, or none that a shell may see', () => {
    for (const pid of [undefined, 0, -1, Number.NaN]) {
      expect(classify(profileOf('m;hash 1'), 0, { pid }).next[0]!.command).toContain('record PID ')
    }
  })

  test('holds nothing that the target chose', () => {
    const name = '$(touch /tmp/x)'
    const texts = [`m;${name} 9`, `m;unknown:${name} 9`].map(stacks => {
      return classify(profileOf(stacks), 0, { pid: 1 })
        .next.map(({ command }) => command)
        .join()
    })
    expect(texts.join()).not.toContain('touch')
  })

  test('for memory is not about instructions', () => {
    const builder = new ProfileBuilder()
    const stack = builder.stack(noCaller, builder.frame({ name: 'alloc', kind: 'native' }))
    builder.add(stack, builder.column('alloc_space', 'bytes'), 4096)
    const { next } = classify(builder.build(), 0, { pid: 7 })
    expect(next.map(({ command }) => command)).toEqual(['sp-flamegraph record 7 --duration 30'])
  })
})

describe('names of work', () => {
  test('each is found by its row, and by no other work', () => {
    for (const { work, names } of nameRows) {
      for (const name of names) expect(workOf(name.replace(/\*$/, 'X'))).toBe(work)
    }
  })

  test('are found behind what compilers and linkers append', () => {
    expect(workOf('do_futex.constprop.0')).toBe('locks')
    expect(workOf('pthread_mutex_lock@plt')).toBe('locks')
    expect(workOf('gcd')).toBeUndefined()
    expect(workOf('__proto__')).toBeUndefined()
  })

  test('of 100 KB cost nothing', () => {
    expect(workOf(`runtime.gcDrain${'.isra'.repeat(20_000)}`)).toBe('garbage collection')
  })
})

test('a stack 100,000 deep is classified', () => {
  const builder = new ProfileBuilder()
  const frame = builder.frame({ name: 'down', kind: 'native' })
  let stack = noCaller
  for (let depth = 0; depth < 100_000; depth++) stack = builder.stack(stack, frame)
  builder.add(stack, builder.column('samples', 'samples'), 1)
  const profile: Profile = builder.build()
  expect(classify(profile).seen).toContainEqual({
    what: 'recursion',
    share: 1,
    name: 'down',
    depth: 100_000,
  })
})

test('a name of 100 KB does not fill the sentences', () => {
  const { headline, evidence } = classify(profileOf(`m;${'x'.repeat(100_000)} 1`))
  expect([headline, ...evidence].join('').length).toBeLessThan(500)
})
