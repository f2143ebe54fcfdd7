import { describe, expect, test } from 'vitest'
import { noCaller, type Profile, ProfileBuilder } from '../../agent/profile/profile.ts'
import { classify } from '../../agent/profile/shape.ts'
import { timeEvents } from '../../agent/profile/waiting.ts'
import {
  kernelWaits,
  userWaits,
  waitInKernel,
  waitInProgram,
  waitsOf,
} from '../../agent/profile/waits.ts'
import { profileOf } from '../render/example.ts'

describe('names of waits', () => {
  test('are found by their own row, and by no other', () => {
    for (const [rows, tell] of [
      [kernelWaits, waitInKernel],
      [userWaits, waitInProgram],
    ] as const) {
      for (const { means, names } of rows) {
        for (const name of names)
          expect([name, tell(name.replace(/\*$/, ''))]).toEqual([name, means])
      }
    }
  })

  test('that objects have are no waits', () => {
    for (const name of ['constructor', '__proto__', 'toString', '']) {
      expect([waitInKernel(name), waitInProgram(name)]).toEqual([undefined, undefined])
    }
  })
})

const schedule = 'kernel:schedule'

test.for([
  ['main;kernel:do_epoll_wait;kernel:ep_poll;kernel:schedule', 'descriptors'],
  ['main;f;kernel:vfs_read;kernel:ext4_file_read_iter;kernel:io_schedule;kernel:schedule', 'disk'],
  ['main;__GI___lll_lock_wait;kernel:do_futex;kernel:futex_wait;kernel:schedule', 'a lock'],
  ['main;pthread_cond_wait@@GLIBC_2.3.2;kernel:futex_wait;kernel:schedule', 'other threads'],
  ['take_gil;pthread_cond_timedwait;kernel:futex_wait;kernel:schedule', 'a lock'],
  ['main;f;kernel:futex_wait;kernel:schedule', 'a futex'],
  ['main;f;kernel:handle_mm_fault;kernel:folio_wait_bit_common;kernel:schedule', 'disk'],
  ['main;f;kernel:handle_mm_fault;kernel:rwsem_down_read_slowpath;kernel:schedule', 'a lock'],
  ['main;f;kernel:tcp_recvmsg;kernel:sk_wait_data;kernel:schedule', 'network'],
  ['main;clock_nanosleep@GLIBC_2.2.5;unknown:[kernel]+0x1;unknown:[kernel]+0x2', 'time to pass'],
  ['thread:[preempted];thread:t;f;kernel:futex_wait;kernel:schedule', 'a core'],
  ['thread:t;thread:[blocked before the start]', 'blocked before the start'],
  ['thread:[on-CPU];thread:t;nanosleep', 'on-CPU'],
  ['main;f;kernel:schedule', 'something else'],
] as const)('%s waits for %s', ([stack, wait]) => {
  const profile = profileOf(`${stack} 1`)
  expect(waitsOf(profile).at(-1)).toBe(wait)
})

function timeOf(text: string, event: string = timeEvents.offCpu): Profile {
  const { columns, ...profile } = profileOf(text)
  return { ...profile, columns: [{ event, unit: 'nanoseconds', self: columns[0]!.self }] }
}

describe('the verdict on waiting', () => {
  test('is about what holds threads up, however wide the idle ones are', () => {
    const profile = timeOf(
      `worker;pool;pthread_cond_wait;kernel:futex_wait;${schedule} 900\n` +
        `main;handle;write_log;kernel:vfs_fsync_range;kernel:io_schedule;${schedule} 100`,
    )
    const { headline, evidence, next, leaves } = classify(profile, 0, { pid: 42 })
    expect(headline).toBe('10 % of the waiting is for disk. Start there.')
    expect(evidence[0]).toBe('Of the waiting: other threads 90 %, disk 10 %.')
    expect(leaves.map(({ name }) => name)).toEqual([
      'pthread_cond_wait from pool',
      'write_log from handle',
    ])
    expect(next[0]!.command).toBe('cat /proc/42/io')
  })

  test('says of a healthy service that it waits for work', () => {
    const { headline } = classify(timeOf(`main;loop;kernel:ep_poll;${schedule} 5`))
    expect(headline).toBe(
      '100 % of the waiting is threads that wait for something to do: nothing holds them up.',
    )
  })

  test('counts the CPU apart where it was sampled', () => {
    const builder = new ProfileBuilder()
    const [wall, on] = [timeEvents.wall, timeEvents.onCpu].map(event => {
      return builder.column(event, 'nanoseconds')
    })
    const main = builder.stack(noCaller, builder.frame({ name: 'main', kind: 'native' }))
    const kernel = builder.frame({ name: 'do_nanosleep', kind: 'kernel' })
    const sleep = builder.stack(main, kernel)
    builder.add(main, wall!, 300)
    builder.add(main, on!, 300)
    builder.add(sleep, wall!, 700)
    expect(classify(builder.build()).evidence[0]).toBe(
      "Of the threads' time: time to pass 70 %, on-CPU 30 %.",
    )
  })

  test('is that of a hairball where nothing can be read', () => {
    const { shape, next } = classify(timeOf('unknown:a;unknown:b;kernel:schedule 1'))
    expect(shape).toBe('hairball')
    expect(next[0]!.command).toContain('readelf')
  })

  test('holds nothing that the target chose', () => {
    const { next } = classify(timeOf(`$(touch /tmp/x);kernel:tcp_recvmsg 1`), 0, { pid: -1 })
    expect(next.map(({ command }) => command).join()).not.toMatch(/touch|-1/)
  })
})
