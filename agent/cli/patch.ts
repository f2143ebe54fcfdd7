// `--print-patch`: the least to grant, as YAML to paste.
//
// pod    a sidecar: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
// debug  `kubectl debug --custom`: a part of a container
// scc    what OpenShift needs before it lets such a pod in
//
// The traps: `kubectl debug` has no profile between SYS_PTRACE (general) and
// everything (sysadmin), so PERFMON needs `--custom`; a pod that says
// `runAsNonRoot` takes no root container without an override; Kubernetes
// refuses SYS_ADMIN beside `allowPrivilegeEscalation: false`.

import { ProfilerError } from '../errors.ts'
import type { Grant, Least } from '../plan/grants.ts'
import type { Patient } from '../session/examine.ts'
import type { Terminal } from './terminal.ts'

export const patchKinds = ['pod', 'debug', 'scc'] as const
export type PatchKind = (typeof patchKinds)[number]

/** What each is for, to be read beside it in the YAML. */
const reasons: ReadonlyMap<string, string> = new Map([
  ['PERFMON', 'perf may sample, the kernel too'],
  ['SYS_PTRACE', "the target's files and memory may be read"],
  ['SYSLOG', 'kernel functions have names'],
  ['KILL', 'the target may be sent a signal'],
  ['DAC_OVERRIDE', "the target's sockets and folders may be used"],
  ['CHOWN', 'a file can be given to the target'],
  ['SETUID', 'we can be the target for a moment'],
  ['SETGID', 'we can be the target for a moment'],
  ['CHECKPOINT_RESTORE', 'files that were deleted can be read'],
  ['BPF', 'programs can be loaded into the kernel'],
  ['SYS_ADMIN', 'nearly everything'],
])

/** @throws {ProfilerError} `SP_NOT_PERMITTED` where no grant would help */
export function printPatch(kind: PatchKind, patient: Patient, terminal: Terminal): void {
  const { least, pid, runtime } = patient
  if (least === undefined) {
    const what = `nothing that a pod can be granted lets process ${pid} be profiled`
    throw new ProfilerError('SP_NOT_PERMITTED', what)
  }
  const yaml = patchOf(kind, least, `process ${pid}, ${runtime}: ${least.strategy}, ${least.mode}`)
  for (const line of yaml) terminal.print(line)
  terminal.emit({ patch: yaml.join('\n') })
}

/** @param what for the first line, which is a comment */
export function patchOf(kind: PatchKind, least: Least, what: string): string[] {
  const title = `# The least for ${what}`.replace(/\s+/g, ' ')
  if (kind === 'pod') {
    return [
      title,
      'spec:',
      '  shareProcessNamespace: true',
      '  containers:',
      '    - name: sp-profiler',
      '      image: sp-profiler',
      ...securityContext(least).map(line => `      ${line}`),
    ]
  }
  if (kind === 'debug') {
    return [
      title,
      '# kubectl debug -it POD --image=sp-profiler --target=CONTAINER --profile=general --custom=THIS-FILE',
      ...securityContext(least),
    ]
  }
  const { uid, gid, capabilities, seccomp } = least.full
  return [
    title,
    'apiVersion: security.openshift.io/v1',
    'kind: SecurityContextConstraints',
    'metadata:',
    '  name: sp-profiler',
    'allowHostDirVolumePlugin: false',
    'allowHostIPC: false',
    'allowHostNetwork: false',
    'allowHostPID: false',
    'allowHostPorts: false',
    `allowPrivilegeEscalation: ${capabilities.includes('SYS_ADMIN')}`,
    'allowPrivilegedContainer: false',
    ...list('allowedCapabilities', capabilities.map(commented(least))),
    'defaultAddCapabilities: []',
    'requiredDropCapabilities: [ALL]',
    'readOnlyRootFilesystem: false',
    'runAsUser:',
    '  type: MustRunAs',
    `  uid: ${uid}`,
    'fsGroup:',
    '  type: RunAsAny',
    'supplementalGroups:',
    '  type: MustRunAs',
    '  ranges:',
    `    - min: ${gid}`,
    `      max: ${gid}`,
    'seLinuxContext:',
    '  type: MustRunAs',
    `seccompProfiles: [${seccomp === 'runtime' ? 'runtime/default' : 'unconfined'}]`,
    'users: []',
    'groups: []',
    'volumes: [configMap, downwardAPI, emptyDir, projected, secret]',
  ]
}

function securityContext(least: Least): string[] {
  const { uid, gid, capabilities, seccomp } = least.full
  return [
    'securityContext:',
    `  runAsUser: ${uid}`,
    `  runAsGroup: ${gid}`,
    `  runAsNonRoot: ${uid !== 0}`,
    `  allowPrivilegeEscalation: ${capabilities.includes('SYS_ADMIN')}`,
    '  capabilities:',
    '    drop: [ALL]',
    ...list('add', capabilities.map(commented(least))).map(line => `    ${line}`),
    '  seccompProfile:',
    ...(seccomp === 'runtime'
      ? [
          // Those of engines before 2021, and of podman 4, open perf_event_open to SYS_ADMIN alone.
          ...(capabilities.includes('PERFMON')
            ? ['    # An old engine does not know PERFMON: there, Unconfined.']
            : []),
          '    type: RuntimeDefault',
        ]
      : ['    type: Unconfined']),
  ]
}

function commented({ enough, full }: Least): (capability: string) => string {
  return capability => {
    const isExtra = !enough.capabilities.includes(capability) && isSameUser(enough, full)
    const why = reasons.get(capability) ?? 'as the strategy asks'
    return `${capability} # ${why}${isExtra ? '; it works without, but less well' : ''}`
  }
}

function isSameUser(one: Grant, other: Grant): boolean {
  return one.uid === other.uid && one.gid === other.gid
}

function list(name: string, values: readonly string[]): string[] {
  return values.length === 0 ? [`${name}: []`] : [`${name}:`, ...values.map(each => `  - ${each}`)]
}
