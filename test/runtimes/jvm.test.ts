// What stands in the way of sampling a JVM, from the facts of this very process
// and privileges as they may be.

import { describe, expect, test } from 'vitest'
import { unasked } from '../../agent/runtimes/answers.ts'
import { fingerprint, runtimes } from '../../agent/runtimes/index.ts'
import type { AsprofCapture, CaptureAsk, Privileges } from '../../agent/runtimes/runtime.ts'
import { type ProcessFacts, withFacts } from '../../agent/target/facts.ts'
import { fixture } from '../goldens.ts'
import { everything } from '../privileges.ts'

const library = '/opt/jdk/lib/server/libjvm.so'
const sigquit = 1n << 2n
/** SIGQUIT, as every JVM does, and another one. */
const handled = (signal: number) => sigquit | (1n << BigInt(signal - 1))

const root: Privileges = {
  ...everything,
  answers: unasked,
  capabilities: new Set([
    ...['SYS_PTRACE', 'PERFMON', 'SYSLOG', 'KILL', 'DAC_OVERRIDE', 'SETUID', 'SETGID'],
  ]),
  tools: new Map([
    ['perf', '/usr/bin/perf'],
    ['asprof', '/opt/asprof/bin/asprof'],
  ]),
  profilerLibrary: '/opt/asprof/lib/libasyncProfiler.so',
}

/** A JVM of uid 1000, made of our own facts. */
function withJvm<T>(changes: Partial<ProcessFacts>, use: (facts: ProcessFacts) => T): T {
  return withFacts(process.pid, facts =>
    use({
      ...facts,
      uid: 1000,
      gid: 1000,
      nspid: 1,
      mappedFiles: [library],
      argv: ['java', 'Shop'],
      libc: 'glibc',
      caughtSignals: sigquit,
      tracerPid: 0,
      seccomp: 0,
      effectiveCapabilities: 0n,
      sharesPids: true,
      sharesNetwork: true,
      environment: () => undefined,
      search: () => undefined,
      readFile: () => undefined,
      kindOf: path => (path === '/tmp' ? 'folder' : undefined),
      takes: () => ({ files: true, programs: true }),
      kernelHertz: () => 250,
      ...changes,
    }),
  )
}

interface Case {
  readonly facts?: Partial<ProcessFacts>
  readonly privileges?: Partial<Privileges>
  readonly ask?: Partial<CaptureAsk>
}

const ask: CaptureAsk = { mode: 'cpu', hertz: 999, durationMs: 1000 }
const jvm = runtimes.find(({ title }) => title === 'OpenJDK')!

/** Of each strategy, in order: its name, and what blocks or degrades it. */
function weighed({ facts = {}, privileges = {}, ask: asked = {} }: Case) {
  const whole = { ...ask, ...asked }
  return withJvm(facts, jvmFacts =>
    jvm.strategies
      .filter(({ modes }) => modes.includes(whole.mode))
      .map(strategy => {
        const obstacles = strategy.obstacles(jvmFacts, { ...root, ...privileges }, whole)
        const sentences = (effect: string) =>
          obstacles
            .filter(each => each.effect === effect)
            .map(({ what, grant }) => `${what}: ${grant}`)
        return { name: strategy.name, blocks: sentences('blocks'), degrades: sentences('degrades') }
      }),
  )
}

function without(...names: string[]): Partial<Privileges> {
  return { capabilities: new Set([...root.capabilities].filter(name => !names.includes(name))) }
}

describe('the strategies for CPU time', () => {
  test('go from our perf events to those of the target, to the timer, to JFR, to perf', () => {
    const all = weighed({})
    expect(all.map(({ name }) => name)).toEqual([
      'async-profiler with our perf events',
      "async-profiler with the target's perf events",
      "async-profiler with the kernel's timer",
      'the flight recorder of Java',
      'perf',
    ])
    expect(all.flatMap(({ blocks }) => blocks)).toEqual([])
    expect(all[0]!.degrades).toEqual([])
  })

  test('say beforehand that the timer has the rate of the tick, and ask for no more', () => {
    expect(weighed({})[2]!.degrades.join()).toContain('ticks 250 times a second')
    expect(weighed({ ask: { hertz: 99 } })[2]!.degrades.join()).not.toContain('ticks')
    const unknown = weighed({ facts: { kernelHertz: () => undefined } })
    expect(unknown[2]!.degrades.join()).toContain('is not known here')
    const [, , timer] = jvm.strategies
    const capture = withJvm({}, facts => timer!.capture(facts, root, ask)) as AsprofCapture
    expect(capture).toMatchObject({ hertz: 250, options: ['event=ctimer', 'interval=4000000'] })
  })

  test('tell the interval in whole nanoseconds, so that the rate is what was asked', () => {
    const [first] = jvm.strategies
    const optionsAt = (hertz: number) =>
      (withJvm({}, facts => first!.capture(facts, root, { ...ask, hertz })) as AsprofCapture)
        .options
    expect(optionsAt(999)).toEqual(['event=cpu-clock', 'interval=1001001'])
    expect(optionsAt(99)).toEqual(['event=cpu-clock', 'interval=10101010'])
  })
})

