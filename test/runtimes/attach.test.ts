// Why a process may not be looked into: each reason, with the one thing to grant.
// Those that this machine has are provoked; the others are said as facts.

import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { attachObstacles, capabilityGrant, signalObstacles } from '../../agent/runtimes/attach.ts'
import { runtimes } from '../../agent/runtimes/index.ts'
import { holderOfSignal, otherProfilers, placeNotes } from '../../agent/runtimes/other-profilers.ts'
import { permissionObstacles } from '../../agent/runtimes/perf-permission.ts'
import type { Privileges } from '../../agent/runtimes/runtime.ts'
import { type ProcessFacts, withFacts } from '../../agent/target/facts.ts'
import { describeWith, start, startIsolated } from '../apps/apps.ts'
import { sp } from '../command.ts'
import { everything } from '../privileges.ts'

const service: Partial<ProcessFacts> = { uid: 1000, gid: 1000, isDumpable: true }
const sameUser: Partial<Privileges> = { uid: 1000, gid: 1000, capabilities: new Set() }
const { confinement } = everything

function why(now: Partial<Privileges>, target: Partial<ProcessFacts> = {}): string {
  return withFacts(process.pid, own => {
    const denied = { ...everything, boundingCapabilities: new Set<string>(), canAttach: false }
    const facts = { ...own, ...service, ...target }
    return attachObstacles(facts, { ...denied, ...now })
      .map(({ what, grant }) => `${what.replace(/^.*may not be read(?:: )?/, '')}; ${grant}`)
      .join('\n')
  })
}

describe('a memory that may not be read', () => {
  test.for<[string, Partial<Privileges>, Partial<ProcessFacts>, RegExp]>([
    [
      'another user',
      { ...sameUser, uid: 2000 },
      {},
      /^; run as uid 1000, or add the capability SYS_PTRACE and run as uid 0$/,
    ],
    [
      'another group of the same user',
      { ...sameUser, gid: 2000 },
      {},
      /^; run as gid 1000, or add/,
    ],
    [
      'a capability that was added and not given',
      { ...sameUser, uid: 2000, boundingCapabilities: new Set(['SYS_PTRACE']) },
      {},
      /run as uid 0: SYS_PTRACE may be held here, but uid 2000 does not get it$/,
    ],
    ['a target that is not dumpable', sameUser, { isDumpable: false }, /^it is not dumpable; add/],
    [
      'Yama, for the same user',
      { ...sameUser, confinement: { ...confinement, yamaScope: 1 } },
      {},
      /^Yama forbids it \(ptrace_scope is 1\); add the capability SYS_PTRACE/,
    ],
    [
      'Yama, for everybody',
      { confinement: { ...confinement, yamaScope: 3 } },
      {},
      /^Yama forbids it to everybody .*; a node with kernel\.yama\.ptrace_scope below 3/,
    ],
    [
      'AppArmor',
      { confinement: { ...confinement, label: 'docker-default (enforce)' } },
      { securityLabel: 'shop (enforce)' },
      /^docker-default \(enforce\) may not look into shop \(enforce\); the same AppArmor profile/,
    ],
    [
      'another user namespace',
      { confinement: { ...confinement, isUserNamespace: true } },
      { securityLabel: undefined },
      /^it runs in another user namespace; the same `hostUsers`/,
    ],
    ['capabilities of the target', sameUser, {}, /^it has capabilities that we have not; add/],
  ])('because of %s', ([, now, target, words]) => {
    expect(why(now, target)).toMatch(words)
  })

  test('is no obstacle where it may be', () => {
    expect(why({ canAttach: true })).toBe('')
  })
})

test('a signal that may not be sent asks for KILL', () => {
  withFacts(process.pid, own => {
    const now = { ...everything, canSignal: false }
    expect(signalObstacles({ ...own, ...service }, now)).toMatchObject([
      { effect: 'blocks', grant: 'run as uid 1000 and gid 1000, or add the capability KILL' },
    ])
  })
  expect(capabilityGrant('KILL', everything)).toBe('add the capability KILL')
})

