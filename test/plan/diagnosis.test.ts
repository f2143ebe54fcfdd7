// doctor and the plan hold together: for every strategy in every mode, under
// everything that may be granted, what doctor calls blocked is never planned, and
// what it calls first is what is planned.

import { describe, expect, test } from 'vitest'
import { type Mode, modes } from '../../agent/config.ts'
import type { ProfilerError } from '../../agent/errors.ts'
import { diagnose } from '../../agent/plan/diagnosis.ts'
import { leastGrant, privilegesWith } from '../../agent/plan/grants.ts'
import { plan } from '../../agent/plan/plan.ts'
import { type Fingerprint, fingerprint, runtimes } from '../../agent/runtimes/index.ts'
import type { Privileges, Tool } from '../../agent/runtimes/runtime.ts'
import { type ProcessFacts, withFacts } from '../../agent/target/facts.ts'
import { everything } from '../privileges.ts'
import { target, tiers } from './tiers.ts'

const ask = { hertz: 999, durationMs: 1000 }

/** Facts of this very process, as of an ordinary service of uid 1000. */
function ordinary<T>(use: (facts: ProcessFacts) => T): T {
  return withFacts(process.pid, facts => use({ ...facts, ...target, permittedCapabilities: 0n }))
}

/** What the plan does: the strategy's tool, or the code of its refusal. */
function planned(
  facts: ProcessFacts,
  fingerprints: readonly Fingerprint[],
  privileges: Privileges,
  mode: Mode,
  tool?: Tool,
): string {
  try {
    return plan(facts, fingerprints, privileges, { ...ask, mode, tool }).captures[0]!.tool
  } catch (error) {
    return (error as ProfilerError).code
  }
}

const everyTool = new Map(everything.tools)

describe.for(runtimes.map(runtime => [runtime.title, runtime] as const))('%s', ([, runtime]) => {
  const known = [{ runtime, version: 'unknown', evidence: 'said so' }]

  test.for(tiers)('doctor and plan agree: $name', tier => {
    ordinary(facts => {
      for (const tools of [everyTool, new Map<Tool, string>()]) {
        const privileges = privilegesWith(tier, facts, { ...everything, tools })
        const findings = diagnose(facts, known, privileges, ask)
        for (const mode of modes) {
          const offered = findings.filter(finding => finding.mode === mode)
          const first = offered.find(({ status }) => status !== 'blocked')
          const did = planned(facts, known, privileges, mode)
          if (offered.length === 0) expect(did).toBe('SP_TOOL_UNSUITABLE')
          else if (first === undefined) expect(did).toMatch(/^SP_(?:NOT_PERMITTED|TOOL_MISSING)$/)
          else expect(did).toBe(first.tool)
        }
      }
    })
  })
})

test('a process that does not show what it runs is blocked for both', () => {
  ordinary(facts => {
    const nobody = privilegesWith(tiers[0]!, facts, everything)
    const findings = diagnose(facts, [], nobody, ask)
    expect(findings).toMatchObject([{ status: 'blocked', strategy: undefined }])
    expect(findings[0]!.obstacles[0]!.grant).toContain('SYS_PTRACE')
    expect(planned(facts, [], nobody, 'cpu')).toBe('SP_NOT_PERMITTED')
  })
})

describe('the least grant', () => {
  /** For this very process, of which nothing is known but that it is machine code. */
  function least(now: Partial<Privileges> = {}, facts: Partial<ProcessFacts> = {}) {
    return ordinary(own => {
      const whole = { ...own, symbols: 'whole', ...facts } as const
      const native = fingerprint({ ...whole, mappedFiles: [], executable: '/srv/shop' }).at(-1)!
      return leastGrant(whole, native, { ...everything, ...now }, { ...ask, mode: 'cpu' })
    })
  }

  test('is enough, and nothing of it can be left out', () => {
    const found = least()!
    expect(found.enough).toEqual({
      uid: 0,
      gid: 0,
      capabilities: ['PERFMON', 'SYS_PTRACE'],
      seccomp: 'runtime',
    })
    expect(found.full.capabilities).toEqual(['PERFMON', 'SYS_PTRACE', 'SYSLOG'])
  })

  test('says so where nothing is to be gained', () => {
    expect(least()!.isHeld).toBe(true)
    expect(least({ capabilities: new Set(), canReadFiles: false })!.isHeld).toBe(false)
  })

  test('is nothing where perf is not installed', () => {
    expect(least({ tools: new Map() })).toBeUndefined()
  })

  test('is nothing for perf on Fargate, which adds SYS_PTRACE alone', () => {
    const confinement = { ...everything.confinement, sandbox: 'Fargate' } as const
    const answers = { ...everything.answers, perfEvents: 'ENOSYS', perfUser: 'ENOSYS' } as const
    expect(least({ confinement, answers })).toBeUndefined()
  })

  test('does not promise the kernel to a user namespace', () => {
    const confinement = { ...everything.confinement, isUserNamespace: true }
    expect(least({ confinement })!.full.capabilities).not.toContain('SYSLOG')
  })
})
