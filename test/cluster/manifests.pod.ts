// Everything in image/deploy/, as a real API server sees it: its schemas, its defaults, its admission.
//
// What needs a CRD that is not here (cert-manager, OpenShift) is skipped by name.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { apply, deploy } from './kubectl.ts'
import { app, deploymentOf, kustomized } from './pods.ts'

const files = fs
  .readdirSync(deploy, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.yaml'))
const kustomizations = files.filter(file => path.basename(file) === 'kustomization.yaml')
const isComponent = (file: string) => /^kind: Component$/m.test(read(file))
const whole = kustomizations.filter(file => !isComponent(file)).map(path.dirname)
const components = kustomizations.filter(isComponent).map(path.dirname)
// What a kustomization is made of is no manifest by itself: patches, settings.
const alone = files.filter(
  file => !kustomizations.some(each => file.startsWith(`${path.dirname(each)}/`)),
)

const served = new Set(execFileSync('kubectl', ['api-versions'], { encoding: 'utf8' }).split('\n'))

describe('the API server takes', () => {
  test.each(alone)('%s', file => dryRun(read(file)))

  test.each(whole)('%s, built', folder => {
    dryRun(execFileSync('kubectl', ['kustomize', path.join(deploy, folder)], { encoding: 'utf8' }))
  })

  // On the profiler beside an app, which is a component itself.
  test.each(
    (['native-sidecar', 'sidecar'] as const).flatMap(kind => components.map(each => [each, kind])),
  )('%s on a %s', (component, kind) => {
    const first = 'components/profiler'
    const deployment = deploymentOf(kind as 'sidecar', { containers: [app('service')] })
    dryRun(kustomized({ deployment, components: [...new Set([first, component!])] }))
  })
})

function read(file: string): string {
  return fs.readFileSync(path.join(deploy, file), 'utf8')
}

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly text: string
}

function dryRun(text: string): void {
  const manifests = readManifests(text)
  expect(manifests).not.toEqual([])
  const [here, elsewhere] = [true, false].map(is =>
    manifests.filter(({ apiVersion }) => served.has(apiVersion) === is),
  ) as [Manifest[], Manifest[]]
  for (const { apiVersion, kind, name } of elsewhere) {
    console.log(`skipped: ${kind} ${name}: there is no ${apiVersion} in this cluster`)
  }
  // A dry run makes no namespace, and everything else is refused where there is none.
  for (const name of namespacesOf(text)) {
    apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  }
  if (here.length === 0) return
  const input = here.map(each => each.text).join('\n---\n')
  execFileSync('kubectl', ['apply', '--dry-run=server', '-f', '-'], { input, stdio: 'pipe' })
}

function readManifests(text: string): Manifest[] {
  return text.split(/^---.*$/m).flatMap(each => {
    const field = (name: string) =>
      new RegExp(`^${name}: *['"]?([^'"\\s#]+)`, 'm').exec(each)?.[1] ?? ''
    const [apiVersion, kind] = [field('apiVersion'), field('kind')]
    if (apiVersion === '') return []
    const name = /^\s+name: *(\S+)|metadata:.*\bname: *([^\s,}]+)/m.exec(each)
    return [{ apiVersion, kind, name: name?.[1] ?? name?.[2] ?? '', text: each }]
  })
}

function namespacesOf(text: string): Set<string> {
  const named = [...text.matchAll(/\bnamespace: *['"]?([a-z0-9-]+)/g)].map(match => match[1]!)
  return new Set(named)
}