describe.each([0, 1000])('who is uid %i, as the target is,', uid => {
  const nobody: Privileges = {
    ...everything,
    ...{ uid, gid: uid, capabilities: new Set(), boundingCapabilities: new Set() },
    ...{ canAttach: false, canOpenMemory: false, canReadFiles: false, canSignal: false },
  }

  test.for(runtimes)('is not told to become it for $name', ({ strategies }) => {
    withFacts(process.pid, own => {
      const facts = { ...own, uid, gid: uid, listeners: [], denied: ['fd'], elf: undefined }
      const answers = { ...everything.answers, perfEvents: 'EACCES', perfUser: 'EACCES' } as const
      const grants = [nobody, { ...nobody, answers }, { ...nobody, canReadFiles: true }].flatMap(
        privileges =>
          strategies.flatMap(strategy =>
            strategy.modes.flatMap(mode =>
              strategy
                .obstacles(facts, privileges, { mode, hertz: 99, durationMs: 1000 })
                .map(({ grant }) => grant),
            ),
          ),
      )
      expect(grants.length).toBeGreaterThan(0)
      for (const grant of grants) expect(grant).not.toMatch(new RegExp(`run as uid ${uid}(?!\\d)`))
    })
  })
})

describe('perf', () => {
  function perf(now: Partial<Privileges>, mode: 'cpu' | 'off-cpu' = 'cpu'): string {
    return withFacts(process.pid, own => {
      const ask = { mode, hertz: 99, durationMs: 1000 }
      return permissionObstacles({ ...own, ...service }, { ...everything, ...now }, ask)
        .map(({ effect, what, grant }) => `${effect}: ${what}; ${grant}`)
        .join('\n')
    })
  }
  const { answers } = everything

  test.for<[string, Partial<Privileges>, RegExp]>([
    [
      'gVisor',
      { confinement: { ...confinement, sandbox: 'gVisor' } },
      /^blocks: this kernel has no perf events/,
    ],
    [
      'Fargate',
      { confinement: { ...confinement, sandbox: 'Fargate' } },
      /^blocks: Fargate has no perf events; tasks on EC2/,
    ],
    [
      'a kernel without it',
      { answers: { ...answers, perfEvents: 'ENOSYS', perfUser: 'ENOSYS' } },
      /^blocks: this kernel has no perf events/,
    ],
    [
      'a kernel that lets nobody',
      { perfEventParanoid: 4, answers: { ...answers, perfUser: 'EACCES' } },
      /^blocks: this kernel lets nobody use perf \(perf_event_paranoid is 4\); add the capability PERFMON$/,
    ],
    [
      'too little memory to lock',
      { confinement: { ...confinement, lockableKiB: 64 } },
      /^blocks: perf may lock 64 KiB of memory a CPU, and needs 132; sysctl/,
    ],
    [
      'hidden names of the kernel',
      {
        capabilities: new Set(['PERFMON']),
        confinement: { ...confinement, hidesKernelNames: true },
      },
      /^degrades: kernel functions have no names .*; add the capability SYSLOG$/,
    ],
    [
      'a filter whose answer kills',
      {
        answers: { ...answers, perfEvents: 'killed', perfUser: 'killed' },
        capabilities: new Set(),
        confinement: { ...confinement, isFiltered: true },
      },
      /^blocks: seccomp blocks perf_event_open; add the capability PERFMON, or seccomp/,
    ],
  ])('%s', ([, now, words]) => {
    expect(perf(now)).toMatch(words)
  })

  test('without the kernel misses its frames, and blocks what is made of its events', () => {
    const now: Partial<Privileges> = {
      uid: 1000,
      answers: { ...answers, perfUser: 'allowed', perfKernel: 'EACCES' },
    }
    expect(perf(now)).toMatch(/^degrades: kernel frames are left out \(perf_event_paranoid is 2\)/)
    expect(perf(now, 'off-cpu')).toMatch(/^blocks: switches of threads are not shown/)
  })

  test('that the kernel allows is not refused because of a number', () => {
    const allowed = { ...answers, perfUser: 'allowed', perfKernel: 'allowed' } as const
    expect(perf({ answers: allowed, perfEventParanoid: 4, capabilities: new Set() })).toBe('')
  })
})

