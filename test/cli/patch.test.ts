// The YAML to paste is YAML, and says what was found to be the least.

import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { type PatchKind, patchKinds, patchOf } from '../../agent/cli/patch.ts'
import type { Grant, Least } from '../../agent/plan/grants.ts'
import { describeWith } from '../apps/apps.ts'

// A version manager's Python may lack what Debian's has.
const python = ['python3', '/usr/bin/python3'].find(each => {
  return spawnSync(each, ['-c', 'import yaml'], { stdio: 'ignore' }).status === 0
})

const root: Grant = { uid: 0, gid: 0, capabilities: ['PERFMON', 'SYS_PTRACE'], seccomp: 'runtime' }
const full: Grant = { ...root, capabilities: [...root.capabilities, 'SYSLOG'] }
const least: Least = { strategy: 'perf', enough: root, full, isHeld: false }

// biome-ignore lint/suspicious/noExplicitAny: it is whatever the YAML says
function parse(kind: PatchKind, from = least, what = 'process 7'): any {
  const program = 'import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))'
  const { stdout, stderr } = spawnSync(python!, ['-c', program], {
    input: patchOf(kind, from, what).join('\n'),
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

describeWith(python === undefined ? ['python3-yaml'] : [], 'a patch', () => {
  const securityContext = {
    runAsUser: 0,
    runAsGroup: 0,
    runAsNonRoot: false,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'], add: ['PERFMON', 'SYS_PTRACE', 'SYSLOG'] },
    seccompProfile: { type: 'RuntimeDefault' },
  }

  test('for a pod is a sidecar that sees the others', () => {
    expect(parse('pod')).toEqual({
      spec: {
        shareProcessNamespace: true,
        containers: [{ name: 'sp-profiler', image: 'sp-profiler', securityContext }],
      },
    })
  })

  test('for kubectl debug is a part of a container', () => {
    expect(parse('debug')).toEqual({ securityContext })
  })

  test('for OpenShift lets in that pod and no more', () => {
    expect(parse('scc')).toMatchObject({
      apiVersion: 'security.openshift.io/v1',
      kind: 'SecurityContextConstraints',
      allowPrivilegedContainer: false,
      allowHostPID: false,
      allowedCapabilities: ['PERFMON', 'SYS_PTRACE', 'SYSLOG'],
      requiredDropCapabilities: ['ALL'],
      runAsUser: { type: 'MustRunAs', uid: 0 },
      seccompProfiles: ['runtime/default'],
    })
  })

  test.for(patchKinds)('of %s for the target of one uid needs no capability', kind => {
    const small: Grant = { uid: 1000, gid: 1001, capabilities: [], seccomp: 'unconfined' }
    const patch = parse(kind, { ...least, enough: small, full: small })
    const text = JSON.stringify(patch)
    expect(text).not.toContain('PERFMON')
    expect(text).toContain('1001')
    expect(text).toMatch(/"Unconfined"|"unconfined"/)
    if (kind !== 'scc') expect(text).toContain('"runAsNonRoot":true')
  })

  test('allows privileges to grow where SYS_ADMIN asks for it, as Kubernetes demands', () => {
    const admin: Grant = { ...root, capabilities: ['SYS_ADMIN'] }
    const { securityContext: context } = parse('debug', { ...least, enough: admin, full: admin })
    expect(context.allowPrivilegeEscalation).toBe(true)
  })

  test('says beside a capability what it is for, and which can be left out', () => {
    const text = patchOf('pod', least, 'process 7').join('\n')
    expect(text).toMatch(/- PERFMON # perf may sample, the kernel too$/m)
    expect(text).toMatch(/- SYSLOG # .*; it works without, but less well$/m)
  })

  test.for(patchKinds)('of %s stays YAML whatever the target is called', kind => {
    const names = parse(kind, least, 'process 7\n- x: [\t"a\r\nspec: {}')
    expect(names).toEqual(parse(kind))
  })
})
