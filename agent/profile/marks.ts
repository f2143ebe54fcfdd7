// What a frame's name says about the work: garbage collection, waiting for a
// lock, sleeping, page faults.
//
// The names are those of the functions that only that work calls, so a stack
// that holds one is doing it. Not in the table on purpose: functions under
// which the program's own work runs too (`uv__io_poll` calls the callbacks,
// `runtime.mallocgc` is every allocation, `_PyEval_Vector` every call).
//
// A name that ends in `*` is a prefix. Compilers append `.isra.0`,
// `.constprop.0`, `.part.0` and `.cold`, and linkers `@plt`: those are cut first.

import { nameTable } from './name-table.ts'

/** The work, in the words that people read. */
export type Work = 'garbage collection' | 'locks' | 'idle' | 'page faults'

interface NameRow {
  readonly work: Work
  /** Whose names these are, and why a stack that holds one does this work. */
  readonly why: string
  readonly names: readonly string[]
}

export const nameRows: readonly NameRow[] = [
  {
    work: 'garbage collection',
    why: 'V8: the collectors and their tasks; `(garbage collector)` is what a cpuprofile says',
    names: [
      '(garbage collector)',
      'v8::internal::Heap::CollectGarbage*',
      'v8::internal::Heap::PerformGarbageCollection*',
      'v8::internal::MarkCompactCollector::*',
      'v8::internal::MarkingVisitor*',
      'v8::internal::ConcurrentMarking*',
      'v8::internal::IncrementalMarking::*',
      'v8::internal::Scavenger*',
      'v8::internal::Sweeper::*',
    ],
  },
  {
    work: 'garbage collection',
    why: 'CPython: the cycle collector; reference counts are not visible as functions',
    names: [
      'PyGC_Collect',
      '_PyGC_Collect',
      '_PyGC_CollectNoFail',
      'gc_collect_main',
      'gc_collect_generations',
      'gc_collect_region',
      'gc_collect_young',
      'gc_collect_increment',
      'gc_collect_full',
      'deduce_unreachable',
      'subtract_refs',
      'move_unreachable',
      'visit_decref',
      'visit_reachable',
    ],
  },
  {
    work: 'garbage collection',
    why: 'HotSpot: G1, Parallel, Serial, Z and Shenandoah, by class and by the names of their threads',
    names: [
      'G1CollectedHeap::*',
      'G1ParScanThreadState::*',
      'G1ParEvacuateFollowersClosure::*',
      'G1ConcurrentMark*',
      'G1CM*',
      'G1FullCollector::*',
      'G1RemSet::*',
      'PSPromotionManager::*',
      'PSParallelCompact*',
      'PSScavenge::*',
      'ParallelScavengeHeap::collect*',
      'DefNewGeneration::collect*',
      'GenMarkSweep::*',
      'GenCollectedHeap::do_collection*',
      'SerialHeap::do_collection*',
      'ZMark::*',
      'ZRelocate::*',
      'ZDriverMinor::gc*',
      'ZDriverMajor::gc*',
      'ShenandoahConcurrent*',
      'ShenandoahMark*',
      'GC Thread#*',
      'G1 Conc#*',
      'G1 Main Marker*',
      'G1 Refine#*',
      'ZWorker*',
    ],
  },
  {
    work: 'garbage collection',
    why: 'Go: marking, sweeping, and the assists that an allocating goroutine is made to do',
    names: [
      'runtime.GC',
      'runtime.gcStart*',
      'runtime.gcBgMarkWorker*',
      'runtime.gcDrain*',
      'runtime.gcAssistAlloc*',
      'runtime.gcMark*',
      'runtime.scanobject',
      'runtime.greyobject',
      'runtime.markroot*',
      'runtime.bgsweep',
      'runtime.bgscavenge',
      'runtime.sweepone',
    ],
  },
  {
    work: 'garbage collection',
    why: 'CRuby: mark and sweep, started by an allocation or lazily',
    names: ['rb_gc_start', 'garbage_collect', 'gc_start*', 'gc_mark*', 'gc_sweep*', 'rgengc_*'],
  },
  {
    work: 'garbage collection',
    why: '.NET: workstation and server collector',
    names: ['WKS::gc_heap::*', 'SVR::gc_heap::*', 'WKS::GCHeap::Garbage*', 'SVR::GCHeap::Garbage*'],
  },
  {
    work: 'locks',
    why: 'libc: the slow paths of mutexes, conditions and read-write locks',
    names: [
      'pthread_mutex_lock',
      '__pthread_mutex_lock',
      '___pthread_mutex_lock',
      '__pthread_mutex_lock_full',
      '__lll_lock_wait*',
      '__lll_lock_wake*',
      'pthread_cond_wait',
      'pthread_cond_timedwait',
      '___pthread_cond_*',
      '__pthread_cond_*',
      'pthread_rwlock_*',
      '__pthread_rwlock_*',
      '___pthread_rwlock_*',
      '__futex_abstimed_wait*',
    ],
  },
  {
    work: 'locks',
    why: 'Linux: the futex system call, and contended locks of the kernel itself',
    names: [
      '__x64_sys_futex*',
      '__arm64_sys_futex*',
      '__se_sys_futex*',
      'do_futex',
      'futex_wait*',
      '__futex_wait',
      'futex_wake*',
      'native_queued_spin_lock_slowpath',
      'queued_spin_lock_slowpath',
      'queued_read_lock_slowpath',
      'queued_write_lock_slowpath',
      'rwsem_down_*',
      'rwsem_spin_on_owner',
      '__mutex_lock*',
      'mutex_spin_on_owner',
      'osq_lock',
    ],
  },
  {
    work: 'locks',
    why: 'CPython and CRuby: the one lock that lets a thread run, and locks of the program',
    names: [
      'take_gil',
      'PyEval_AcquireThread',
      'PyThread_acquire_lock*',
      'lock_PyThread_acquire_lock',
      '_PyMutex_LockTimed',
      'rb_mutex_lock',
      'gvl_acquire*',
      'thread_sched_to_running*',
    ],
  },
  {
    work: 'locks',
    why: 'HotSpot and its library: contended monitors and parked threads',
    names: [
      'ObjectMonitor::enter*',
      'ObjectMonitor::wait*',
      'ObjectMonitor::EnterI*',
      'ObjectSynchronizer::enter*',
      'ObjectSynchronizer::inflate*',
      'Unsafe_Park',
      'java.util.concurrent.locks.LockSupport.park*',
      'java/util/concurrent/locks/LockSupport.park*',
      'java.util.concurrent.locks.AbstractQueuedSynchronizer.acquire*',
      'java/util/concurrent/locks/AbstractQueuedSynchronizer.acquire*',
    ],
  },
  {
    work: 'locks',
    why: 'Go and Rust: the contended path of their mutexes',
    names: [
      'runtime.lock2*',
      'runtime.futexsleep',
      'runtime.semacquire1',
      'sync.(*Mutex).lockSlow',
      'internal/sync.(*Mutex).lockSlow',
      'sync.runtime_SemacquireMutex',
      'sync.(*RWMutex).Lock',
      'std::sys::sync::mutex::futex::Mutex::lock_contended*',
      'std::sys::sync::rwlock::futex::RwLock::read_contended*',
      'std::sys::sync::rwlock::futex::RwLock::write_contended*',
      'parking_lot::raw_mutex::RawMutex::lock_slow*',
    ],
  },
  {
    work: 'idle',
    why: 'libc and Linux: waiting for descriptors or for time to pass',
    names: [
      'epoll_wait',
      'epoll_pwait',
      'do_epoll_wait',
      'do_epoll_pwait*',
      '__poll',
      'poll',
      'ppoll',
      'do_sys_poll',
      'select',
      '__select',
      'do_select',
      'nanosleep',
      '__nanosleep',
      'clock_nanosleep*',
      '__clock_nanosleep*',
      'hrtimer_nanosleep',
      'usleep',
    ],
  },
  {
    work: 'idle',
    why: 'Linux: the idle task, which a capture of the whole machine holds',
    names: [
      'swapper',
      'swapper/*',
      'do_idle',
      'cpu_startup_entry',
      'default_idle*',
      'cpuidle_*',
      'intel_idle*',
      'acpi_idle*',
      'pv_native_safe_halt',
      'native_safe_halt',
    ],
  },
  {
    work: 'idle',
    why: 'Go and V8: a scheduler without work; `(idle)` is what a cpuprofile says, `(waiting)` the reader of a BEAM',
    names: [
      '(idle)',
      '(waiting)',
      'runtime.notesleep',
      'runtime.notetsleep*',
      'runtime.netpoll',
      'runtime.usleep*',
    ],
  },
  {
    work: 'page faults',
    why: 'Linux on x86 and ARM: the entry of a fault, so all that it costs is above it',
    names: [
      'asm_exc_page_fault',
      'exc_page_fault',
      'async_page_fault',
      'page_fault',
      'do_user_addr_fault',
      'do_page_fault',
      'do_mem_abort',
    ],
  },
]

