import { describe, expect, test } from 'vitest'
import { type AsprofWeight, readAsprof } from '../../agent/profile/asprof.ts'
import { weightOf } from '../../agent/profile/call-tree.ts'
import { expectGolden, fixture, fixturesIn } from '../goldens.ts'
import { folded, hostileNames, readWith } from '../stacks.ts'

const read = (text: string | Uint8Array, weight: AsprofWeight = 'samples') =>
  readWith((chunks, builder) => readAsprof(chunks, builder, weight), text)

const weightOfFile = (name: string) => (/-(\w+)\./.exec(name)?.[1] ?? 'samples') as AsprofWeight

test.for(fixturesIn('asprof/4.5'))('%s folds as its golden says', async name => {
  const profile = await read(fixture(name), weightOfFile(name))
  expectGolden(`${name}.folded.golden`, folded(profile))
  expect(profile.frames.some(({ kind }) => kind === 'jit')).toBe(true)
})

describe('a frame', () => {
  test.for([
    ['java/lang/Thread.run_[j]', { name: 'java.lang.Thread.run', kind: 'jit' }],
    ['java/lang/Thread.run_[1]', { name: 'java.lang.Thread.run', kind: 'jit' }],
    ['java/lang/Thread.run_[0]', { name: 'java.lang.Thread.run', kind: 'interpreted' }],
    ['java/util/ArrayList.<init>_[i]', { name: 'java.util.ArrayList.<init>', kind: 'inlined' }],
    ['Shares.main_[0]', { name: 'Shares.main', kind: 'interpreted' }],
    ['Shares.parse_[i]', { name: 'Shares.parse', kind: 'inlined' }],
    ['tcp_sendmsg_[k]', { name: 'tcp_sendmsg', kind: 'kernel' }],
    ['finish_task_switch.isra.0_[k]', { name: 'finish_task_switch.isra.0', kind: 'kernel' }],
    ['os::javaTimeNanos', { name: 'os::javaTimeNanos', kind: 'native' }],
    ['[unknown_Java]', { name: '[unknown_Java]', kind: 'unknown', reason: 'unnamed by the tool' }],
    ['_[j]', { name: '_[j]', kind: 'native' }],
    // What is numbered anew in each run.
    ['a/B$$Lambda$14/0x00000008000c9440.run_[j]', { name: 'a.B$$Lambda.run', kind: 'jit' }],
    ['a/B$$Lambda$14.0x00000008000c9440.run_[j]', { name: 'a.B$$Lambda.run', kind: 'jit' }],
    ['a/B$$Lambda/0x00007f1e.apply_[0]', { name: 'a.B$$Lambda.apply', kind: 'interpreted' }],
    [
      'java/lang/invoke/LambdaForm$MH.0x00007fc4cd000c98.invoke_[i]',
      { name: 'java.lang.invoke.LambdaForm$MH.invoke', kind: 'inlined' },
    ],
    [
      'jdk/internal/reflect/GeneratedMethodAccessor12.invoke_[j]',
      { name: 'jdk.internal.reflect.GeneratedMethodAccessor.invoke', kind: 'jit' },
    ],
    // What is not.
    ['com/sun/proxy/$Proxy12.get_[j]', { name: 'com.sun.proxy.$Proxy12.get', kind: 'jit' }],
    ['a/Deadbeef.cafe_[j]', { name: 'a.Deadbeef.cafe', kind: 'jit' }],
  ] as const)('%s', async ([text, frame]) => {
    const { frames } = await read(`main_[j];${text} 3\n`)
    expect(frames[1]).toEqual(frame)
  })

  test.for([
    ['java.lang.String_[i]', 'java.lang.String'],
    ['java.lang.String_[k]', 'java.lang.String'],
    ['byte[]_[k]', 'byte[]'],
    ['java.util.HashMap$Node[]_[i]', 'java.util.HashMap$Node[]'],
    ['Shares$Held_[i]', 'Shares$Held'],
  ])('%s of an allocation or a lock is a class', async ([text, name]) => {
    const { frames } = await read(`Shares.main_[j];${text} 524288\n`, 'bytes')
    expect(frames[1]).toEqual({ name, kind: 'jit' })
  })

  test('that was inlined is no class, in an allocation too', async () => {
    const { frames } = await read('Shares.main_[j];Shares.bytes_[i];byte[]_[i] 1\n', 'bytes')
    expect(frames[1]).toEqual({ name: 'Shares.bytes', kind: 'inlined' })
  })

  test('at the root with a tid is a thread', async () => {
    const { frames } = await read('[VM Thread tid=71];a/B.c_[j] 1\n')
    expect(frames[0]).toEqual({ name: '[VM Thread tid=71]', kind: 'thread' })
  })

  test.for(hostileNames)('called %s is a name like any other', async name => {
    const { frames } = await read(`a;${name} 1\n`)
    expect(frames).toHaveLength(name === 'a' ? 1 : 2)
  })
})

test('bytes and their events are two columns over the same stacks', async () => {
  const profile = await readWith(async (chunks, builder) => {
    await readAsprof(chunks, builder, 'bytes')
    await readAsprof([Buffer.from('a/B.c_[j];byte[]_[i] 3\n')], builder, 'events')
  }, 'a/B.c_[j];byte[]_[i] 1500000\n')
  expect(profile.stacks.length).toBe(2)
  expect(profile.columns.map(({ event, unit }) => `${event} ${unit}`)).toEqual([
    'alloc_space bytes',
    'samples samples',
  ])
  expect(weightOf(profile, 0)).toBe(1_500_000)
  expect(weightOf(profile, 1)).toBe(3)
})

test('samples without a stack are counted as lost', async () => {
  const profile = await read('a 2\n 3\n')
  expect(profile.loss.get('without a stack')).toBe(3)
})

test('a line without a count is an error', async () => {
  await expect(read('a/B.c_[j];d\n')).rejects.toMatchObject({ code: 'SP_FOLDED_MALFORMED' })
})
