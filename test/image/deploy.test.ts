// The manifests of image/deploy/: what they set exists, both forms of the sidecar grant the same, and nothing
// in them can hurt the application. A real API server takes them in test/cluster/.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../agent/config.ts'
import { version } from '../../agent/version.ts'

const deploy = path.resolve(import.meta.dirname, '../../image/deploy')
// biome-ignore lint/suspicious/noExplicitAny: a manifest has any shape
type Manifest = any

/** Every document of a text, read by Python's library: we have no other reader of YAML. */
function parseYaml(text: string): Manifest[] {
  const script = 'import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))'
  const options = { input: text, encoding: 'utf8' } as const
  return JSON.parse(execFileSync('/usr/bin/python3', ['-c', script], options))
}

function readYaml(file: string): Manifest[] {
  return parseYaml(fs.readFileSync(file, 'utf8'))
}

const files = fs.readdirSync(deploy, { recursive: true, encoding: 'utf8' })
const manifests = files
  .filter(file => file.endsWith('.yaml'))
  .flatMap(file => readYaml(path.join(deploy, file)).flatMap(each => [each, ...patchesOf(each)]))

/** What a kustomization holds as text. */
function patchesOf({ patches = [] }: Manifest): Manifest[] {
  return patches.flatMap(({ patch }: { patch?: string }) => {
    return patch === undefined ? [] : parseYaml(patch)
  })
}

const profilers: Manifest[] = manifests
  .flatMap(({ spec }) => [spec?.template?.spec ?? {}])
  .flatMap(({ containers = [], initContainers = [] }) => [...containers, ...initContainers])
  .filter(({ name }) => name === 'sp-profiler')

describe('the manifests', () => {
  test('are there', () => {
    expect(profilers.length).toBeGreaterThan(10)
  })

  test('set what the daemon knows, to values that it takes', () => {
    const all = profilers.flatMap(({ env = [] }) => env)
    const env = Object.fromEntries(all.map(({ name, value }) => [name, value]))
    expect(readConfig({}, env).settings).toMatchObject({ slots: 1, tlsListen: '0.0.0.0:6443' })
    expect(() => readConfig({}, { ...env, SP_FLAMEGRAPH_SLOT: '1' })).toThrow('SP_FLAMEGRAPH_SLOT')
  })

  test('probe the door without waking it, and hold back no application', () => {
    for (const each of profilers) {
      expect(each).not.toHaveProperty('startupProbe')
      expect(each).not.toHaveProperty('readinessProbe')
      if (each.livenessProbe !== undefined) expect(each.livenessProbe).toHaveProperty('tcpSocket')
    }
  })

  test('name the image of this version', () => {
    const [{ images }] = readYaml(path.join(deploy, 'example/kustomization.yaml'))
    expect(images).toMatchObject([{ name: 'sp-profiler', newTag: version() }])
  })

  test('never grant everything', () => {
    for (const { securityContext } of profilers) {
      if (securityContext === undefined) continue
      expect(securityContext.allowPrivilegeEscalation).toBe(false)
      expect(securityContext.capabilities.drop).toEqual(['ALL'])
      expect(securityContext).not.toHaveProperty('privileged')
    }
  })
})

describe('a grant', () => {
  test.each(fs.readdirSync(path.join(deploy, 'grants')))('%s is the same in both forms', name => {
    const [component] = readYaml(path.join(deploy, 'grants', name, 'kustomization.yaml'))
    const [native, plain] = patchesOf(component).map(({ spec }) => spec.template.spec)
    expect(native.initContainers[0].securityContext).toEqual(plain.containers[0].securityContext)
  })

  test('for the shell is that for every runtime', () => {
    const file = path.join(deploy, 'debug-profile.json')
    const { capabilities } = JSON.parse(fs.readFileSync(file, 'utf8')).securityContext
    const [component] = readYaml(path.join(deploy, 'grants/every-runtime/kustomization.yaml'))
    const [native] = patchesOf(component)
    const [profiler] = native.spec.template.spec.initContainers
    expect(capabilities).toEqual(profiler.securityContext.capabilities)
  })
})

test('the seccomp profile refuses what nobody needs who only looks', () => {
  const profile = JSON.parse(fs.readFileSync(path.join(deploy, 'sp-profiler.json'), 'utf8'))
  const allowed = profile.syscalls.flatMap(({ names }: { names: string[] }) => names)
  expect(profile.defaultAction).toBe('SCMP_ACT_ERRNO')
  expect(allowed).toEqual(expect.arrayContaining(['perf_event_open', 'process_vm_readv']))
  for (const refused of [
    'mount',
    'unshare',
    'setns',
    'init_module',
    'process_vm_writev',
    'kexec_load',
  ])
    expect(allowed).not.toContain(refused)
})