describe('what is in the way of all of async-profiler', () => {
  test.for<[string, Case, RegExp]>([
    ['asprof is missing', { privileges: { tools: new Map() } }, /asprof is not installed here/],
    [
      'its library is missing',
      { privileges: { profilerLibrary: undefined } },
      /libasyncProfiler\.so is not installed/,
    ],
    [
      'files may not be reached',
      { privileges: { canReadFiles: false } },
      /files of process \d+ may not be read/,
    ],
    ['signals may not be sent', { privileges: { canSignal: false } }, /add the capability KILL/],
    ['a debugger', { facts: { tracerPid: 4711 } }, /is traced by process 4711/],
    [
      'a profiler that samples by the same signal',
      { facts: { mappedFiles: [library, '/tmp/libjavaProfiler7.so'], caughtSignals: handled(27) } },
      /Datadog's profiler is at work in the JVM by SIGPROF.*is left alone/,
    ],
    [
      'a handler of nobody knows whom',
      { facts: { caughtSignals: handled(27) } },
      /a profiler that is not known here is at work in the JVM by SIGPROF/,
    ],
    [
      'a flag on the command line',
      { facts: { argv: ['java', '-XX:+DisableAttachMechanism'] } },
      /DisableAttachMechanism/,
    ],
    [
      'a flag that the JVM tells of itself',
      {
        facts: {
          mappedFiles: [library, '/tmp/hsperfdata_shop/1'],
          readFile: path => (path.includes('hsperf') ? hsperfdata : undefined),
        },
      },
      /DisableAttachMechanism/,
    ],
    ['SIGQUIT is not caught', { facts: { caughtSignals: 0n } }, /-Xrs/],
    ['no /tmp', { facts: { kindOf: () => undefined } }, /no folder \/tmp/],
    ['/tmp is a link', { facts: { kindOf: () => 'link' } }, /no folder \/tmp/],
    [
      '/tmp is read-only',
      { facts: { takes: () => ({ files: false, programs: false }) } },
      /\/tmp of the target cannot be written to/,
    ],
    [
      'everything is noexec',
      { facts: { takes: () => ({ files: true, programs: false }) } },
      /its \/tmp is noexec/,
    ],
    [
      'no DAC_OVERRIDE, and no way to become the user',
      { privileges: without('DAC_OVERRIDE', 'SETUID') },
      /add the capability DAC_OVERRIDE/,
    ],
    [
      'Java 8, and no way to become its user',
      {
        facts: { mappedFiles: ['/opt/jdk8/jre/lib/amd64/server/libjvm.so'] },
        privileges: without('SETUID'),
      },
      /capabilities SETUID and SETGID/,
    ],
  ])('%s', ([, given, words]) => {
    for (const { name, blocks } of weighed(given)) {
      if (name.startsWith('async-profiler')) expect(blocks.join('\n'), name).toMatch(words)
    }
  })

  test('is not a JVM that listens already: it needs no signal', () => {
    const kindOf = (path: string) => (path === '/tmp/.java_pid1' ? 'socket' : 'folder')
    const [first] = weighed({
      facts: { kindOf, caughtSignals: 0n },
      privileges: { canSignal: false },
    })
    expect(first!.blocks).toEqual([])
  })

  test('is not a flag that was taken back', () => {
    const argv = ['java', '-XX:+DisableAttachMechanism', '-XX:-DisableAttachMechanism']
    expect(weighed({ facts: { argv } })[0]!.blocks).toEqual([])
  })
})

