// Each tier of docs/grants.md in a real container: what doctor says there is held
// against what the strategies then really do, and against what was foretold.

import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askKernel } from '../../agent/capture/probe.ts'
import { diagnose, type Finding } from '../../agent/plan/diagnosis.ts'
import { privilegesWith } from '../../agent/plan/grants.ts'
import { readPrivileges } from '../../agent/plan/privileges.ts'
import { fingerprint } from '../../agent/runtimes/index.ts'
import type { Privileges } from '../../agent/runtimes/runtime.ts'
import type { Patient } from '../../agent/session/examine.ts'
import { withFacts } from '../../agent/target/facts.ts'
import { compile, missing } from '../apps/apps.ts'
import type { Attempt, Tried } from '../apps/capture-anyway.ts'
import {
  type Confined,
  type Containers,
  modernProfile,
  type Output,
  openContainers,
  plain,
} from '../apps/containers.ts'
import { type Tier, target, tiers } from '../plan/tiers.ts'

const root = path.resolve(import.meta.dirname, '../..')
const lacking = missing('perf', 'py-spy', 'perl', 'cc', 'podman', 'root')
const title = `in a container${lacking.length > 0 ? ` (skipped for want of ${lacking.join(', ')})` : ''}`

describe.skipIf(lacking.length > 0)(title, () => {
  let containers: Containers
  let pod: string
  let engine: string

  beforeAll(() => {
    const opened = openContainers()
    if ('why' in opened) throw new Error(`containers cannot run here: ${opened.why}`)
    containers = opened
    engine = modernProfile()
    const burn = compile('burn', ['-static'])
    const zeros = path.join(root, 'test/apps/cpython/zeros.py')
    const both = `/burn 300 & exec /usr/bin/python3 ${zeros} 300`
    const how = { ...plain, ...target }
    pod = containers.start(['sh', '-c', both], how, [`${burn}:/burn:ro`])
  })

  afterAll(() => containers?.close())

  /** doctor and then every strategy, whatever doctor said, in one container. */
  async function inTier(how: Confined): Promise<{ said: Said; attempts: readonly Attempt[] }> {
    const script = `${root}/scripts/sp-flamegraph doctor --json; exec node ${root}/test/apps/capture-anyway.ts burn python3`
    const output = await containers.beside(pod, ['sh', '-c', script], how)
    return readBoth(output)
  }

  test.for(tiers)('$name', async tier => {
    const { said, attempts } = await inTier({ ...tier, ...seccompOf(tier, engine) })
    expect(attempts.map(({ comm }) => comm).sort()).toEqual(['burn', 'python3'])
    const isStripped = tier.uid !== 0
    expect(said.us.capabilities.filter(each => isStripped && each !== '')).toEqual([])
    for (const attempt of attempts) {
      const patient = said.targets.find(({ comm }) => comm === attempt.comm)!
      expectTruth(patient, attempt)
      await expectForetold(patient, attempt, tier)
    }
  })

  test('podman 4 refuses perf even to PERFMON, and that is said', async () => {
    const how = { ...plain, capabilities: ['SYS_PTRACE', 'PERFMON'] }
    const engineOfPodman = '/usr/share/containers/seccomp.json'
    const { said, attempts } = await inTier({ ...how, seccomp: engineOfPodman })
    for (const attempt of attempts) {
      const patient = said.targets.find(({ comm }) => comm === attempt.comm)!
      expectTruth(patient, attempt)
      const perf = patient.findings.find(({ tool, mode }) => tool === 'perf' && mode === 'cpu')!
      expect(perf).toMatchObject({
        status: 'blocked',
        obstacles: expect.arrayContaining([
          expect.objectContaining({ what: 'seccomp blocks perf_event_open, even with PERFMON' }),
        ]),
      })
    }
  })

  test.for(['pod', 'debug'])('what --print-patch %s grants is enough', async kind => {
    const how = { ...plain, capabilities: ['SYS_PTRACE'], seccomp: engine }
    const print = `${root}/scripts/sp-flamegraph doctor $(grep -l ^burn$ /proc/[0-9]*/comm | cut -d/ -f3) --print-patch ${kind}`
    const { stdout } = await containers.beside(pod, ['sh', '-c', print], how)
    const patch = grantedBy(stdout)
    expect(patch.capabilities).toEqual(['PERFMON', 'SYS_PTRACE', 'SYSLOG'])
    const { said, attempts } = await inTier({ ...patch, seccomp: engine })
    const burn = said.targets.find(({ comm }) => comm === 'burn')!
    expect(burn.findings[0]).toMatchObject({ status: 'works', obstacles: [] })
    expect(burn.least!.isHeld).toBe(true)
    expectTruth(burn, attempts.find(({ comm }) => comm === 'burn')!)
  })

  async function expectForetold(patient: Patient, attempt: Attempt, tier: Tier): Promise<void> {
    const pid = pidNamed(attempt.comm)
    const answersOf = await askKernel([pid])
    withFacts(pid, facts => {
      const foretold = privilegesWith(tier, facts, readPrivileges(pid, answersOf(pid)))
      const { setns, ...answers } = attempt.can.answers
      expect({ ...attempt.can, answers }).toEqual(capabilitiesOf(foretold))
      // What does not show what it runs has no strategies to compare.
      if (!attempt.isKnown) return expect(foretold.canReadFiles).toBe(false)
      const findings = diagnose(facts, fingerprint(facts), foretold, {
        hertz: 99,
        durationMs: 1000,
      })
      expect(patient.findings.map(look)).toEqual(findings.map(look))
    })
  }

  /** As this machine sees it. */
  function pidNamed(comm: string): number {
    const first = containers.pidOf(pod)
    if (comm === 'python3') return first
    return Number(fs.readFileSync(`/proc/${first}/task/${first}/children`, 'utf8'))
  }
})

