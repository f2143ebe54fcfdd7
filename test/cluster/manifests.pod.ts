// Everything in image/deploy/, as a real API server sees it: its schemas, its defaults, its admission.
//
// What needs a CRD that is not here (cert-manager, OpenShift) is skipped by name.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { apply } from './kubectl.ts'

const root = path.resolve(import.meta.dirname, '../../image/deploy')
const files = (
  fs.existsSync(root) ? fs.readdirSync(root, { recursive: true, encoding: 'utf8' }) : []
)
  .map(file => path.join(root, file))
  .filter(file => /\.ya?ml$/.test(file))
const isKustomization = (file: string) => /\/kustomization\.ya?ml$/.test(file)
const kustomized = files.filter(isKustomization).map(file => path.dirname(file))
// What a kustomization is made of is no manifest by itself: patches, settings.
const alone = files.filter(file => !kustomized.some(folder => file.startsWith(`${folder}/`)))

const served = new Set(execFileSync('kubectl', ['api-versions'], { encoding: 'utf8' }).split('\n'))

if (files.length === 0) test.skip('there is none', () => {})

describe.runIf(files.length > 0)('the API server takes', () => {
  test.each(alone.map(file => [named(file), fs.readFileSync(file, 'utf8')]))('%s', (_, text) => {
    dryRun(text)
  })

  test.each(kustomized.map(folder => [named(folder), folder]))('%s, built', (_, folder) => {
    dryRun(execFileSync('kubectl', ['kustomize', folder], { encoding: 'utf8' }))
  })
})

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

function named(file: string): string {
  return path.relative(root, file) || 'kustomization.yaml'
}
