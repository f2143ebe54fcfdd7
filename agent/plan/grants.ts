// What we could do if we were granted more, and the least that would be enough.
//
// A strategy states its obstacles from the privileges that it is shown. So what
// has to be granted is found by showing it other ones: with everything there is
// it tells the best that can be had, and then one thing after another is taken
// away for as long as nothing is lost. No strategy has to keep a second list,
// and none can contradict its own obstacles.
//
// The trap is the model in the middle: `privilegesWith` foretells what the
// kernel and a usual seccomp profile would answer. The tests hold each line of
// the table in docs/grants.md against real containers.

import type { Answer, Answers } from '../runtimes/answers.ts'
import type { Fingerprint } from '../runtimes/index.ts'
import type { CaptureAsk, Privileges } from '../runtimes/runtime.ts'
import type { ProcessFacts } from '../target/facts.ts'
import { weigh } from './plan.ts'
import { capabilityMask } from './privileges.ts'

export interface Grant {
  readonly uid: number
  readonly gid: number
  readonly capabilities: readonly string[]
  /**
   * `runtime`: that of the container engine, which opens perf_event_open to PERFMON and bpf to BPF;
   * `unconfined`: none.
   */
  readonly seccomp: 'runtime' | 'unconfined'
}

/** The least that makes a strategy work at all, and the least that makes it work as well as it can. */
export interface Least {
  readonly strategy: string
  readonly enough: Grant
  readonly full: Grant
  /** Nothing is to be gained: what we have already is as good. */
  readonly isHeld: boolean
}

/** The most powerful first, so that it is the first to be done without. */
const grantable = [
  'SYS_ADMIN',
  'BPF',
  'CHECKPOINT_RESTORE',
  'DAC_OVERRIDE',
  'SETUID',
  'SETGID',
  'CHOWN',
  'SYSLOG',
  'KILL',
  'SYS_PTRACE',
  'PERFMON',
]

/**
 * @param fingerprint undefined where the target does not show what it runs: then what lets it be seen
 * @returns undefined where no grant lets any strategy work
 */
export function leastGrant(
  facts: ProcessFacts,
  fingerprint: Fingerprint | undefined,
  now: Privileges,
  ask: CaptureAsk,
): Least | undefined {
  // https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_KernelCapabilities.html
  const offered = now.confinement.sandbox === 'Fargate' ? ['SYS_PTRACE'] : grantable
  if (fingerprint === undefined) {
    if (now.canReadFiles) return undefined
    const enough: Grant = { uid: 0, gid: 0, capabilities: ['SYS_PTRACE'], seccomp: 'runtime' }
    const capabilities = ['PERFMON', 'SYS_PTRACE'].filter(name => offered.includes(name))
    return {
      strategy: 'whatever it runs',
      enough,
      full: { ...enough, capabilities },
      isHeld: false,
    }
  }
  const judge = (grant: Grant) =>
    judgement(facts, fingerprint, privilegesWith(grant, facts, now), ask)
  const everything: Grant = { uid: 0, gid: 0, capabilities: offered, seccomp: 'unconfined' }
  const best = judge(everything)
  if (best === undefined) return undefined
  const find = (isGood: (grant: Grant) => boolean): Grant => {
    const { uid, gid } = facts
    const small: Grant[] = (['runtime', 'unconfined'] as const).flatMap(seccomp => [
      { uid, gid, capabilities: [], seccomp },
      reduce({ ...everything, seccomp }, isGood),
    ])
    return small.find(isGood) ?? everything
  }
  const isEnough = (grant: Grant) => judge(grant)?.strategy === best.strategy
  const held = judgement(facts, fingerprint, now, ask)
  return {
    strategy: best.strategy,
    enough: find(isEnough),
    full: find(grant => isEnough(grant) && judge(grant)!.obstacles <= best.obstacles),
    isHeld: held?.strategy === best.strategy && held.obstacles <= best.obstacles,
  }
}

function reduce(grant: Grant, isGood: (grant: Grant) => boolean): Grant {
  let least = grant
  for (const capability of grantable) {
    const capabilities = least.capabilities.filter(each => each !== capability)
    if (isGood({ ...least, capabilities })) least = { ...least, capabilities }
  }
  // Of what is left the least powerful comes first.
  return { ...least, capabilities: least.capabilities.toReversed() }
}