/**
 * Functions that stand in a stack several times without recursion in the
 * program: an interpreter's loop runs once for each call that it interprets,
 * and a name for what has none is shared by many functions.
 */
const sharedNames = new Set([
  '_PyEval_EvalFrameDefault',
  '_PyEval_Vector',
  '_PyFunction_Vectorcall',
  '_PyObject_Vectorcall',
  'PyObject_Vectorcall',
  'PyObject_Call',
  '_PyObject_MakeTpCall',
  '_PyObject_Call',
  'method_vectorcall',
  'cfunction_call',
  'vm_exec',
  'vm_exec_core',
  'rb_vm_exec',
  'rb_yield',
  'Interpreter',
  'call_stub',
  'Builtins_InterpreterEntryTrampoline',
  'InterpreterEntryTrampoline',
  '(anonymous)',
  '(anonymous function)',
  'anonymous',
  '<anonymous>',
  '<lambda>',
  '<listcomp>',
  '<dictcomp>',
  '<genexpr>',
  '<module>',
  '<frozen importlib._bootstrap>',
])

export function isSharedName(name: string): boolean {
  return sharedNames.has(name) || name.startsWith('Builtins_')
}

/** The loops of interpreters: what they ran is what a person asks about, and it has no frame of its own. */
const interpreterLoops = [
  {
    means: 'Python',
    why: 'the loop of its interpreter',
    names: ['_PyEval_EvalFrameDefault', 'PyEval_EvalFrameEx', '_PyEval_EvalFrame'],
  },
  {
    means: 'Ruby',
    why: 'the loop of its interpreter',
    names: ['vm_exec_core', 'rb_vm_exec', 'vm_exec'],
  },
  { means: 'PHP', why: 'the loop of its interpreter', names: ['execute_ex'] },
  { means: 'Erlang', why: 'the loop of its interpreter', names: ['process_main'] },
  { means: 'Perl', why: 'the loop of its interpreter', names: ['Perl_runops_standard'] },
  { means: 'Lua', why: 'the loop of its interpreter', names: ['luaV_execute'] },
]

/** The language whose interpreter a function of this name is: `Python`. */
export const interpreterOf: (name: string) => string | undefined =
  nameTable<string>(interpreterLoops)

/** The work that a function of this name does, or undefined for the program's own. */
export const workOf: (name: string) => Work | undefined = nameTable(
  nameRows.map(({ work, ...row }) => ({ ...row, means: work })),
)