/** Read by hand: that it is YAML is held by cli/patch.test.ts. */
function grantedBy(patch: string): Omit<Confined, 'seccomp'> {
  expect(patch).toMatch(/seccompProfile:\n(?: +#.*\n)* +type: RuntimeDefault/)
  return {
    uid: Number(/runAsUser: (\d+)/.exec(patch)![1]),
    gid: Number(/runAsGroup: (\d+)/.exec(patch)![1]),
    capabilities: [...patch.matchAll(/^ +- ([A-Z_]+) #/gm)].map(match => match[1]!),
  }
}

interface Said {
  readonly us: { readonly capabilities: readonly string[] }
  readonly targets: readonly Patient[]
}

function readBoth({ stdout, stderr }: Output): { said: Said; attempts: readonly Attempt[] } {
  const lines = stdout.trim().split('\n')
  if (lines.length !== 2) throw new Error(`${stdout}${stderr}`)
  const [said, { attempts }] = lines.map(line => JSON.parse(line)) as [
    Said,
    { attempts: Attempt[] },
  ]
  return { said, attempts }
}

function capabilitiesOf({ answers: all, confinement, ...can }: Privileges) {
  const { setns, ...answers } = all
  const { canAttach, canOpenMemory, canReadFiles, canSignal } = can
  const { hidesKernelNames } = confinement
  return { canAttach, canOpenMemory, canReadFiles, canSignal, answers, hidesKernelNames }
}

/** Kubernetes gives no added capability to a user that is not root; podman does. */
function seccompOf(tier: Tier, engine: string): Pick<Confined, 'capabilities' | 'seccomp'> {
  return {
    capabilities: tier.uid === 0 ? tier.capabilities : [],
    seccomp: tier.seccomp === 'runtime' ? engine : 'unconfined',
  }
}

function look({ status, mode, strategy, obstacles }: Finding) {
  return { status, mode, strategy, what: obstacles.map(({ what }) => what.replace(/\d+/g, 'N')) }
}

/** What doctor calls blocked gives nothing, and what it says works or is degraded gives what it says. */
function expectTruth(patient: Patient, { isKnown, tried }: Attempt): void {
  if (!isKnown) {
    expect(patient.findings.map(({ status, strategy }) => [status, strategy])).toEqual([
      ['blocked', undefined],
    ])
    return
  }
  for (const attempt of tried) {
    const finding = patient.findings.find(
      ({ strategy, mode }) => strategy === attempt.strategy && mode === attempt.mode,
    )
    if (finding === undefined) throw new Error(`doctor does not know ${attempt.strategy}`)
    expect({ ...attempt, worked: finding.status !== 'blocked' }).toEqual({
      ...attempt,
      worked: attempt.error === undefined,
    })
    if (attempt.error === undefined) expectKernel(patient, finding, attempt)
  }
}

function expectKernel(
  { comm }: Patient,
  { tool, mode, obstacles }: Finding,
  { sees }: Tried,
): void {
  expect(sees.target).toBe(true)
  // Only the one program spends its time in the kernel, and only perf looks there.
  if (tool !== 'perf' || mode !== 'cpu' || comm !== 'python3') return
  const lacks = (words: string) => obstacles.some(({ what }) => what.includes(words))
  expect(sees.kernel).toBe(!lacks('kernel frames are left out'))
  expect(sees.kernelNames).toBe(
    sees.kernel && !lacks('kernel functions have no names (kallsyms is hidden)'),
  )
}
