// What a thread waits for, told by the functions of the stack that it left its
// core with.
//
// The kernel's function nearest to the leaf says it: everything above it only
// serves that wait. Where the kernel's names are hidden, the program's system
// calls say it less finely. A futex is both a lock and the way in which idle
// workers wait for work, so there the program's own frames decide.
//
// A name that ends in `*` is a prefix.

import { type NameRow, nameTable } from './name-table.ts'
import { noCaller, type Profile } from './profile.ts'
import { waitingEvents } from './waiting.ts'

/** What is waited for, in the words that people read. `on-CPU` is no wait. */
export type Wait =
  | 'on-CPU'
  | 'a core'
  | 'a lock'
  | 'disk'
  | 'network'
  | 'pipes'
  | 'child processes'
  | 'page faults'
  | 'a futex'
  | 'other threads'
  | 'time to pass'
  | 'descriptors'
  | 'signals'
  | 'blocked before the start'
  | 'something else'

/** Waits of a thread that has nothing to do: wide in every healthy service. */
export const idleWaits: ReadonlySet<Wait> = new Set([
  'other threads',
  'time to pass',
  'descriptors',
  'signals',
  'blocked before the start',
])

type Row = NameRow<Wait>

export const kernelWaits: readonly Row[] = [
  {
    means: 'disk',
    why: 'a page or a buffer that is read or written, and what file systems wait for themselves',
    names: [
      'io_schedule*',
      'folio_wait_bit*',
      'wait_on_page_bit*',
      'bit_wait_io*',
      'submit_bio_wait',
      'blk_mq_get_tag',
      'rq_qos_wait',
      'jbd2_*',
      'ext4_*',
      'xfs_*',
      'btrfs_*',
      'nfs_*',
      'fuse_*',
      'vfs_fsync*',
      'do_fsync',
    ],
  },
  {
    means: 'network',
    why: 'sockets of every family, local ones among them',
    names: [
      'tcp_*',
      'udp_*',
      'inet_*',
      'inet6_*',
      'sk_wait*',
      'sk_stream_wait*',
      '__skb_wait*',
      'unix_*',
      'vsock_*',
      'netlink_*',
      'sock_recvmsg*',
      'sock_sendmsg*',
      '__sys_accept*',
      '__sys_connect*',
    ],
  },
  {
    means: 'descriptors',
    why: 'epoll, poll, select and io_uring: nothing has come yet',
    names: [
      'ep_poll',
      'do_epoll_wait',
      'do_epoll_pwait*',
      'do_select',
      'do_poll*',
      'do_sys_poll',
      'io_cqring_wait',
      'read_events',
    ],
  },
  {
    means: 'time to pass',
    why: 'sleep in all its forms',
    names: ['do_nanosleep', 'hrtimer_nanosleep', 'common_nsleep*', '__x64_sys_nanosleep'],
  },
  {
    means: 'pipes',
    why: 'pipes, eventfd and terminals',
    names: [
      'pipe_*',
      'anon_pipe_*',
      'eventfd_read',
      'n_tty_*',
      'tty_read',
      'fifo_open',
      'wait_for_partner',
    ],
  },
  {
    means: 'child processes',
    why: 'wait, waitpid, waitid, and the child of a vfork',
    names: ['do_wait', 'kernel_wait*', 'wait_for_vfork_done', 'kernel_clone'],
  },
  {
    means: 'signals',
    why: 'sigwait, pause, and a process that was stopped',
    names: ['do_sigtimedwait', 'sigsuspend', '__x64_sys_pause', 'do_signal_stop', 'ptrace_stop'],
  },
  {
    means: 'a futex',
    why: 'what locks, conditions and semaphores of programs are made of',
    names: ['futex_*', '__futex_*', 'do_futex'],
  },
  {
    means: 'a lock',
    why: 'locks of the kernel: of the address space, of a directory, of a file',
    names: [
      'rwsem_down_*',
      'down_*',
      '__mutex_lock*',
      'mutex_lock*',
      'locks_lock_*',
      'flock_lock*',
    ],
  },
  {
    means: 'a core',
    why: 'preempted: the interrupt that took the core away, or a call that offered it',
    names: [
      'irqentry_exit*',
      'exit_to_user_mode*',
      'preempt_schedule*',
      '__cond_resched',
      'do_sched_yield',
    ],
  },
  {
    means: 'page faults',
    why: 'memory that is brought in',
    names: ['handle_mm_fault', 'do_user_addr_fault', 'asm_exc_page_fault', 'do_swap_page'],
  },
]