/** The strategy that would be taken, and how much it would lack; none where the target does not even show what it runs. */
function judgement(
  facts: ProcessFacts,
  fingerprint: Fingerprint,
  privileges: Privileges,
  ask: CaptureAsk,
): { readonly strategy: string; readonly obstacles: number } | undefined {
  if (!privileges.canReadFiles) return undefined
  const open = weigh(facts, fingerprint, privileges, ask).find(({ obstacles }) => {
    return !obstacles.some(({ effect }) => effect === 'blocks')
  })
  return open && { strategy: open.strategy.name, obstacles: open.obstacles.length }
}

/** What the kernel would answer to a process of this identity with these capabilities. */
export function privilegesWith(grant: Grant, facts: ProcessFacts, now: Privileges): Privileges {
  const { uid, gid, seccomp } = grant
  // Neither Kubernetes nor Docker gives an added capability to a user that is not root.
  const capabilities = new Set(uid === 0 ? grant.capabilities : [])
  const { confinement, perfEventParanoid: paranoid = 2 } = now
  const { yamaScope = 0, isUserNamespace } = confinement
  // Where it is held and of no use, a security module or another namespace is in the way.
  const isTracerInVain = now.capabilities.has('SYS_PTRACE') && !now.canReadFiles
  const isTracer = capabilities.has('SYS_PTRACE') && !isTracerInVain
  const isSame =
    uid === facts.uid &&
    gid === facts.gid &&
    facts.isDumpable &&
    (facts.permittedCapabilities & ~capabilityMask(capabilities)) === 0n
  const isPerf = capabilities.has('PERFMON') || capabilities.has('SYS_ADMIN')
  // Over the kernel itself only the capabilities of the first user namespace count.
  const isKernelPerf = isPerf && !isUserNamespace
  const canReadFiles = isTracer || isSame
  const canAttach = (isTracer && yamaScope < 3) || (isSame && yamaScope === 0)
  const allow = (isAllowed: boolean, refusal: Answer = 'EACCES'): Answer =>
    isAllowed ? 'allowed' : refusal
  const isOpen = (...names: string[]): boolean =>
    seccomp === 'unconfined' || names.some(name => capabilities.has(name))
  const perfEvents = allow(isOpen('PERFMON', 'SYS_ADMIN'), 'EPERM')
  const behind = (isAllowed: boolean): Answer =>
    perfEvents === 'allowed' ? allow(isAllowed) : perfEvents
  // A kernel or a sandbox that has no such call has none whatever is granted.
  const answer = <K extends keyof Answers>(name: K, granted: Answer): Answer =>
    now.answers[name] === 'ENOSYS' && !confinement.isFiltered ? 'ENOSYS' : granted
  return {
    ...now,
    uid,
    gid,
    capabilities,
    boundingCapabilities: capabilities,
    canReadFiles,
    canAttach,
    canOpenMemory: canAttach && (uid === facts.uid || capabilities.has('DAC_OVERRIDE')),
    canSignal: uid === facts.uid || capabilities.has('KILL'),
    answers: {
      perfEvents: answer('perfEvents', perfEvents),
      perfUser: answer('perfUser', behind(isKernelPerf || (canReadFiles && paranoid <= 2))),
      perfKernel: answer('perfKernel', behind(isKernelPerf || (canReadFiles && paranoid <= 1))),
      attach: answer('attach', allow(canAttach, 'EPERM')),
      readMemory: answer('readMemory', 'allowed'),
      ptrace: answer('ptrace', 'allowed'),
      bpf: answer('bpf', allow(isOpen('BPF', 'SYS_ADMIN'), 'EPERM')),
      // Engines differ, and nothing here enters a namespace.
      setns: 'unknown',
    },
    confinement: {
      ...confinement,
      isFiltered: seccomp === 'runtime',
      // The kernel's kallsyms_show_value().
      hidesKernelNames: !(
        (confinement.kernelPointers === 0 && paranoid <= 1) ||
        (confinement.kernelPointers <= 1 && capabilities.has('SYSLOG') && !isUserNamespace)
      ),
    },
  }
}