describe('what is in the way of the flight recorder', () => {
  const recorder = (given: Case) =>
    weighed(given).find(({ name }) => name === 'the flight recorder of Java')!
  const withRelease = (text: string): Case => ({
    facts: {
      readFile: path => (path === '/opt/jdk/release' ? Buffer.from(text) : undefined),
    },
  })

  test.for<[string, Case, RegExp]>([
    [
      'attaching is disabled',
      { facts: { argv: ['java', '-XX:+DisableAttachMechanism'] } },
      /DisableAttachMechanism/,
    ],
    ['Java 8', withRelease('JAVA_VERSION="1.8.0_392"\n'), /an older one.*: Java 11/],
    [
      'a Java without its module',
      withRelease('JAVA_VERSION="17.0.1"\nMODULES="java.base jdk.jfr.not java.logging"\n'),
      /without the module jdk\.jfr/,
    ],
    [
      'it is switched off',
      { facts: { argv: ['java', '-XX:-FlightRecorder'] } },
      /-XX:-FlightRecorder/,
    ],
    [
      'no folder takes files',
      { facts: { takes: () => ({ files: false, programs: false }) } },
      /no folder of the target takes files/,
    ],
    ['signals may not be sent', { privileges: { canSignal: false } }, /add the capability KILL/],
  ])('%s', ([, given, words]) => {
    expect(recorder(given).blocks.join('\n')).toMatch(words)
  })

  test('is neither a missing tool, nor a /tmp where nothing may be executed', () => {
    expect(recorder({ privileges: { tools: new Map() } }).blocks).toEqual([])
    const takes = () => ({ files: true, programs: false })
    expect(recorder({ facts: { takes } }).blocks).toEqual([])
  })

  test('is nothing where Java has its module, or does not say', () => {
    const text = 'JAVA_VERSION="17.0.1"\nMODULES="java.base jdk.jfr java.logging"\n'
    expect(recorder(withRelease(text)).blocks).toEqual([])
    expect(recorder({}).blocks).toEqual([])
  })

  test('but what it lacks is said: its rate, and code without debug information', () => {
    expect(recorder({}).degrades.join()).toContain('so the rate is 100 Hz, not 999')
    expect(recorder({ ask: { hertz: 99 } }).degrades.join()).not.toContain('the rate is')
    expect(recorder({}).degrades.join()).toContain('-XX:+DebugNonSafepoints')
    const argv = ['java', '-XX:+UnlockDiagnosticVMOptions', '-XX:+DebugNonSafepoints']
    expect(recorder({ facts: { argv } }).degrades.join()).not.toContain('DebugNonSafepoints')
  })

  test.for([
    [99, 10, 100],
    [100, 10, 100],
    [49, 20, 50],
    [30, 33, 30.3],
    [1, 1000, 1],
  ] as const)('at %i Hz it looks every %i ms, which is %f Hz', ([hertz, periodMs, real]) => {
    const strategy = jvm.strategies.find(({ tool }) => tool === 'jfr')!
    const capture = withJvm({}, facts => strategy.capture(facts, root, { ...ask, hertz }))
    expect(capture).toMatchObject({ periodMs, hertz: real, folder: '/tmp' })
  })
})

describe('what is in the way of handing over perf events', () => {
  test.for<[string, Case, RegExp]>([
    ['no PERFMON', { privileges: without('PERFMON') }, /add the capability PERFMON/],
    ['a kernel without', { privileges: { perfEventParanoid: undefined } }, /CONFIG_PERF_EVENTS/],
    ['a refusal', { privileges: { answers: { ...unasked, perfKernel: 'EACCES' } } }, /PERFMON/],
    ['another PID namespace', { facts: { sharesPids: false } }, /shareProcessNamespace/],
    ['another network', { facts: { sharesNetwork: false } }, /shares its network/],
    ['no SETUID', { privileges: without('SETUID') }, /SETUID and SETGID/],
  ])('%s', ([, given, words]) => {
    const [ours, theirs] = weighed(given)
    expect(ours!.blocks.join('\n')).toMatch(words)
    if (given.privileges?.perfEventParanoid !== undefined || given.facts !== undefined) {
      expect(theirs!.blocks).toEqual([])
    }
  })

  test('frames of the kernel are there where the target may see them', () => {
    const kernel = /frames of the kernel are left out: add the capability PERFMON/
    const second = (given: Case) =>
      weighed({ ...given, privileges: { ...without('PERFMON'), ...given.privileges } })[1]!
    expect(second({}).degrades.join()).toMatch(kernel)
    expect(second({ privileges: { perfEventParanoid: 1 } }).degrades).toEqual([])
    expect(second({ facts: { effectiveCapabilities: 1n << 21n } }).degrades).toEqual([])
  })

  test('a seccomp filter is said of the way in which the target opens them', () => {
    const [ours, theirs] = weighed({ facts: { seccomp: 2 } })
    expect(ours!.degrades).toEqual([])
    expect(theirs!.degrades.join()).toContain('seccomp')
    const [, allowed] = weighed({ facts: { seccomp: 2, effectiveCapabilities: 1n << 38n } })
    expect(allowed!.degrades.join()).not.toContain('seccomp')
  })
})