/** Functions of a program or its libraries, for a futex, and for where the kernel's names are hidden. */
export const userWaits: readonly Row[] = [
  {
    means: 'a lock',
    why: 'mutexes of libc, the locks that let one thread of an interpreter run, monitors',
    names: [
      'pthread_mutex_*',
      '__pthread_mutex_lock*',
      '___pthread_mutex_lock*',
      '__lll_lock_wait*',
      'pthread_rwlock_*',
      '__pthread_rwlock_*',
      'take_gil',
      'PyThread_acquire_lock*',
      'PyEval_RestoreThread',
      'gvl_acquire*',
      'thread_sched_to_running*',
      'runtime.lock2*',
      'ObjectMonitor::enter*',
    ],
  },
  {
    means: 'other threads',
    why: 'conditions and semaphores: a worker that waits for work, or for an answer',
    names: [
      'pthread_cond_*',
      '__pthread_cond_*',
      '___pthread_cond_*',
      'sem_*',
      '__new_sem_*',
      'pthread_join',
      'pthread_barrier_wait',
      'runtime.notesleep*',
      'runtime.notetsleep*',
      'runtime.mPark*',
      'runtime.futexsleep*',
      'Unsafe_Park',
      'uv_cond_*',
      'uv_sem_wait',
    ],
  },
  {
    means: 'descriptors',
    why: 'the same calls as in the kernel',
    names: [
      'epoll_wait',
      'epoll_pwait*',
      'poll',
      '__poll',
      'ppoll',
      'select',
      '__select',
      'pselect',
    ],
  },
  {
    means: 'time to pass',
    why: 'the same',
    names: ['nanosleep', 'clock_nanosleep*', '__clock_nanosleep*', 'usleep', 'sleep'],
  },
  {
    means: 'network',
    why: 'the same',
    names: [
      'recv',
      'recvfrom',
      'recvmsg',
      'accept',
      'accept4',
      'connect',
      '__libc_recv*',
      '__libc_accept*',
    ],
  },
  { means: 'child processes', why: 'the same', names: ['wait4', 'waitpid', '__waitpid', 'waitid'] },
]

type Table = (name: string) => Wait | undefined

export const waitInKernel: Table = nameTable(kernelWaits)
const waitOfCall: Table = nameTable(userWaits)
// How glibc calls itself, past its own table of symbols.
export const waitInProgram: Table = name => waitOfCall(name.replace(/^__GI_/, ''))

const rootWaits = new Map<string, Wait>([
  [waitingEvents.onCpu, 'on-CPU'],
  [waitingEvents.preempted, 'a core'],
  [waitingEvents.before, 'blocked before the start'],
])

/** For each stack what a thread that left its core there waits for. */
export function waitsOf({ frames, stacks }: Profile): readonly Wait[] {
  // Of each frame what it says: at the root, in the kernel, in the program.
  const said = frames.map(({ name, kind }) => ({
    root: kind === 'thread' ? rootWaits.get(name) : undefined,
    kernel: kind === 'kernel' ? waitInKernel(name) : undefined,
    program: kind === 'kernel' || kind === 'thread' ? undefined : waitInProgram(name),
  }))
  // Of each stack the same, with what its callers say.
  const held: (typeof said)[number][] = []
  const waits: Wait[] = []
  for (let stack = 0; stack < stacks.length; stack++) {
    const own = said[stacks.frame[stack]!]!
    const caller = stacks.caller[stack] === noCaller ? undefined : held[stacks.caller[stack]!]
    // A lock is made of conditions in some runtimes: whoever calls it a lock is right.
    const program = caller?.program === 'a lock' ? 'a lock' : (own.program ?? caller?.program)
    const all = {
      root: caller?.root ?? own.root,
      kernel: own.kernel ?? caller?.kernel,
      program,
    }
    held.push(all)
    const byFrames = all.kernel === 'a futex' ? (program ?? 'a futex') : (all.kernel ?? program)
    waits.push(all.root ?? byFrames ?? 'something else')
  }
  return waits
}
