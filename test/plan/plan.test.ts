// Plans, from the facts of this very process and privileges as they may be.

import { describe, expect, test } from 'vitest'
import { plan } from '../../agent/plan/plan.ts'
import { fingerprint } from '../../agent/runtimes/index.ts'
import type { Privileges } from '../../agent/runtimes/runtime.ts'
import { type ProcessFacts, withFacts } from '../../agent/target/facts.ts'
import { everything } from '../privileges.ts'

const ask = { mode: 'cpu', hertz: 999, durationMs: 1000 } as const

// A Python process of uid 1000, made of our own facts: what is not said stays true.
function python<T>(use: (facts: ProcessFacts) => T): T {
  return withFacts(process.pid, facts => {
    return use({
      ...facts,
      uid: 1000,
      executable: '/usr/bin/python3.11',
      mappedFiles: [],
      argv: ['python3.11'],
      environment: () => undefined,
      search: () => undefined,
    })
  })
}

function planFor(privileges: Partial<Privileges>, tool?: 'perf' | 'py-spy') {
  return python(facts =>
    plan(facts, fingerprint(facts), { ...everything, ...privileges }, { ...ask, tool }),
  )
}

describe('the mode', () => {
  const planMode = (
    mode: 'cpu' | 'off-cpu' | 'both' | 'wall',
    privileges: Partial<Privileges> = {},
  ) =>
    python(facts =>
      plan(
        { ...facts, switchesPerSecond: () => 50_000 },
        fingerprint(facts),
        { ...everything, ...privileges },
        { ...ask, mode, tool: 'perf' },
      ),
    )

  test.for(['off-cpu', 'both', 'wall'] as const)('%s times the switches of threads', mode => {
    const [capture] = planMode(mode).captures
    expect(capture).toMatchObject({
      tool: 'perf',
      mode,
      switches: { period: 7, copyingPeriod: 101 },
    })
  })

  test('of a target that switches all the time is said to slow it', () => {
    expect(planMode('off-cpu').remarks.join()).toMatch(
      /switches 50,000 times a second: timing them slows it by some 10 % of a core/,
    )
    expect(planMode('cpu').remarks).not.toContainEqual(expect.stringContaining('switches'))
  })

  test('cpu does not', () => {
    expect(planMode('cpu').captures[0]).not.toHaveProperty('switches')
  })

  test('off-cpu needs to see into the kernel, cpu does not', () => {
    const without = { capabilities: new Set(['SYS_PTRACE']), perfEventParanoid: 2 }
    expect(() => planMode('off-cpu', without)).toThrowError(/PERFMON/)
    expect(planMode('cpu', without).captures).toHaveLength(1)
    expect(planMode('off-cpu', { ...without, perfEventParanoid: 1 }).captures).toHaveLength(1)
  })
})

describe('a plan', () => {
  test('takes the first strategy that nothing blocks, and keeps the others to fall back on', () => {
    const { captures, remarks } = planFor({})
    expect(captures.map(({ tool }) => tool)).toEqual(['py-spy', 'perf'])
    expect(remarks).toEqual([])
  })

  test('says why a better tool is passed over, and what the chosen one lacks', () => {
    const { captures, remarks } = planFor({ canAttach: false })
    expect(captures.map(({ tool }) => tool)).toEqual(['perf'])
    expect(remarks.join('\n')).toMatch(
      /py-spy is not used: the memory of process \d+ may not be read/,
    )
    expect(remarks.join('\n')).toContain('perf sees the interpreter')
  })

  test('takes the tool that was named', () => {
    expect(planFor({}, 'perf').captures.map(({ tool }) => tool)).toEqual(['perf'])
  })

  test('says what to grant when everything is blocked', () => {
    const nobody = { uid: 65534, capabilities: new Set<string>(), canAttach: false }
    expect(() => planFor(nobody)).toThrow(
      expect.objectContaining({
        code: 'SP_NOT_PERMITTED',
        exit: 4,
        message: expect.stringMatching(/py-spy: .*SYS_PTRACE.*perf: .*PERFMON/),
      }),
    )
  })

  test('tells a missing tool from a missing permission', () => {
    expect(() => planFor({ tools: new Map() })).toThrow(
      expect.objectContaining({ code: 'SP_TOOL_MISSING' }),
    )
  })

  test('refuses a tool that cannot sample the runtime', () => {
    withFacts(process.pid, facts => {
      expect(() => plan(facts, fingerprint(facts), everything, { ...ask, tool: 'py-spy' })).toThrow(
        expect.objectContaining({ code: 'SP_TOOL_UNSUITABLE', exit: 2 }),
      )
    })
  })

  test('says before the capture that the kernel clamps the rate', () => {
    const { remarks } = planFor({ perfMaxHertz: 500 }, 'perf')
    expect(remarks.join('\n')).toContain('clamps perf to 500 Hz')
  })

  test('says that kernel frames will be missing', () => {
    const limited = { uid: 1000, capabilities: new Set<string>() }
    expect(planFor(limited, 'perf').remarks.join('\n')).toContain('kernel frames are left out')
  })
})