describeWith(['python3', 'setpriv', 'root'], 'a living process', () => {
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups']

  test('that is not dumpable is said to be so', async () => {
    const hide = 'import ctypes, time; ctypes.CDLL(None).prctl(4, 0); print(1, flush=True)'
    const target = start('setpriv', [
      ...nobody,
      '/usr/bin/python3',
      '-c',
      `${hide}; time.sleep(60)`,
    ])
    await once(target.stdout!, 'data')
    const result = await sp(['doctor', `${target.pid}`, '--json'], {
      under: ['setpriv', ...nobody],
      cwd: '/',
      env: { NODE_COMPILE_CACHE: '' },
    })
    expect(result.stdout.toString()).toContain('its files may not be read: it is not dumpable')
    expect(result.code).toBe(4)
  })

  test('that somebody traces', async () => {
    const program = [
      'import ctypes, os, sys, time',
      'pid = os.fork()',
      'if pid == 0: time.sleep(60)',
      // PTRACE_SEIZE: the target is not stopped.
      'ctypes.CDLL(None).ptrace(0x4206, pid, 0, 0)',
      'print(pid, flush=True)',
      'time.sleep(60)',
    ].join('\n')
    const tracer = start('python3', ['-c', program])
    const pid = Number(String((await once(tracer.stdout!, 'data'))[0]))
    withFacts(pid, facts => {
      expect(otherProfilers(facts)[0]).toMatch(/^process \d+ traces it: its memory can be read/)
    })
    process.kill(pid, 'SIGKILL')
  })

  test.for([
    ['ro', /^its \/tmp is read-only/],
    ['noexec', /^its \/tmp is noexec/],
  ] as const)('whose /tmp is %s', async ([option, words]) => {
    const { pid } = startIsolated(`mount -t tmpfs -o ${option} none /tmp`, ['sleep', '60'])
    await expect.poll(() => withFacts(pid, placeNotes)).toEqual([expect.stringMatching(words)])
  })
})

test.for([
  ['/tmp/libjavaProfiler-8f.so', "Datadog's profiler"],
  ['/app/node_modules/@datadog/pprof/prebuilds/linuxglibc-x64/node-127.node', "Datadog's profiler"],
  ['/opt/datadog/linux-x64/Datadog.Profiler.Native.so', "Datadog's profiler"],
  ['/gems/datadog-2/lib/datadog_profiling_native_extension.3.1.2_x86_64-linux.so', "Datadog's"],
  ['/opt/yourkit/libyjpagent64.so', 'YourKit'],
  ['/opt/perf-map-agent/out/libperfmap.so', 'perf-map-agent'],
  ['/tmp/libpyroscope_ffi.so', 'Pyroscope'],
] as const)('%s is %s', ([file, name]) => {
  withFacts(process.pid, own => {
    expect(otherProfilers({ ...own, mappedFiles: [file], listeners: [] })).toEqual([
      expect.stringMatching(new RegExp(`^${name}.* is loaded in it$`)),
    ])
  })
})

test('a signal has a holder only where somebody handles it who cannot be asked', () => {
  const held = (caughtSignals: bigint, ...mappedFiles: string[]) =>
    holderOfSignal({ caughtSignals, mappedFiles }, 27)
  expect(held(1n << 25n, '/tmp/libjavaProfiler.so')).toBeUndefined()
  expect(held(1n << 26n, '/tmp/libjavaProfiler.so')).toBe("Datadog's profiler")
  expect(held(1n << 26n)).toBe('a profiler that is not known here')
  expect(held(1n << 26n, '/tmp/libasyncProfiler.so', '/opt/libyjpagent.so')).toBeUndefined()
})

test('a profiler in the target is named', () => {
  withFacts(process.pid, own => {
    const mappedFiles = ['/tmp/libasyncProfiler.so', '/opt/libnothing.so']
    const listeners = [{ address: '127.0.0.1', port: 9229 }]
    expect(otherProfilers({ ...own, mappedFiles, listeners })).toEqual([
      'async-profiler is loaded in it',
      'it listens on port 9229: an inspector is open in it',
    ])
    expect(otherProfilers({ ...own, mappedFiles: ['/usr/lib/libc.so.6'], listeners: [] })).toEqual(
      [],
    )
  })
})