describe('the capture', () => {
  const first = (facts: Partial<ProcessFacts>, privileges: Partial<Privileges> = {}) =>
    withJvm(facts, jvmFacts =>
      jvm.strategies[0]!.capture(jvmFacts, { ...root, ...privileges }, ask),
    ) as AsprofCapture

  test('puts its library where it may be executed', () => {
    expect(first({}).folder).toBe('/tmp')
    const takes = (folder: string) => ({ files: true, programs: folder === '/opt' })
    expect(first({ takes }).folder).toBe('/opt')
  })

  test('connects as the user of the target only where it has to', () => {
    expect(first({}).asTarget).toBe(false)
    expect(first({}, without('DAC_OVERRIDE')).asTarget).toBe(true)
    expect(first({ mappedFiles: ['/jdk8/jre/lib/amd64/server/libjvm.so'] }).asTarget).toBe(true)
    expect(first({}, { uid: 1000, gid: 1000, capabilities: new Set() }).asTarget).toBe(false)
  })

  test('keeps the library in its place for musl, whose loader knows it by its file', () => {
    expect(first({ libc: 'glibc' }).reusesLibrary).toBe(true)
    expect(first({ libc: 'musl' }).reusesLibrary).toBe(false)
  })
})

describe('a fingerprint', () => {
  const versionOf = (changes: Partial<ProcessFacts>) =>
    withJvm(changes, facts => fingerprint(facts)[0]!)

  test.for([
    [library, '/opt/jdk/release'],
    ['/opt/jdk8/jre/lib/amd64/server/libjvm.so', '/opt/jdk8/release'],
    ['/opt/jre8/lib/amd64/server/libjvm.so', '/opt/jre8/release'],
  ] as const)('of %s has the version in %s', ([mapped, release]) => {
    const readFile = (path: string) =>
      path === release ? Buffer.from('IMPLEMENTOR="X"\nJAVA_VERSION="1.8.0_392"\n') : undefined
    const found = versionOf({ mappedFiles: [mapped], readFile })
    expect(found).toMatchObject({ version: '1.8.0_392', evidence: `maps ${mapped}` })
    expect(found.runtime.title).toBe('OpenJDK')
  })

  test('without a release has the version that the JVM tells of itself', () => {
    const mappedFiles = [library, '/tmp/hsperfdata_shop/1']
    const readFile = (path: string) => (path.includes('hsperf') ? hsperfdata : undefined)
    expect(versionOf({ mappedFiles, readFile }).version).toBe('17.0.15')
  })

  test('without either has the one in the library, or none', () => {
    const line = 'OpenJDK 64-Bit Server VM (21.0.2+13-LTS) for linux-amd64 JRE'
    expect(versionOf({ search: (_, pattern) => pattern.exec(line) ?? undefined }).version).toBe(
      '21.0.2+13-LTS',
    )
    expect(versionOf({}).version).toBe('unknown')
  })

  test('of OpenJ9 is its own', () => {
    const found = versionOf({ mappedFiles: ['/opt/semeru/lib/default/libj9vm29.so'] })
    expect(found.runtime.title).toBe('OpenJ9')
    expect(found.runtime.strategies.map(({ tool }) => tool)).toEqual(['perf'])
  })

  test('of a native image is its own, and no JVM', () => {
    const section = { name: '.svm_heap' }
    const found = withJvm({ mappedFiles: ['/srv/shop'] }, facts =>
      fingerprint({
        ...facts,
        elf: facts.elf && { ...facts.elf, sections: [...facts.elf.sections, section as never] },
      }).map(({ runtime }) => runtime.title),
    )
    expect(found).toContain('GraalVM native image')
    expect(found).not.toContain('OpenJDK')
  })
})

const hsperfdata = fixture('hsperfdata/17/hsperfdata')
